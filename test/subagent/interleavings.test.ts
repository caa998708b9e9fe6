import assert from "node:assert/strict";
import { it } from "node:test";
import * as fc from "fast-check";
import type { Deferred } from "../../fixtures/deferred.js";
import { isTerminal } from "../../src/jobs/status.js";
import { settle } from "../fakes/clock.js";
import { House } from "../fakes/house.js";
import { rounds } from "../rounds.js";

const MINUTE = 60_000;
const FALLIBLE = [
  "prompt",
  "createSession",
  "messages",
  "busySessions",
  "abort",
  "session",
] as const;

type Action =
  | {
      do: "step" | "tool" | "answer" | "fail" | "abort" | "idle" | "cancel" | "delete" | "resume";
      which: number;
    }
  | { do: "launch" }
  | { do: "wait"; milliseconds: number }
  | { do: "break"; method: (typeof FALLIBLE)[number]; times: number };

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constantFrom(
        ...([
          "step",
          "tool",
          "answer",
          "fail",
          "abort",
          "idle",
          "cancel",
          "delete",
          "resume",
        ] as const),
      ),
      which: fc.nat(5),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ do: "launch" as const }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("wait" as const),
      milliseconds: fc.constantFrom(0, 1_000, 5_000, 11_000, MINUTE),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("break" as const),
      method: fc.constantFrom(...FALLIBLE),
      times: fc.integer({ min: 1, max: 3 }),
    }),
  },
);

class World {
  readonly house = new House({ options: { maxRunning: 3, toasts: false } });
  readonly #root = this.house.host.addRoot();
  /** Ids of the calls that each child made, whatever was heard of them. */
  readonly #calls = new Map<string, Set<string>>();
  readonly #resumed = new Map<string, number>();
  readonly #held = new Map<string, Deferred<void>>();
  #count = 0;
  #unsettled = 0;

  constructor() {
    const { house } = this;
    // The host aborts at once, if it can be reached.
    house.host.onAbort = (sessionID) => house.idle(sessionID);
  }

  /** Does it to the end, as far as that needs no time. */
  async do(step: Action): Promise<void> {
    await this.#run(step);
    await settle();
  }

  /** Begins it; what it waits for may come after later actions. */
  begin(step: Action): void {
    this.#unsettled += 1;
    void this.#run(step).finally(() => (this.#unsettled -= 1));
  }

  /** Actions that have begun and not come to an end. */
  get unsettled(): number {
    return this.#unsettled;
  }

  /** From now on the host takes such requests and answers none of them until `release`. */
  hold(method: (typeof FALLIBLE)[number]): void {
    if (!this.#held.has(method)) this.#held.set(method, this.house.host.block(method));
  }

  release(): void {
    for (const gate of this.#held.values()) gate.resolve();
    this.#held.clear();
  }

  async #run(step: Action): Promise<void> {
    const { house } = this;
    if (step.do === "wait") await house.clock.advance(step.milliseconds);
    else if (step.do === "break") house.host.fail(step.method, step.times);
    else if (step.do === "launch")
      await this.#attempt(() => house.launch({ parentSessionID: this.#root }));
    else await this.#child(step.do, step.which);
  }

  async #child(
    what: Exclude<Action["do"], "wait" | "break" | "launch">,
    which: number,
  ): Promise<void> {
    const { house } = this;
    const tasks = house.tasks.list();
    const task = tasks[which % Math.max(1, tasks.length)];
    if (!task) return;
    const { id, sessionID } = task;
    if (what === "cancel") void house.tasks.cancel([id], "cancelled_by_agent");
    if (what === "resume" && isTerminal(task.status)) {
      this.#resumed.set(id, (this.#resumed.get(id) ?? 0) + 1);
    }
    if (what === "resume") await this.#attempt(() => house.tasks.resume(id, "more", {}));
    if (sessionID === undefined || !house.host.sessions.has(sessionID)) return;
    if (what === "step") house.step(sessionID, { text: "So far.", completed: false });
    if (what === "tool") this.#tool(sessionID);
    if (what === "answer") await house.answer(sessionID, "The answer.");
    if (what === "idle") house.idle(sessionID);
    if (what === "fail" || what === "abort") {
      const name = what === "fail" ? "APIError" : "MessageAbortedError";
      await house.answer(sessionID, { error: { name, message: "no" } });
    }
    if (what === "delete") {
      house.host.sessions.delete(sessionID);
      house.event({ type: "deleted", sessionID });
    }
  }

