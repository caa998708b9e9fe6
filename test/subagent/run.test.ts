/** A run's state machine alone: what each event does in each state, and events that overtake each other. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AssistantMessage, Message, RunError, UserMessage } from "../../src/host/host.js";
import type { SubagentJob } from "../../src/jobs/job.js";
import { parseOptions } from "../../src/options.js";
import {
  beginRun,
  step,
  type Effect,
  type Prompt,
  type RunEnd,
  type RunEvent,
  type RunOptions,
  type RunState,
} from "../../src/subagent/run.js";

const SESSION = "ses_child";
const START = Date.UTC(2026, 0, 1);
const CANCEL: RunEnd = { status: "cancelled", reason: "cancelled_by_agent" };
const OVERLOADED: RunError = { name: "APIError", message: "overloaded", status: 503 };

const JOB: SubagentJob = {
  kind: "subagent",
  id: "bg_1",
  name: "a task",
  status: "pending",
  tags: [],
  parentSessionID: "ses_root",
  rootSessionID: "ses_root",
  notify: true,
  createdAt: new Date(START),
  agent: "general",
  model: { providerID: "a", modelID: "one" },
  prompt: "do it",
  depth: 1,
  runs: [],
  progress: { toolCalls: 0, lastUpdate: new Date(START) },
  tokens: { input: 0, output: 0, reasoning: 0, cacheRead: 0 },
  cost: 0,
};

function prompt(number: number): Prompt {
  return { messageID: `msg_${number}`, text: `text ${number}`, sent: { at: 0, date: START } };
}

function user(number: number): UserMessage {
  const model = { providerID: "a", modelID: "one" };
  const { messageID: id, text } = prompt(number);
  return { role: "user", id, agent: "general", model, text, real: true };
}

/** The answer to a prompt, stored with it. */
function answer(number: number, more: Partial<AssistantMessage> = {}): Message[] {
  const parentID = prompt(number).messageID;
  const usage = { input: 1, output: 1, reasoning: 0, cacheRead: 0, cost: 1 };
  const message: AssistantMessage = {
    role: "assistant",
    id: `${parentID}a`,
    parentID,
    providerID: "a",
    completed: true,
    finish: "stop",
    summary: false,
    usage,
    text: `answer ${number}`,
    tools: [],
    ...more,
  };
  return [user(number), message];
}

const failure = (number: number) =>
  answer(number, { finish: "error", error: OVERLOADED, text: "" });

function read(messages: readonly Message[], waits = false): RunEvent {
  return { type: "read", messages, waits: () => waits };
}

/** A run and what it wants done: with each event all that follows, as `runner.ts` does it. */
class Run {
  state: RunState;
  /** Of the latest event. */
  effects: Effect[] = [];
  /** Taken before what follows from counting, once: what a listener of the record brings about. */
  onRecord: RunEvent | undefined;
  at = 0;

  constructor(options: Partial<RunOptions> = {}, job = JOB) {
    this.state = beginRun(job, { ...parseOptions().options, ...options }, this.#now());
  }

  take(...events: RunEvent[]): this {
    for (const event of events) {
      this.effects = [];
      this.#take(event);
    }
    return this;
  }

  /** What is to be done, by name. */
  get done(): string {
    return this.effects.map((effect) => effect.do).join(" ");
  }

  find<Name extends Effect["do"]>(name: Name): Extract<Effect, { do: Name }> {
    const isWanted = (effect: Effect): effect is Extract<Effect, { do: Name }> =>
      effect.do === name;
    const found = this.effects.find(isWanted);
    assert.ok(found, `${name} is not among: ${this.done}`);
    return found;
  }

  /** How it has ended, by its latest effects. */
  get end(): string {
    const { end } = this.find("end");
    return `${end.status} · ${end.reason}`;
  }

  failed(name: Effect["do"], error = "no"): this {
    return this.take({ type: "failed", effect: this.find(name), error });
  }

  wait(milliseconds: number): this {
    this.at += milliseconds;
    return this;
  }

  #now() {
    return { at: this.at, date: START + this.at };
  }

  #take(event: RunEvent): void {
    const before = { ...this.state };
    const { state, effects } = step(this.state, event, this.#now());
    assert.deepEqual(this.state, before, "a state is not changed");
    this.state = state;
    for (const effect of effects) {
      if (effect.do === "then") this.#take(effect.event);
      else this.effects.push(effect);
      const { onRecord } = this;
      if (effect.do !== "record" || !onRecord) continue;
      this.onRecord = undefined;
      this.#take(onRecord);
    }
  }
}

