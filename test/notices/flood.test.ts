import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FloodGate } from "../../src/notices/flood.js";
import { FakeClock } from "../fakes/clock.js";
import { House } from "../fakes/house.js";
import { Parent } from "../fakes/parent.js";
import { MINUTE } from "./family.js";
import { process } from "./jobs.js";

function gate() {
  const clock = new FakeClock();
  const passed: string[] = [];
  const pass = (_: string, text: string): void => void passed.push(text);
  const flood = new FloodGate(clock, pass, () => 0);
  return { clock, passed, flood };
}

/** How many lines a text tells of: those it quotes and those it says are only in the output. */
function counted(text: string): number {
  const [, more = "0"] = /\((\d+) earlier ones are only in the output\)$/u.exec(text) ?? [];
  return text.split("\n").length - (more === "0" ? 0 : 1) + Number(more);
}

void describe("what a process asks to be told", () => {
  void it("passes no half of a character where it is cut", () => {
    const { passed, flood } = gate();
    flood.offer("proc_1", `x${"😀".repeat(2_000)}`);
    assert.deepEqual(passed, [`x${"😀".repeat(1_999)}`]);
  });

  void it("passes at once five times, then once a minute with the newest and the number of the others", async () => {
    const { clock, passed, flood } = gate();
    for (let line = 1; line <= 20; line++) flood.offer("proc_1", `line ${line}`);
    assert.deepEqual(passed, ["line 1", "line 2", "line 3", "line 4", "line 5"]);
    await clock.advance(MINUTE);
    const newest = Array.from({ length: 10 }, (_, index) => `line ${11 + index}`);
    assert.equal(passed[5], [...newest, "(5 earlier ones are only in the output)"].join("\n"));
    flood.offer("proc_1", "line 21");
    assert.equal(passed.length, 6);
    await clock.advance(MINUTE);
    assert.equal(passed[6], "line 21");
    await clock.advance(MINUTE);
    assert.equal(clock.pending, 0);
    flood.offer("proc_1", "after a quiet minute");
    assert.equal(passed[7], "after a quiet minute");
  });

  void it("is counted to the last line, also when the process ends in between", async () => {
    const { clock, passed, flood } = gate();
    for (let line = 0; line < 10_000; line++) flood.offer("proc_1", `line ${line}`);
    await clock.advance(MINUTE);
    for (let line = 0; line < 777; line++) flood.offer("proc_1", `more ${line}`);
    flood.close("proc_1");
    assert.equal(passed.length, 7);
    assert.equal(
      passed.map(counted).reduce((sum, lines) => sum + lines),
      10_777,
    );
    assert.ok(passed.every((text) => text.length <= 4_100));
    assert.equal(clock.pending, 0);
  });

  void it("of one process does not hold up another", () => {
    const { passed, flood } = gate();
    for (let line = 0; line < 100; line++) flood.offer("proc_1", "flood");
    flood.offer("proc_2", "quiet");
    assert.equal(passed.at(-1), "quiet");
  });

  void it("is bounded also when its lines are long", async () => {
    const { clock, passed, flood } = gate();
    for (let line = 0; line < 100; line++) flood.offer("proc_1", `${line}`.padEnd(3_900, "x"));
    await clock.advance(MINUTE);
    assert.ok((passed[5] ?? "").length <= 4_100);
    assert.match(passed[5] ?? "", /\(94 earlier ones are only in the output\)$/u);
  });

  void it("leaves no timer when the instance closes", () => {
    const { clock, flood } = gate();
    flood.offer("proc_1", "line");
    flood.dispose();
    assert.equal(clock.pending, 0);
  });
});

void it("10,000 lines in a second reach the parent in a bounded number of turns, all counted", async () => {
  const house = new House({ options: { toasts: false } });
  const root = house.host.addRoot();
  house.busy(root);
  house.idle(root);
  house.jobs.add(process({ parentSessionID: root, rootSessionID: root }));
  const job = process({ parentSessionID: root });
  house.host.onPrompt = ({ sessionID }) => {
    house.step(sessionID);
    house.idle(sessionID);
  };
  for (let line = 0; line < 10_000; line++) house.notices.announce(job, "output", `line ${line}`);
  await house.clock.advance(3 * MINUTE);
  const prompts = house.promptsTo(root);
  assert.ok(prompts.length <= 3, `${prompts.length} turns`);
  const text = prompts.join("\n");
  const quoted = text.split("\n").filter((line) => /^\| line \d+$/u.test(line)).length;
  const [, more] = /^\| \((\d+) earlier ones are only in the output\)$/mu.exec(text) ?? [];
  assert.equal(quoted + Number(more), 10_000);
  assert.deepEqual(house.notices.outbox.all(), []);
});

void it("a parent that is not woken is owed a bounded number of notices, all counted once its user comes", async () => {
  const house = new House({ options: { toasts: false, wake: "none" } });
  const parent = new Parent(house);
  await parent.types();
  await parent.run();
  const job = process({ parentSessionID: parent.id, rootSessionID: parent.id });
  house.jobs.add(job);
  let lines = 0;
  for (let minute = 0; minute < 24 * 60; minute++) {
    // Every other minute is a quiet one.
    const noisy = minute % 2 === 0 ? 8 : 0;
    for (let line = 0; line < noisy; line++)
      house.notices.announce(job, "output", `line ${lines++}`);
    await house.clock.advance(MINUTE);
  }
  const owed = house.notices.outbox.all();
  assert.ok(owed.length <= 6, `${owed.length} notices`);
  house.jobs.end(job.id, { status: "completed", reason: "finished", at: new Date() });
  const texts = house.notices.outbox.all().flatMap(({ text }) => text ?? []);
  assert.equal(
    texts.map(counted).reduce((sum, told) => sum + told),
    lines,
  );
  await parent.types();
  await parent.run();
  assert.deepEqual(house.notices.outbox.all(), []);
  await house.clock.advance(MINUTE);
  assert.equal(house.clock.pending, 0);
});