  #tool(sessionID: string): void {
    const callID = `call_${++this.#count}`;
    const calls = this.#calls.get(sessionID) ?? new Set();
    this.#calls.set(sessionID, calls.add(callID));
    const call = { callID, tool: "bash", status: "completed" as const };
    this.house.step(sessionID, { finish: "tool-calls", tools: [call, call] });
  }

  /** A launch may be refused, and a host may refuse: both say so and change nothing else. */
  async #attempt(start: () => Promise<unknown>): Promise<void> {
    await start().catch(() => undefined);
  }

  check(): void {
    const { house } = this;
    for (const job of house.tasks.list()) {
      const stored = house.host.sessions.get(job.sessionID ?? "")?.messages ?? [];
      const prompt = job.runs.at(-1)?.promptMessageID ?? "none";
      if (job.status === "completed" && stored.length > 0) {
        assert.ok(
          stored.some((message) => message.role === "assistant" && message.parentID >= prompt),
          "completed without an answer",
        );
      }
      const made = this.#calls.get(job.sessionID ?? "")?.size ?? 0;
      assert.ok(job.progress.toolCalls <= made, `${job.progress.toolCalls} of ${made} calls`);
      const begun = 1 + (this.#resumed.get(job.id) ?? 0);
      assert.ok((house.ends.get(job.id) ?? 0) <= begun, "a run ended twice");
      assert.ok(job.runs.slice(0, -1).every(({ status }) => isTerminal(status)));
    }
  }

  async rest(): Promise<void> {
    const { house } = this;
    for (const method of FALLIBLE) house.host.heal(method);
    house.host.onPrompt = ({ sessionID }) => {
      house.host.addAssistant(sessionID, { text: "At last." });
      house.idle(sessionID);
    };
    for (const sessionID of house.host.busy) house.idle(sessionID);
    await house.clock.advance(10 * MINUTE);
  }

  /** Nothing runs any more, nothing failed unexpectedly, and every slot is free. */
  async assertOver(): Promise<void> {
    const { house } = this;
    const live = house.tasks.list().filter(({ status }) => !isTerminal(status));
    assert.deepEqual(live, []);
    assert.deepEqual(house.logs("error"), []);
    const root = house.host.addRoot();
    house.host.onPrompt = () => undefined;
    for (let slot = 0; slot < 3; slot++) {
      assert.equal((await house.launch({ parentSessionID: root })).status, "running");
    }
  }
}

void it("in any order of events, orders and failures a run ends once, truly, and frees its slot", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 5, maxLength: 50 }), async (actions) => {
      const world = new World();
      await world.do({ do: "launch" });
      await world.do({ do: "launch" });
      for (const step of actions) {
        await world.do(step);
        world.check();
      }
      await world.rest();
      world.check();
      await world.assertOver();
    }),
    { numRuns: rounds(3_000) },
  );
});

/** What overlaps: an action that is begun, requests that are held or let go, or a turn of the event loop. */
const overlapping = fc.oneof(
  { weight: 12, arbitrary: fc.record({ begin: action }) },
  { weight: 3, arbitrary: fc.record({ hold: fc.constantFrom(...FALLIBLE) }) },
  { weight: 3, arbitrary: fc.constant({ release: true }) },
  { weight: 4, arbitrary: fc.constant({ settle: true }) },
);

void it("the same when actions begin before earlier ones have come to an end", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(overlapping, { minLength: 5, maxLength: 60 }), async (steps) => {
      const world = new World();
      world.begin({ do: "launch" });
      world.begin({ do: "launch" });
      for (const step of steps) {
        // Time passes for all of them.
        if ("begin" in step && step.begin.do === "wait") await world.do(step.begin);
        else if ("begin" in step) world.begin(step.begin);
        else if ("hold" in step) world.hold(step.hold);
        else if ("release" in step) world.release();
        else await settle();
        world.check();
      }
      world.release();
      await settle();
      await world.rest();
      world.check();
      assert.equal(world.unsettled, 0, "actions that never came to an end");
      await world.assertOver();
    }),
    { numRuns: rounds(3_000) },
  );
});