const MODELS = { fallbackModels: { "a/one": ["b/two"] } };

/** A run at work on its first prompt. */
function atWork(options: Partial<RunOptions> = {}): Run {
  return new Run({ ...MODELS, ...options }).take(
    { type: "prompt", prompt: prompt(1) },
    { type: "sent" },
    { type: "busy", sessionID: SESSION },
  );
}

const retryIn = (milliseconds: number, attempt = 1): RunEvent => ({
  type: "retry",
  sessionID: SESSION,
  attempt,
  message: "overloaded",
  nextAt: new Date(START + milliseconds),
});

const STATES = {
  begun: () => new Run(MODELS),
  prompting: () => new Run(MODELS).take({ type: "prompt", prompt: prompt(1) }),
  "at work": () => atWork(),
  "looked at": () => atWork().take({ type: "look" }),
  "without model": () => atWork().take({ type: "look" }, read(failure(1))),
  stopping: () => atWork().take({ type: "stop", intent: CANCEL }),
  over: () => atWork().take({ type: "abandoned", end: CANCEL }),
};

type StateName = keyof typeof STATES;

const REQUEST = {
  kind: "permission" as const,
  what: "bash",
  sessionID: SESSION,
  requestID: "per_1",
  since: new Date(START),
};
const WISH = { after: "fault" as const, error: "overloaded", end: CANCEL, messages: failure(1) };
const IDLE: RunEvent = { type: "idle", sessionID: SESSION };
const TOOL: RunEvent = {
  type: "tool",
  sessionID: SESSION,
  messageID: "msg_1a",
  callID: "call",
  tool: "bash",
  status: "running",
};
const SEND: Effect = { do: "send", prompt: prompt(1) };

/** An event, and what is to be done in any state; nothing when it is over. Then the states in which it is otherwise. */
const TABLE: [
  what: string,
  event: RunEvent,
  done: string,
  otherwise?: Partial<Record<StateName, string>>,
][] = [
  ["a prompt", { type: "prompt", prompt: prompt(2) }, "record send"],
  [
    "a prompt is taken",
    { type: "sent" },
    "",
    { stopping: "abortForgotten", over: "abortForgotten" },
  ],
  [
    "the first prompt is refused",
    { type: "failed", effect: SEND, error: "no" },
    "record end abortForgotten",
    { begun: "", over: "record abortForgotten" },
  ],
  [
    "one that was sent again is taken",
    { type: "resent" },
    "",
    { stopping: "abortForgotten", over: "abortForgotten" },
  ],
  [
    "a token",
    { type: "activity", sessionID: SESSION, text: { partID: "prt", piece: "a" } },
    "",
    { begun: "record", prompting: "record" },
  ],
  ["a tool call", TOOL, "record"],
  [
    "an error of the session",
    { type: "error", sessionID: SESSION, error: OVERLOADED },
    "",
    { begun: "record", prompting: "record" },
  ],
  ["the session's title", { type: "updated", sessionID: SESSION, archived: false }, ""],
  ["a long wait for the provider", retryIn(200_000), "record askModels", { stopping: "record" }],
  ["idle", IDLE, "read", { "looked at": "", "without model": "" }],
  ["found at work", { type: "works" }, ""],
  ["found gone", { type: "gone" }, "end"],
  ["found answered", read(answer(1)), "record end", { "without model": "end" }],
  [
    "found answered, and waits for its own work",
    read(answer(1), true),
    "record",
    { "without model": "", stopping: "record end" },
  ],
  [
    "found without an answer",
    read([user(1)]),
    "",
    { begun: "record", prompting: "record", stopping: "end" },
  ],
  [
    "found failed by its provider",
    read(failure(1)),
    "record askModels",
    { "without model": "askModels", stopping: "record end" },
  ],
  [
    "the host cannot say how it stands",
    { type: "failed", effect: { do: "read" }, error: "no" },
    "warn lookLater",
  ],
  [
    "another model is there",
    { type: "models", names: new Set(["b/two"]), wish: WISH },
    "warn record resend",
    { stopping: "end" },
  ],
  ["no other model is there", { type: "models", names: new Set(), wish: WISH }, "end"],
  ["it is stopped", { type: "stop", intent: CANCEL }, "abort"],
  ["it is aborted", { type: "aborted" }, "read", { "looked at": "", "without model": "" }],
  ["the abort takes too long", { type: "gaveUp" }, "", { stopping: "end" }],
  ["its budget is spent", { type: "spent", end: CANCEL }, "abort", { stopping: "" }],
  ["it is abandoned", { type: "abandoned", end: CANCEL }, "end"],
  ["its user is asked", { type: "asked", request: REQUEST, tell: true }, "record announce"],
  ["what was not asked is answered", { type: "answered", requestIDs: ["per_9"] }, ""],
  ["5 s pass", { type: "tick", ownWork: false }, ""],
];

