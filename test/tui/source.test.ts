// The jobs as read from disk: what is missing or broken costs nothing but itself, and what does not
// change costs nothing at all.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import { createRoot } from "solid-js";
import { aProcess, aSubagent } from "../../fixtures/jobs.js";
import { openOutputOf, writeStateFolder } from "../../fixtures/tui/jobs.js";
import { STDERR, STDOUT } from "../../src/output/format.js";
import { setAside } from "../../src/output/runs.js";
import { outputPath } from "../../src/store/instance-folder.js";
import { openProcessLog } from "../../src/tui/log/process-log.js";
import type { ShownJob } from "../../src/tui/describe.js";
import { farewell } from "../../src/tui/attention.js";
import { createSource, isHere, type Origin, type Source } from "../../src/tui/source.js";
import { throttle } from "../../src/time.js";
import { FakeClock } from "../fakes/clock.js";
import { driveUntil, driveUntilStill } from "../fakes/file-events.js";
import { names } from "./shown.js";

const directory = "/project";

function scratch(t: TestContext): string {
  const root = mkdtempSync(join(tmpdir(), "obm-tui-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  return root;
}

/** Each try but the last fails. */
function open(t: TestContext, ...answers: readonly (Origin | Error)[]) {
  let tries = 0;
  const clock = new FakeClock();
  const changes: { before: readonly ShownJob[]; after: readonly ShownJob[] }[] = [];
  const source = createSource({
    findOrigin: async () => {
      const answer = answers[Math.min(tries++, answers.length - 1)] ?? assert.fail("no answer");
      if (answer instanceof Error) throw answer;
      return answer;
    },
    clock,
    onChange: (before, after) => changes.push({ before, after }),
  });
  t.after(() => source.close());
  source.refresh();
  const until = (isDone: () => boolean, what: string) => driveUntil(clock, isDone, what);
  return { source, changes, clock, until };
}

const seen = (source: Source) => names(source.snapshot().jobs);

void describe("the jobs on disk", () => {
  test("are seen when they come, change and go, from a folder that did not exist", async (t) => {
    const root = join(scratch(t), "not", "there", "yet");
    const where = { root, projectID: "p", directory };
    const { source, changes, until } = open(t, { kind: "here", ...where });
    await until(() => source.origin() !== undefined, "the origin");
    writeStateFolder(where, [aSubagent({ name: "first" })]);
    await until(() => seen(source).includes("first"), "the first job");
    writeStateFolder(where, [aSubagent({ name: "first" }), aProcess({ name: "second" })]);
    await until(() => seen(source).includes("second"), "the second job");
    assert.deepEqual(names(changes.at(-1)?.before ?? []), ["first"]);
    rmSync(root, { recursive: true });
    await until(() => seen(source).length === 0, "the end of all jobs");
  });

  test("a half-written file hides only what is in it", async (t) => {
    const where = { root: scratch(t), projectID: "p", directory };
    writeStateFolder({ ...where, instance: "aaaaaaaaaaaaaaaa" }, [aSubagent({ name: "whole" })]);
    const folder = writeStateFolder({ ...where, instance: "bbbbbbbbbbbbbbbb" }, [aProcess()]);
    const { source, until } = open(t, { kind: "here", ...where });
    await until(() => seen(source).length === 2, "both jobs");
    writeFileSync(join(folder, "jobs.json"), '{"version":1,"jobs":[{"kind":"pro');
    await until(() => seen(source).length === 1, "the broken file");
    assert.deepEqual(seen(source), ["whole"]);
    assert.equal(source.problem(), undefined);
  });

  test("a job of an OpenCode that is gone is known as such", async (t) => {
    const where = { root: scratch(t), projectID: "p", directory, ownerAlive: false };
    writeStateFolder(where, [aProcess()]);
    const { source, until } = open(t, { kind: "here", ...where });
    await until(() => seen(source).length === 1, "the job");
    assert.equal(source.snapshot().jobs[0]?.ownerAlive, false);
  });

  test("whose they were is still known when their OpenCode has closed, if it was seen", async (t) => {
    const where = { root: scratch(t), projectID: "p", directory };
    const [unseen, closing] = ["aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb"] as const;
    writeStateFolder({ ...where, instance: unseen, ownerAlive: false }, [aProcess({ name: "a" })]);
    writeStateFolder({ ...where, instance: closing }, [aProcess({ name: "b" })]);
    const { source, until } = open(t, { kind: "here", ...where });
    await until(() => seen(source).length === 2, "both jobs");
    const ended = aProcess({ name: "b", status: "cancelled", endReason: "host_exit" });
    writeStateFolder({ ...where, instance: closing, ownerAlive: false }, [ended]);
    await until(() => source.snapshot().jobs.every(({ ownerAlive }) => !ownerAlive), "its end");
    const pids = source.snapshot().jobs.map(({ job, ownerPID }) => [job.name, ownerPID] as const);
    assert.deepEqual(
      new Map(pids),
      new Map([
        ["a", undefined],
        ["b", process.pid],
      ]),
    );
    assert.match(farewell(source.snapshot().jobs, process.pid) ?? "", /: 1 process \(b\)$/u);
  });

  test("need no timer while nothing changes, running jobs or not", async (t) => {
    const where = { root: scratch(t), projectID: "p", directory };
    writeStateFolder(where, [aSubagent(), aProcess()]);
    const { source, clock, until } = open(t, { kind: "here", ...where });
    await until(() => seen(source).length === 2, "both jobs");
    await driveUntilStill(clock, () => source.snapshot().at);
    const { at } = source.snapshot();
    await clock.advance(3_600_000);
    assert.equal(clock.pending, 0);
    assert.equal(source.snapshot().at, at);
  });

  test("a server that does not answer is a problem to show, and is asked again", async (t) => {
    const where = { root: scratch(t), projectID: "p", directory };
    writeStateFolder(where, [aSubagent({ name: "the job" })]);
    const none = new Error("no answer");
    const { source, clock, until } = open(t, none, none, none, { kind: "here", ...where });
    await until(() => source.problem() !== undefined, "the problem");
    assert.equal(source.problem(), "no answer");
    assert.deepEqual(seen(source), []);
    // Nothing but time makes it ask.
    await until(() => seen(source).length > 0, "the job");
    assert.equal(source.problem(), undefined);
    await driveUntilStill(clock, () => source.snapshot().at);
    assert.equal(clock.pending, 0);
  });

  test("a server that never answers is asked no more once the terminal ends", async (t) => {
    const { source, clock, until } = open(t, new Error("no answer"));
    await until(() => source.problem() !== undefined, "the problem");
    assert.equal(clock.pending, 1);
    source.close();
    assert.equal(clock.pending, 0);
  });
});

void describe("where the server is", () => {
  test("is told by its name", () => {
    const own = ["box", "192.168.1.5", "fe80::1"];
    for (const name of [
      "opencode.internal",
      "localhost",
      "127.0.0.1",
      "[::1]",
      "Box",
      "192.168.1.5",
    ]) {
      assert.equal(isHere(name, own), true, name);
    }
    for (const name of ["example.com", "192.168.1.6", "10.0.0.1"]) {
      assert.equal(isHere(name, own), false, name);
    }
  });
});

void describe("the log of a process", () => {
  test("is followed from before its first output", async (t) => {
    const clock = new FakeClock();
    const where = { root: scratch(t), projectID: "p", directory };
    const folder = writeStateFolder(where, [aProcess()]);
    const log = openProcessLog(outputPath(folder, "proc_aaaaaaaaaa"), clock);
    t.after(() => log.close());
    const until = (isDone: () => boolean, what: string) => driveUntil(clock, isDone, what);
    assert.equal(log.note(), "(no output yet)");
    const output = openOutputOf(folder, "proc_aaaaaaaaaa");
    t.after(() => output.close());
    output.append(STDOUT, Buffer.from("hello\n"));
    await until(() => log.lines()[0]?.text === "hello", "the first line");
    assert.equal(log.note(), undefined);
    output.append(STDERR, Buffer.from("\u001b[31mbad\u001b[0m\n"));
    await until(() => log.lines().length >= 2, "the second line");
    assert.deepEqual(
      log
        .lines()
        .slice(0, 2)
        .map(({ text, tone }) => [text, tone]),
      [
        ["hello", "text"],
        ["bad", "warning"],
      ],
    );
  });

  test("goes on with the next run, whose output takes the place of the last one's", async (t) => {
    const clock = new FakeClock();
    const where = { root: scratch(t), projectID: "p", directory };
    const folder = writeStateFolder(where, [aProcess()]);
    const file = outputPath(folder, "proc_aaaaaaaaaa");
    const first = openOutputOf(folder, "proc_aaaaaaaaaa");
    t.after(() => first.close());
    first.append(STDOUT, Buffer.from("a first run with a needle\n"));
    const log = openProcessLog(file, clock);
    t.after(() => log.close());
    const found = createRoot((dispose) => {
      t.after(dispose);
      return log.search("needle");
    });
    const until = (isDone: () => boolean, what: string) => driveUntil(clock, isDone, what);
    await until(() => found().offsets.length === 1, "the first match");
    // Within one moment, so that no look sees the place without a file.
    setAside(file, "proc_aaaaaaaaaa", 1);
    const second = openOutputOf(folder, "proc_aaaaaaaaaa");
    t.after(() => second.close());
    second.append(STDOUT, Buffer.from("again\n"));
    await until(() => log.lines()[0]?.text === "again", "the second run");
    await until(() => found().offsets.length === 0, "the end of the first match");
    second.append(STDOUT, Buffer.from("a needle\n"));
    await until(() => log.lines().length >= 2, "what comes after it");
    await until(() => found().offsets.length === 1, "the match in it");
    assert.deepEqual(found().offsets, [6]);
  });

  test("is loaded in parts, forth and back", async (t) => {
    const where = { root: scratch(t), projectID: "p", directory };
    const folder = writeStateFolder(where, [aProcess()]);
    const output = openOutputOf(folder, "proc_aaaaaaaaaa");
    t.after(() => output.close());
    const line = (n: number) => `line ${n} ${"x".repeat(90)}\n`;
    for (let n = 0; n < 20_000; n += 1) output.append(STDOUT, Buffer.from(line(n)));
    const log = openProcessLog(outputPath(folder, "proc_aaaaaaaaaa"), new FakeClock());
    t.after(() => log.close());
    const first = () => Number(log.lines()[0]?.text.split(" ")[1]);
    const end = first();
    assert.ok(end > 15_000 && log.hasEarlier() && !log.hasLater());
    log.load("earlier");
    assert.ok(first() < end && log.lines().some(({ text }) => text.startsWith(`line ${end} `)));
    log.load(0);
    assert.equal(first(), 0);
    assert.ok(!log.hasEarlier() && log.hasLater());
    log.load("later");
    assert.ok(first() > 0);
    log.load(Infinity);
    assert.equal(first(), end);
  });
});

void describe("updates", () => {
  test("come at once, and not more often than allowed", async () => {
    const clock = new FakeClock();
    let runs = 0;
    const update = throttle(clock, 200, () => (runs += 1));
    update.call();
    assert.equal(runs, 1);
    for (let n = 0; n < 50; n += 1) update.call();
    assert.equal(runs, 1);
    await clock.advance(200);
    assert.equal(runs, 2);
    assert.equal(clock.pending, 0);
  });
});
