import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import type { Host } from "../../src/host/host.js";
import type { Options } from "../../src/options.js";
import { deferred, type Deferred } from "../../fixtures/deferred.js";
import { settle } from "../fakes/clock.js";
import { House } from "../fakes/house.js";
import { Parent } from "../fakes/parent.js";
import { rounds } from "../rounds.js";
import { MINUTE } from "./family.js";

const FALLIBLE = ["prompt", "session", "messages", "busySessions", "toast"] as const;
/** What a delivery waits for: while one of these stands still, everything else goes on around it. */
const STEPS = ["session", "messages", "busySessions", "prompt", "save"] as const;
type Step = (typeof STEPS)[number];

type Action =
  | {
      do:
        | "launch"
        | "step"
        | "end"
        | "esc"
        | "ask"
        | "answer"
        | "compact"
        | "type"
        | "hold"
        | "cross";
    }
  | { do: "finish"; which: number; twice: boolean }
  | { do: "resume"; which: number }
  | { do: "wait"; milliseconds: number }
  | { do: "fail"; method: keyof Host; times: number }
  | { do: "lose"; what: "turn" | "answer" }
  /** The next delivery stands still at this step; `open` lets it go on. */
  | { do: "stop"; at: Step }
  | { do: "open"; at: Step };

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("finish" as const),
      which: fc.nat(9),
      twice: fc.boolean(),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("wait" as const),
      milliseconds: fc.constantFrom(0, 50, 150, 199, 200, 201, 1_000, 3_000, MINUTE),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constantFrom(
        ...([
          "launch",
          "step",
          "end",
          "esc",
          "ask",
          "answer",
          "compact",
          "type",
          "hold",
          "cross",
        ] as const),
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("resume" as const), which: fc.nat(9) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("fail" as const),
      method: fc.constantFrom(...FALLIBLE),
      times: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom("stop" as const, "open" as const),
      at: fc.constantFrom(...STEPS),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("lose" as const),
      what: fc.constantFrom("turn" as const, "answer" as const),
    }),
  },
);

class World {
  readonly house: House;
  readonly parent: Parent;
  /** How often each job has ended. */
  readonly ends = new Map<string, number>();
  readonly #children: { id: string; sessionID: string; live: boolean }[] = [];
  readonly #questions: string[] = [];
  #release: (() => void) | undefined;
  readonly #stopped = new Map<Step, Deferred<void>>();
  /** Messages of the user that wait for a step that stands still. */
  readonly #typing: Promise<void>[] = [];
  /** Between our hook and the host's store. */
  #coming = 0;
  /** Noted rather than thrown: a delivery tries again after an error. */
  readonly wrong: string[] = [];
  #isEscaped = false;
  #isAsked = false;
  /** A client that uses it stores a message behind newer ones. */
  #olderID = "";

  constructor(options: Partial<Options>) {
    this.house = new House({ options: { concurrency: 100, maxRunning: 100, ...options } });
    this.parent = new Parent(this.house);
    this.#olderID = this.house.host.newMessageID();
    const { host } = this.house;
    const prompt = host.prompt.bind(host);
    host.prompt = (input) => {
      if (input.sessionID === this.parent.id) this.#checkMaySend();
      return prompt(input);
    };
  }

