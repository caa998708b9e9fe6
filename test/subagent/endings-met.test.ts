/** Recorded runs that meet something of ours: a cancel, a late answer, a run before, a subagent of their own. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import { deferred } from "../../fixtures/deferred.js";
import { settle } from "../fakes/clock.js";
import { House } from "../fakes/house.js";
import { Replay } from "../fakes/replay.js";
import { ENDINGS } from "./endings.js";

const RUNS = 25;

/** How a stretch of a recording arrives: in order, each event twice, or shuffled and some of them twice. */
type Play = (replay: Replay, from: number, until: number) => Promise<void>;

const inOrder: Play = (replay, from, until) => replay.play(1, from, until);
const doubled: Play = (replay, from, until) => replay.play(2, from, until);

/** What has happened is stored; only its events are late. */
function shuffled(seed: number): Play {
  return async (replay, from, until) => {
    replay.storeUpTo(until);
    const indexes = Array.from({ length: until - from }, (_, index) => from + index);
    const order = fc.subarray(indexes).chain((again) => {
      const arriving = [...indexes, ...again];
      return fc.shuffledSubarray(arriving, { minLength: arriving.length });
    });
    const [arrivals = []] = fc.sample(order, { seed, numRuns: 1 });
    for (const index of arrivals) {
      replay.deliver(index);
      if (index % 3 === 0) await settle();
    }
    await settle();
  };
}

/** The same test for events in order, doubled, and in many other orders. */
function inAnyOrder(name: string, body: (play: Play) => Promise<void>): void {
  void it(`${name}, as recorded`, () => body(inOrder));
  void it(`${name}, each event twice`, () => body(doubled));
  void it(`${name}, shuffled`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), (seed) => body(shuffled(seed))),
      { numRuns: RUNS },
    );
  });
}

async function assertSlotFree({ house }: Replay): Promise<void> {
  const next = await house.launch({ parentSessionID: house.host.addRoot() });
  assert.equal(next.status, "running");
}

void describe("a recorded run that the agent cancels", () => {
  for (const { name, text } of ENDINGS.filter((ending) =>
    /^aborted-(?!parent)/u.test(ending.name),
  )) {
    inAnyOrder(name, async (play) => {
      const replay = new Replay(name, { options: { maxRunning: 1 } });
      const { house, host } = replay;
      await replay.launch();
      const border = replay.events.findIndex((event) =>
        /MessageAbortedError|"status":\{"type":"idle"\}/u.test(JSON.stringify(event)),
      );
      await play(replay, 0, border);
      host.onAbort = () => replay.storeUpTo(replay.events.length);
      const cancelled = house.tasks.cancel([replay.id], "cancelled_by_agent");
      await play(replay, border, replay.events.length);
      await cancelled;
      await replay.rest();
      assert.equal(house.outcome(replay.id), "cancelled · cancelled_by_agent");
      assert.equal(house.ends.get(replay.id), 1);
      assert.equal((await house.tasks.result(house.job(replay.id))).text, text);
      await assertSlotFree(replay);
    });
  }
});

void describe("a recorded run that is over before its prompt was answered", () => {
  for (const { name, outcome, text } of ENDINGS.filter(({ name }) =>
    ["text", "tools-then-text", "empty", "error-400"].includes(name),
  )) {
    inAnyOrder(name, async (play) => {
      const replay = new Replay(name, { options: { maxRunning: 1 } });
      const { house, host } = replay;
      const answered = deferred<void>();
      host.promptAnswered = answered.promise;
      const launched = replay.launch();
      await settle();
      await play(replay, 0, replay.events.length);
      answered.resolve();
      await launched;
      await replay.rest();
      assert.equal(house.outcome(replay.id), outcome);
      assert.equal(house.ends.get(replay.id), 1);
      assert.equal((await house.tasks.result(house.job(replay.id))).text, text);
      await assertSlotFree(replay);
    });
  }
});

void describe("a recorded prompt that starts nothing", () => {
  inAnyOrder("is sent once more and has then never started", async (play) => {
    const replay = new Replay("no-reply", {
      prompts: ["silent", "second"],
      options: { maxRunning: 1 },
    });
    const { house, host } = replay;
    await replay.launch({ notify: false });
    await play(replay, 0, replay.indexOfPrompt(replay.prompts[1] ?? ""));
    assert.equal(house.outcome(replay.id), "running");
    await house.clock.advance(60_000);
    assert.equal(house.outcome(replay.id), "failed · never_started");
    assert.equal(house.ends.get(replay.id), 1);
    assert.deepEqual(
      host.prompts.map(({ messageID, text }) => [messageID, text]),
      [
        [replay.prompts[0], "do it"],
        [replay.prompts[0], undefined],
      ],
    );
    await assertSlotFree(replay);
  });
});

