/** When a process is started again, as a function of state, event and time: no process and no clock. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import {
  NEW_LIFE,
  step,
  type LifeEvent,
  type LifeState,
  type RunEnd,
} from "../../src/process/life-cycle.js";

/** What the steps say, each by the type of its action. */
function play(state: LifeState, ...events: [LifeEvent, number?][]) {
  let now = 0;
  const actions: string[] = [];
  for (const [event, after = 0] of events) {
    now += after;
    const next = step(state, event, now);
    state = next.state;
    const { action } = next;
    actions.push(action.type === "wait" ? `wait ${action.milliseconds}` : action.type);
  }
  return { state, actions };
}

const START: [LifeEvent] = [{ type: "start" }];
const STOP: [LifeEvent] = [{ type: "stop" }];
const REPLACE: [LifeEvent] = [{ type: "replace" }];
const DUE: [LifeEvent] = [{ type: "due" }];
const exited = (end: RunEnd, after = 0): [LifeEvent, number] => [
  { type: "exited", end, policy: "always" },
  after,
];

test("without a policy the first end is the last; on-failure takes failures only, always every end of its own", () => {
  for (const [policy, end, expected] of [
    [undefined, "failed", "end"],
    ["on-failure", "completed", "end"],
    ["on-failure", "failed", "wait 1000"],
    ["always", "completed", "wait 1000"],
    ["always", "failed", "wait 1000"],
    ["always", "killed", "end"],
    ["always", "never_started", "end"],
  ] as const) {
    const { actions } = play(NEW_LIFE, START, [{ type: "exited", end, policy }]);
    assert.deepEqual(actions, ["start", expected], `${policy} ${end}`);
  }
});

test("pauses double, five restarts in five minutes are the most, and then it is a crash loop", () => {
  const rounds = Array.from({ length: 5 }, () => [exited("failed", 10), DUE]).flat();
  const { state, actions } = play(NEW_LIFE, START, ...rounds, exited("failed", 10));
  const waits = actions.filter((each) => each.startsWith("wait"));
  assert.deepEqual(waits, ["wait 1000", "wait 2000", "wait 4000", "wait 8000", "wait 16000"]);
  assert.equal(actions.at(-1), "crash_loop");
  assert.equal(state.phase, "over");
});

test("a life of 60 s makes the next pause the first again; a pause is never longer than 60 s", () => {
  const good = play(NEW_LIFE, START, exited("failed"), DUE, exited("failed", 60_000));
  assert.deepEqual(good.actions, ["start", "wait 1000", "start", "wait 1000"]);
  // Two minutes before each next start: never five restarts within five minutes, always short lives.
  const rounds = Array.from({ length: 9 }, () => [exited("failed", 1), DUE] as const).flatMap(
    ([end, due]) => [end, [due[0], 120_000] as [LifeEvent, number]],
  );
  const { actions } = play(NEW_LIFE, START, ...rounds);
  assert.equal(actions.filter((each) => each === "wait 60000").length, 3);
  assert.ok(!actions.includes("crash_loop"));
});

test("an end that is asked for wins over a start, in each order", () => {
  for (const [events, actions] of [
    // While it waits for its next run, and before the pause is over in the same moment.
    [
      [START, exited("failed"), STOP, DUE],
      ["start", "wait 1000", "end", "nothing"],
    ],
    // It exits by itself while it is being ended.
    [
      [START, STOP, exited("failed")],
      ["start", "end_run", "end"],
    ],
    [
      [START, STOP, REPLACE, exited("killed")],
      ["start", "end_run", "refuse", "end"],
    ],
    // It is being started again: before its run has ended, and after.
    [
      [START, REPLACE, STOP, exited("killed"), START],
      ["start", "end_run", "end_run", "end", "refuse"],
    ],
    [
      [START, REPLACE, exited("killed"), STOP, START],
      ["start", "end_run", "nothing", "end", "refuse"],
    ],
  ] as const) {
    const played = play(NEW_LIFE, ...events);
    assert.deepEqual(played.actions, actions);
    assert.equal(played.state.phase, "over");
  }
});

test("whatever happens, nothing starts after a stop until it is asked for anew, and runs do not overlap", () => {
  const event = fc.oneof(
    ...(["start", "stop", "replace", "due"] as const).map((type) => fc.constant({ type })),
    fc
      .constantFrom<RunEnd>("completed", "failed", "killed", "never_started")
      .map((end) => ({ type: "exited" as const, end, policy: "always" as const })),
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 40 }), (events) => {
      let state = NEW_LIFE;
      let runs = false;
      let isStopped = false;
      for (const [at, each] of events.entries()) {
        // Only what runs can exit.
        if (each.type === "exited" && !runs) continue;
        const next = step(state, each, at * 1000);
        if (each.type === "exited") runs = false;
        if (each.type === "stop") isStopped = true;
        if (each.type === "replace" && next.action.type !== "refuse") isStopped = false;
        if (next.action.type === "start") {
          assert.ok(!runs, "two runs");
          assert.ok(!isStopped, "started after a stop");
          runs = true;
        }
        state = next.state;
      }
    }),
  );
});