void describe("a run, state by state", () => {
  for (const [what, event, done, otherwise] of TABLE) {
    void it(what, () => {
      const states = Object.entries(STATES);
      const seen = states.map(([name, make]) => [name, make().take(event).done]);
      const usual = states.map(([name]) => [name, name === "over" ? "" : done]);
      assert.deepEqual(Object.fromEntries(seen), { ...Object.fromEntries(usual), ...otherwise });
    });
  }
});

void describe("events that overtake each other", () => {
  const runOf = (run: Run) => {
    const { runs = [] } = run.find("record").patch;
    return runs.at(-1)?.promptMessageID;
  };

  void it("stopped while its prompt is on the way: what that starts is aborted, too", () => {
    const run = STATES.prompting().take({ type: "stop", intent: CANCEL });
    assert.equal(run.done, "abort");
    assert.equal(run.take({ type: "aborted" }).done, "read");
    // The look finds nothing yet, and the prompt arrives behind it.
    assert.equal(run.take(read([])).end, "cancelled · cancelled_by_agent");
    assert.equal(run.take({ type: "sent" }).done, "abortForgotten");
  });

  void it("refused while it is being stopped: it ends as it was stopped, with its prompt kept", () => {
    const run = STATES.prompting();
    const { prompt: text } = run.find("send");
    run.take({ type: "stop", intent: CANCEL });
    run.take({ type: "failed", effect: { do: "send", prompt: text }, error: "no" });
    assert.equal(run.find("record").patch.prompt, "text 1");
    assert.equal(run.end, "cancelled · cancelled_by_agent");
  });

  void it("answered while it is being stopped: the answer counts", () => {
    const run = STATES.stopping().take({ type: "aborted" }, read(answer(1)));
    assert.equal(run.end, "completed · finished");
    assert.equal(run.find("end").end.quote?.text, "answer 1");
    // The same without an answer, or with one that is cut off.
    const cut = () => STATES.stopping().take({ type: "aborted" });
    const CUT = [
      [user(1)],
      answer(1, { finish: "tool-calls" }),
      answer(1, { completed: false }),
      failure(1),
    ];
    for (const messages of CUT) {
      assert.equal(cut().take(read(messages)).end, "cancelled · cancelled_by_agent");
    }
    assert.equal(cut().take(read(answer(1), true)).end, "cancelled · cancelled_by_agent");
  });

  void it("stopped twice: the first reason wins, and each stop aborts", () => {
    const deleted = { status: "cancelled", reason: "session_deleted" } as const;
    const run = STATES.stopping().take({ type: "stop", intent: deleted });
    assert.equal(run.find("abort").reason, "cancelled_by_agent");
    assert.equal(run.take({ type: "gaveUp" }).end, "cancelled · cancelled_by_agent");
    assert.match(run.find("end").end.error ?? "", /^the host did not confirm the abort/u);
    assert.equal(run.take({ type: "gaveUp" }).done, "");
  });

  void it("deleted: its messages are not asked for", () => {
    const intent = { status: "cancelled", reason: "session_deleted" } as const;
    assert.equal(atWork().take({ type: "stop", intent }, { type: "aborted" }).done, "end");
  });

  void it("ended while it is looked at: what the look finds is of no matter", () => {
    const run = STATES["looked at"]();
    assert.equal(run.take({ type: "abandoned", end: CANCEL }).done, "end");
    assert.equal(run.take(read(answer(1))).done, "");
    assert.equal(run.take({ type: "gone" }).done, "");
  });

  void it("idle while it is looked at: one more look, however often", () => {
    const run = STATES["looked at"]().take(IDLE, IDLE);
    assert.equal(run.take({ type: "works" }).done, "read");
    assert.equal(run.take({ type: "works" }).done, "");
    assert.equal(run.take(IDLE).done, "read");
  });

  void it("idle while the host cannot be asked: a look later, and none at once", () => {
    const run = atWork().take(IDLE);
    const effect = run.find("read");
    run.take(IDLE, { type: "failed", effect, error: "no" });
    assert.equal(run.done, "warn lookLater");
    assert.equal(run.take({ type: "look" }).done, "read");
    assert.equal(run.take({ type: "works" }).done, "", "what was wanted before is forgotten");
  });

  void it("stopped while the next model is looked for: it does not go on", () => {
    const run = STATES["without model"]();
    const { wish } = run.find("askModels");
    run.take({ type: "stop", intent: CANCEL });
    run.take({ type: "models", names: new Set(["b/two"]), wish });
    assert.equal(run.done, "end");
    assert.equal(run.end, "cancelled · cancelled_by_agent");
  });

  void it("stopped while it waits for its provider: it is not left for another model", () => {
    const run = atWork().take(retryIn(200_000));
    const { wish } = run.find("askModels");
    run.take({ type: "stop", intent: CANCEL });
    assert.equal(run.take({ type: "models", names: new Set(["b/two"]), wish }).done, "");
  });

  void it("works again while another model is looked for: it is not left", () => {
    const run = atWork().take(retryIn(200_000));
    const { wish } = run.find("askModels");
    run.take({ type: "busy", sessionID: SESSION });
    assert.equal(run.take({ type: "models", names: new Set(["b/two"]), wish }).done, "");
  });

  void it("left for another model: the abort is no end, and a late error of the first one neither", () => {
    const run = atWork().take(retryIn(200_000));
    const { wish } = run.find("askModels");
    assert.equal(run.take({ type: "models", names: new Set(["b/two"]), wish }).done, "leave");
    const aborted = answer(1, { finish: undefined, text: "" });
    run.take({ type: "look" }, read(aborted));
    const fault = run.find("askModels");
    run.take({ type: "models", names: new Set(["b/two"]), wish: fault.wish });
    assert.deepEqual(run.find("resend"), {
      do: "resend",
      messageID: "msg_1",
      text: undefined,
      after: "fault",
    });
    run.take({ type: "resent" }, { type: "look" });
    assert.equal(run.take(read(aborted)).done, "", "what it left behind does not count");
    const answered = [...aborted, ...answer(1, { id: "msg_1b" }).slice(1)];
    assert.equal(run.take({ type: "look" }, read(answered)).end, "completed · finished");
    const models = run.find("end").patch.runs?.at(-1)?.models ?? [];
    assert.deepEqual(
      models.map(({ model, cost }) => [model, cost]),
      [
        ["a/one", 1],
        ["b/two", 1],
      ],
    );
  });

  void it("cannot be left: it goes on to wait, and is left at the next announcement", () => {
    const run = atWork().take(retryIn(200_000));
    run.take({ type: "models", names: new Set(["b/two"]), wish: run.find("askModels").wish });
    assert.equal(run.take(retryIn(300_000, 2)).done, "record", "it is being left");
    run.take({ type: "failed", effect: { do: "leave" }, error: "no" });
    assert.equal(run.done, "warn");
    assert.equal(run.take(retryIn(400_000, 3)).done, "record askModels");
  });

  void it("an instruction refused while another is under way: the other is answered", () => {
    const run = atWork().take({ type: "prompt", prompt: prompt(2) });
    const second = run.find("send");
    run.take({ type: "prompt", prompt: prompt(3) });
    const third = run.find("send");
    run.take({ type: "failed", effect: second, error: "no" });
    assert.equal(run.done, "record read");
    assert.equal(runOf(run), "msg_3");
    // It is on its way, so that nothing has begun is no wonder.
    assert.equal(run.wait(60_000).take(read(answer(1))).done, "record");
    run.take({ type: "failed", effect: third, error: "no" });
    assert.equal(runOf(run), "msg_1");
    assert.equal(run.take(read(answer(1))).end, "completed · finished");
  });

  void it("an instruction refused before anything has begun: the first prompt is sent once more", () => {
    const run = atWork().take({ type: "prompt", prompt: prompt(2) });
    run
      .failed("send")
      .wait(10_000)
      .take(read([user(1)]));
    assert.equal(run.find("resend").messageID, "msg_1");
  });

  void it("the newest instruction refused: the one before it is answered", () => {
    const run = atWork().take({ type: "prompt", prompt: prompt(2) });
    run.take({ type: "prompt", prompt: prompt(3) });
    const third = run.find("send");
    run.take({ type: "sent" }, { type: "failed", effect: third, error: "no" });
    assert.equal(runOf(run), "msg_2");
    assert.equal(run.take(read(answer(1))).done, "record", "that is the answer to the first one");
    assert.equal(run.take({ type: "look" }, read([...answer(1), ...answer(2)])).done, "record end");
  });

  void it("the first prompt refused while an instruction is under way: it has failed", () => {
    const run = STATES.prompting();
    const first = run.find("send");
    run.take({ type: "prompt", prompt: prompt(2) });
    run.take({ type: "failed", effect: first, error: "refused" });
    assert.equal(run.end, "failed · error");
    assert.equal(run.find("record").patch.prompt, "text 1");
    assert.equal(run.take({ type: "sent" }).done, "abortForgotten");
  });

  void it("a budget that is used up by what a look has counted ends it, unless that was its answer", () => {
    const spent: RunEvent = {
      type: "spent",
      end: { status: "failed", reason: "budget", error: "spent" },
    };
    const run = STATES["looked at"]();
    run.onRecord = spent;
    assert.equal(run.take(read(answer(1, { completed: false }))).done, "record abort end");
    assert.equal(run.end, "failed · budget");
    const answered = STATES["looked at"]();
    answered.onRecord = spent;
    assert.equal(answered.take(read(answer(1))).done, "record end");
    assert.equal(answered.end, "completed · finished");
  });

  void it("a budget that a step has used up is no stall of a provider without finish reasons, too", () => {
    const step = (number: number): RunEvent => {
      const message = answer(1, { id: `msg_1${number}`, finish: "unknown" })[1];
      assert.equal(message?.role, "assistant");
      return { type: "assistant", sessionID: SESSION, message };
    };
    const looping = () => {
      const run = atWork();
      for (let number = 100; number < 109; number++) run.take(step(number));
      return run;
    };
    assert.equal(looping().take(step(109)).done, "record record record announce");
    const run = looping();
    run.onRecord = { type: "spent", end: CANCEL };
    assert.equal(run.take(step(109)).done, "record abort record");
  });

  void it("a prompt that the host has lost is sent once more, and what it stored is not doubled", () => {
    const lost = atWork().take({ type: "look" }).wait(10_000).take(read([]));
    assert.equal(lost.find("resend").text, "text 1");
    assert.equal(lost.take({ type: "resent" }).done, "");
    const stored = atWork()
      .take({ type: "look" })
      .wait(10_000)
      .take(read([user(1)]));
    assert.equal(stored.find("resend").text, undefined);
    assert.equal(stored.failed("resend").done, "warn lookLater");
    assert.equal(
      stored
        .take({ type: "look" })
        .wait(9_999)
        .take(read([user(1)])).done,
      "",
    );
    assert.equal(
      stored
        .take({ type: "look" })
        .wait(1)
        .take(read([user(1)])).end,
      "failed · never_started",
    );
  });

  void it("an answer that is not finished is waited for, until the host says nothing for a minute", () => {
    const part = answer(1, { completed: false });
    const run = STATES["looked at"]().take(read(part)).wait(59_999);
    assert.equal(run.take({ type: "look" }, read(part)).done, "");
    assert.equal(run.take({ type: "look" }, { type: "works" }).done, "", "it goes on");
    run.wait(1).take({ type: "look" }, read(part));
    assert.equal(run.wait(59_999).take({ type: "look" }, read(part)).done, "");
    assert.equal(run.wait(1).take({ type: "look" }, read(part)).end, "failed · error");
  });

  void it("a stall is told once, and the clock's tick looks all the same", () => {
    const silent = () => atWork({ stallMinutes: 1 }).wait(60_000);
    const tick: RunEvent = { type: "tick", ownWork: false };
    const run = silent().take(tick);
    assert.equal(run.done, "record announce read");
    assert.equal(run.take({ type: "works" }).wait(15_000).take(tick).done, "read");
    assert.equal(silent().take({ type: "tick", ownWork: true }).done, "");
    const cancelled = atWork({ stallMinutes: 1, stallAction: "cancel" }).wait(60_000).take(tick);
    assert.equal(cancelled.done, "record abort read");
    assert.equal(cancelled.take(read([user(1)])).end, "failed · stalled");
    const blocked = silent().take({ type: "asked", request: REQUEST, tell: false }, tick);
    assert.equal(blocked.done, "read recheck");
    assert.equal(blocked.failed("recheck").done, "warn");
    assert.equal(blocked.take({ type: "answered", requestIDs: ["per_1"] }).done, "record");
  });
});