void describe("a recorded run after another one of the same task", () => {
  inAnyOrder("is not ended by what comes late of the earlier one", async (play) => {
    const replay = new Replay("two-runs", { prompts: ["first", "second"] });
    const { house } = replay;
    await replay.launch({ notify: false });
    const border = replay.indexOfPrompt(replay.prompts[1] ?? "");
    await play(replay, 0, border);
    await replay.house.clock.advance(60_000);
    assert.equal(house.outcome(replay.id), "completed · finished");
    await house.tasks.resume(replay.id, "second", {});
    await play(replay, 0, border);
    assert.equal(house.outcome(replay.id), "running");
    await play(replay, border, replay.events.length);
    await replay.rest();
    assert.equal(house.outcome(replay.id), "completed · finished");
    assert.equal(house.ends.get(replay.id), 2);
    const { text } = await house.tasks.result(house.job(replay.id));
    assert.equal(text, "The second answer.");
  });
});

void describe("a recorded run with a subagent of its own", () => {
  inAnyOrder("is completed by the answer to that one's end", async (play) => {
    const replay = new Replay("two-runs", {
      prompts: ["first", "second"],
      options: { maxDepth: 2 },
    });
    const { house, child } = replay;
    await replay.launch();
    // As its tool call does.
    house.notices.used(child);
    const nested = { ...house.job(replay.id), id: "bg_0000000001", parentSessionID: child };
    house.jobs.add({ ...nested, sessionID: undefined, depth: 2, runs: [] });
    const border = replay.indexOfPrompt(replay.prompts[1] ?? "");
    await play(replay, 0, border);
    assert.equal(house.outcome(replay.id), "running");
    const at = new Date(house.clock.now());
    house.jobs.end(nested.id, { status: "completed", reason: "finished", at });
    await house.clock.advance(1_000);
    assert.equal(house.host.prompts.at(-1)?.messageID, replay.prompts[1]);
    // A prompt that was answered is stored.
    replay.storeUpTo(border + 1);
    await play(replay, 0, border);
    assert.equal(house.outcome(replay.id), "running");
    await play(replay, border, replay.events.length);
    await replay.rest();
    assert.equal(house.outcome(replay.id), "completed · finished");
    assert.equal(house.ends.get(replay.id), 1);
    const { text } = await house.tasks.result(house.job(replay.id));
    assert.equal(text, "The second answer.");
  });
});

void describe("idle, error, deleted and abort", () => {
  const ends = ["idle", "error", "deleted", "abort"] as const;
  const error = { name: "APIError", message: "no", status: 400 };

  async function play(order: readonly (typeof ends)[number][], slowly: boolean): Promise<void> {
    const house = new House({ options: { maxRunning: 1 } });
    house.host.onAbort = (sessionID) => house.idle(sessionID);
    const { id, sessionID } = await house.child({ parentSessionID: house.host.addRoot() });
    house.step(sessionID, { text: "So far.", completed: false, finish: undefined });
    const calls: Promise<unknown>[] = [];
    for (const end of order) {
      if (end === "idle") house.idle(sessionID);
      if (end === "error") house.event({ type: "error", sessionID, error });
      if (end === "deleted") house.host.sessions.delete(sessionID);
      if (end === "deleted") house.event({ type: "deleted", sessionID });
      if (end === "abort") calls.push(house.tasks.cancel([id], "cancelled_by_agent"));
      if (slowly) await settle();
    }
    await house.clock.advance(180_000);
    await Promise.all(calls);
    assert.equal(house.ends.get(id), 1);
    assert.match(house.outcome(id), /^(failed · error|cancelled · \w+)$/u);
    assert.equal((await house.launch({ parentSessionID: house.host.addRoot() })).status, "running");
  }

  for (const order of permutations(ends)) {
    void it(`end a run once in the order ${order.join(", ")}, together or one by one`, async () => {
      for (const slowly of [false, true]) {
        await play(order, slowly);
        await play([...order, ...order], slowly);
      }
    });
  }
});

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((item, index) =>
    permutations(items.toSpliced(index, 1)).map((rest) => [item, ...rest]),
  );
}