  /** What never happens, whatever was under way when the user came. */
  #checkMaySend(): void {
    if (this.#coming > 0) this.wrong.push("sent ahead of a message of the user's");
    if (this.#isEscaped) this.wrong.push("sent to a session that its user has stopped");
    if (this.#isAsked) this.wrong.push("sent to a session that waits for its user");
  }

  async do(step: Action): Promise<void> {
    const { house, parent } = this;
    switch (step.do) {
      case "launch":
        await this.launch();
        break;
      case "finish":
        await this.#finish(step.which, step.twice);
        break;
      case "resume":
        await this.#resume(step.which);
        break;
      case "wait":
        await house.clock.advance(step.milliseconds);
        break;
      case "fail":
        house.host.fail(step.method, step.times);
        break;
      case "lose":
        if (step.what === "turn") parent.answersPrompts = false;
        else parent.losesAnswers = 1;
        break;
      case "ask":
        if (!parent.running) break;
        this.#questions.push(parent.ask());
        this.#isAsked = true;
        break;
      case "answer":
        this.#isAsked = false;
        for (const requestID of this.#questions.splice(0)) parent.answer(requestID);
        break;
      case "hold":
        this.#hold();
        break;
      case "stop":
        this.#stop(step.at);
        break;
      case "open":
        await this.#open(step.at);
        break;
      case "type":
        await this.#type();
        break;
      case "cross": {
        const messageID = this.#olderID;
        this.#olderID = house.host.newMessageID();
        await this.#type("crossing", messageID);
        break;
      }
      case "end":
      case "esc":
        if (!parent.running) break;
        parent[step.do]();
        this.#isAsked = false;
        if (step.do === "esc") this.#isEscaped = true;
        break;
      default:
        parent[step.do]();
    }
    assert.ok(parent.unanswered.length <= 1, "two prompts of ours wait in one session");
  }

  #stop(at: Step): void {
    if (this.#stopped.has(at)) return;
    const { house } = this;
    const gate = at === "save" ? deferred<void>() : house.host.block(at);
    if (at === "save") house.save = () => gate.promise;
    this.#stopped.set(at, gate);
  }

  async #open(...steps: Step[]): Promise<void> {
    for (const at of steps) {
      this.#stopped.get(at)?.resolve();
      this.#stopped.delete(at);
      if (at === "save") this.house.save = () => Promise.resolve();
    }
    await settle();
  }

  /** The next thing happens whether the message is stored by then or not. */
  async #type(text?: string, messageID?: string): Promise<void> {
    this.parent.answersPrompts = true;
    this.#isEscaped = false;
    this.#coming += 1;
    const typing = this.parent.types(text, { messageID }).finally(() => {
      this.#coming -= 1;
      // Stored, it is answered, also when ESC came meanwhile.
      this.#isEscaped = false;
    });
    this.#typing.push(typing);
    await settle();
  }

  async launch(): Promise<void> {
    await this.#open(...STEPS);
    this.heal();
    const child = await this.house.child({ parentSessionID: this.parent.id });
    this.house.busy(child.sessionID);
    this.#children.push({ ...child, live: true });
  }

  heal(): void {
    for (const method of FALLIBLE) this.house.host.heal(method);
    this.parent.losesAnswers = 0;
  }

  /** All comes to rest: what runs ends, nothing fails, the user types now and then. */
  async rest(): Promise<void> {
    const { house, parent } = this;
    await this.#open(...STEPS);
    await house.clock.advance(1_000);
    await Promise.all(this.#typing);
    this.heal();
    parent.answersPrompts = true;
    this.#release?.();
    this.#isAsked = false;
    for (const requestID of this.#questions.splice(0)) parent.answer(requestID);
    for (const [index] of this.#children.entries()) await this.#finish(index, false);
    for (let round = 0; round < 10; round++) {
      await this.#type();
      await parent.run();
      await house.clock.advance(6 * MINUTE);
      await parent.run();
      if (house.notices.outbox.all().length === 0) return;
    }
  }

  async #finish(which: number, twice: boolean): Promise<void> {
    const child = this.#children[which % Math.max(1, this.#children.length)];
    if (!child?.live) return;
    child.live = false;
    this.ends.set(child.id, (this.ends.get(child.id) ?? 0) + 1);
    // The look at the child's messages must not be what fails or stands still here.
    await this.#open("messages", "busySessions");
    this.house.host.heal("messages");
    this.house.host.heal("busySessions");
    await this.house.answer(child.sessionID, "The answer.");
    if (twice) this.house.idle(child.sessionID);
  }

  async #resume(which: number): Promise<void> {
    const child = this.#children[which % Math.max(1, this.#children.length)];
    if (!child || child.live) return;
    await this.#open(...STEPS);
    this.heal();
    // An end that was not told yet is withdrawn: the next one tells.
    const owed = this.house.notices.outbox.all();
    if (owed.some(({ jobID }) => jobID === child.id)) return;
    await this.house.tasks.resume(child.id, "more", {});
    this.house.busy(child.sessionID);
    child.live = true;
  }

  #hold(): void {
    if (this.#release) {
      this.#release();
      this.#release = undefined;
      return;
    }
    const release = this.house.notices.hold(this.#children.map(({ id }) => id));
    this.#release = () => release(false);
  }
}

const RUNS = rounds(3_000);

/** What once went wrong. */
const KNOWN: [Action[]][] = [
  // A message that was typed before ESC is stored and answered after it: the session is in use again.
  [
    [
      { do: "finish", which: 0, twice: false },
      { do: "stop", at: "messages" },
      { do: "cross" },
      { do: "esc" },
      { do: "launch" },
      { do: "step" },
      { do: "finish", which: 0, twice: false },
      { do: "finish", which: 0, twice: false },
    ],
  ],
];

void describe("whatever happens in whatever order, also in the middle of a delivery, every end is told exactly once", () => {
  for (const options of [
    {},
    { mergeMilliseconds: 0 },
    { wake: "all" as const },
    { wake: "none" as const },
  ]) {
    void it(`with ${JSON.stringify(options)}`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(action, { minLength: 5, maxLength: 60 }), async (actions) => {
          const world = new World(options);
          await world.parent.types();
          for (let child = 0; child < 3; child++) await world.launch();
          for (const step of actions) await world.do(step);
          await world.rest();
          const { house, parent, ends } = world;
          assert.deepEqual(world.wrong, []);
          assert.deepEqual(house.notices.outbox.all(), []);
          for (const [id, times] of ends) {
            assert.deepEqual(parent.told(`id="${id}"`), { times, read: true }, id);
          }
          assert.deepEqual(house.logs("error"), []);
        }),
        { numRuns: RUNS, examples: KNOWN },
      );
    });
  }
});
