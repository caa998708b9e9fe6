/**
 * One run of a subagent, as a state machine without effects: `step` takes what happened into the state and says what is
 * to be done. `runner.ts` does it, and what comes of it is the next event.
 *
 *     begun ─▶ prompted ─▶ at work ─▶ looked at ─▶ over: as the verdict says, or as it was stopped
 *                 ▲            ▲           ├─▶ still at work, or unknown for now: looked at again
 *                 │            │           ├─▶ nothing has started: the prompt is sent once more
 *                 │            └───────────┴─▶ its provider has failed: it goes on with another model
 *                 └─ given a further instruction
 *
 * Events only say when to look: how a run stands is read off the child's stored messages (`verdict.ts`), one look at a
 * time. What the host fails to answer is unknown, and never an end. The first reason to stop a run wins. A run that is
 * over takes nothing in any more.
 *
 * A state is never changed, but for its tally: that is, since it comes with every token, so a state that was stepped on
 * is used up.
 */
import { isDeepStrictEqual } from "node:util";
import type { HostEvent } from "../host/events.js";
import type { Message, RunError } from "../host/host.js";
import { isProviderFault, isTooLong } from "../host/provider-fault.js";
import { modelName, tokensOf } from "../jobs/facts.js";
import {
  parseModel,
  type BlockedOn,
  type ModelRef,
  type ModelUse,
  type Run,
  type SubagentJob,
} from "../jobs/job.js";
import type { JobEnd, SubagentPatch } from "../jobs/registry.js";
import type { EndReason } from "../jobs/status.js";
import { listedFor, type Options } from "../options.js";
import { elapsed } from "../text.js";
import { Tally } from "./tally.js";
import { asksForTools, finalText, judge, quoteOf, stepsOf } from "./verdict.js";

/** Nothing started after a prompt for so long: it is sent once more. */
const START_TIMEOUT_MS = 10_000;
/** Idle with an unfinished last step for so long: the run broke off. */
const UNFINISHED_TIMEOUT_MS = 60_000;
/** Silence after which the host is asked how the session stands. */
const QUIET_MS = 15_000;
/** Activity is noted in the record at most so often: a streamed token is no news to a reader. */
const PROGRESS_INTERVAL_MS = 1_000;
const MINUTE_MS = 60_000;

/** `at` by the clock that measures: a change of the date makes no run older or younger; `date` is for the record. */
export interface Now {
  readonly at: number;
  readonly date: number;
}

/** A message that we send to the child. */
export interface Prompt {
  readonly messageID: string;
  readonly text: string;
  readonly sent: Now;
}

/** How a run is to end. */
export type RunEnd = Pick<JobEnd, "status" | "reason" | "error">;

export type RunOptions = Pick<
  Options,
  | "fallbackModels"
  | "fallbackModelsByAgent"
  | "maxRunMinutes"
  | "maxToolCalls"
  | "stallMinutes"
  | "stallAction"
>;

export interface RunState {
  /** As it was before this run, with what the run has changed of it. */
  readonly job: SubagentJob;
  /** How many runs it had before. */
  readonly runsBefore: number;
  readonly options: RunOptions;
  readonly tally: Tally;
  readonly isOver: boolean;
  /** Why it is being stopped; the host reports only that it was aborted. */
  readonly intent?: RunEnd | undefined;

  /** Those that were sent and not refused, oldest first; the run ends with the answer to the last. */
  readonly prompts: readonly Prompt[];
  /** What is older than this belongs to an earlier run. */
  readonly firstPromptID: string;
  /** Prompts on their way to the host. */
  readonly prompting: number;
  /** When the prompt was sent last; `resent`: again, because nothing had started. */
  readonly promptedAt: number;
  readonly resent: boolean;

  readonly startedAt: number;
  /** The host waits until then before it asks the provider again. */
  readonly retryAt: number;
  /** The first `session.error`; those after it are consequences. */
  readonly sessionError?: RunError | undefined;
  /** What the child or its descendants ask, oldest first, by request id. */
  readonly asked: ReadonlyMap<string, BlockedOn>;

  /** The child's messages are being read (`once`), and are to be read again for what has happened since (`again`). */
  readonly look: "none" | "once" | "again";
  readonly lookedAt: number;
  /** Idle with an unfinished last step, since. */
  readonly unfinishedSince?: number | undefined;

  /** Once it has gone on with another model: that one, and what those before it did. */
  readonly model?: ModelRef | undefined;
  readonly usesBefore: readonly ModelUse[];
  /** Messages of models that have failed: they say nothing about how the run stands. */
  readonly leftBehind: ReadonlySet<string>;
  /** Their error: an event of it may come late. */
  readonly errorBefore?: RunError | undefined;
  /** Its model is given up, as we have seen ourselves; why. The run is aborted for it and goes on. */
  readonly leaving?: string | undefined;

  /** When the record was last told that something was heard. */
  readonly notedAt: number;
  /** The record says that it is stalled or waits to try again: the next sign of life changes that. */
  readonly isMarked: boolean;
}

/** For what OpenCode is asked which models it has. */
export type ModelWish =
  | { after: "fault"; error: string; end: RunEnd; messages: readonly Message[] }
  | { after: "retry"; words: string };

export type ChildEvent = Exclude<HostEvent, { type: "asked" | "answered" | "deleted" }>;

interface Stored {
  messages: readonly Message[];
  /** It is owed a notice, or work of its own is not done; asked only when that matters. */
  waits: () => boolean;
}

export type RunEvent =
  /** What the host says of the child's session. */
  | ChildEvent
  /** The child is told to do something: the first prompt, or a further instruction. */
  | { type: "prompt"; prompt: Prompt }
  /** The host has taken a prompt; or one that was sent again. */
  | { type: "sent" | "resent" }
  /** Something says that it may be over. */
  | { type: "look" }
  /** What a look has found: the session works, is gone, or is idle and holds these messages. */
  | { type: "works" | "gone" }
  | ({ type: "read" } & Stored)
  /** OpenCode has these models. */
  | { type: "models"; names: ReadonlySet<string>; wish: ModelWish }
  | { type: "stop"; intent: RunEnd }
  /** The session is aborted and what it had started is ended; or the end is not confirmed in time. */
  | { type: "aborted" | "gaveUp" }
  /** More is spent than a budget allows. */
  | { type: "spent"; end: RunEnd }
  /** It ends as it is, without a word to the host. */
  | { type: "abandoned"; end: RunEnd }
  /** Its user is asked something, by the child or below it; `tell`: its parent is to know. */
  | { type: "asked"; request: BlockedOn & { requestID: string }; tell: boolean }
  | { type: "answered"; requestIDs: readonly string[] }
  /** Time passes; `ownWork`: its own subagents or commands work. */
  | { type: "tick"; ownWork: boolean }
  /** The host has refused what an effect asked of it, or has not answered. */
  | { type: "failed"; effect: Effect; error: string }
  /** Follow-ups of a step, see the effect `then`. */
  | { type: "counted" }
  | ({ type: "judge" } & Stored);

export type Effect =
  | { do: "record"; patch: SubagentPatch }
  | { do: "announce"; kind: "blocked" | "stalled"; text: string }
  | { do: "warn"; message: string; extra: Record<string, unknown> }
  /** Gives `sent`, or `failed`. */
  | { do: "send"; prompt: Prompt }
  /** A turn on the stored message, or the prompt anew with its text. Gives `resent`, or `failed`. */
  | { do: "resend"; messageID: string; text: string | undefined; after: "silence" | "fault" }
  /** Is the session idle, and what does it hold then? Gives `works`, `gone`, `read` or `failed`. */
  | { do: "read" }
  /** Gives `look` after a pause. */
  | { do: "lookLater" }
  /** Gives `models`, or `failed`. */
  | { do: "askModels"; wish: ModelWish }
  /** Aborts it to go on with another model. Gives `look`, or `failed`. */
  | { do: "leave" }
  /** Aborts it and ends what it has started. Gives `aborted`, and `gaveUp` when it is not over in time. */
  | { do: "abort"; reason: EndReason }
  /** Aborts what a prompt may have started that arrived too late, unless another run works in the session. */
  | { do: "abortForgotten" }
  /** Have these been answered without an event? Gives `answered`, or `failed`. */
  | { do: "recheck"; asked: readonly BlockedOn[] }
  /** The run is over and its slot is free; what the record says of it, and of its end. */
  | { do: "end"; patch: SubagentPatch; end: JobEnd }
  /** Goes on with what the effects before it have brought about: what was counted may have used up a budget. */
  | { do: "then"; event: RunEvent };

const NONE: readonly Effect[] = [];

interface Stepped {
  state: RunState;
  effects: readonly Effect[];
}

/** Of a job that starts a run now. */
export function beginRun(job: SubagentJob, options: RunOptions, { at }: Now): RunState {
  return {
    job,
    runsBefore: job.runs.length,
    options,
    tally: new Tally(job, at),
    isOver: false,
    prompts: [],
    firstPromptID: "",
    prompting: 0,
    promptedAt: 0,
    resent: false,
    startedAt: at,
    retryAt: 0,
    asked: new Map(),
    look: "none",
    lookedAt: -Infinity,
    usesBefore: [],
    leftBehind: new Set(),
    notedAt: -Infinity,
    isMarked: false,
  };
}

/** What follows from an event: the state after it, and what is to be done, in that order. */
export function step(state: RunState, event: RunEvent, now: Now): Stepped {
  if (event.type === "activity" && !state.isOver) {
    const { tally, retryAt } = state;
    if (event.text) tally.sawText(event.text);
    tally.heardAt = now.at;
    // That is all for most of the tokens: nothing is copied.
    const isNews = retryAt > 0 || tally.looping !== undefined || hasNews(state);
    if (!isNews) return { state, effects: NONE };
  }
  const next = new Step(state, now);
  if (state.isOver) next.takeLate(event);
  else next.take(event);
  return { state: next.run, effects: next.effects };
}

/** The state that a step leaves, its own copy while it is made, and what is to be done. */
class Step {
  readonly run: { -readonly [Field in keyof RunState]: RunState[Field] };
  readonly effects: Effect[] = [];
  readonly #now: Now;

  constructor(state: RunState, now: Now) {
    this.run = { ...state };
    this.#now = now;
  }

  take(event: RunEvent): void {
    const { run } = this;
    switch (event.type) {
      // The session's title or summary: its run is where it was.
      case "updated":
        return;
      case "idle":
      case "look":
        return this.#look();
      case "prompt":
        return this.#prompt(event.prompt);
      case "sent":
        run.prompting -= 1;
        // What it starts would go on after the stop.
        if (run.intent) this.#do({ do: "abortForgotten" });
        return;
      case "resent":
        if (run.intent) this.#do({ do: "abortForgotten" });
        return this.#looked();
      case "works":
        run.unfinishedSince = undefined;
        return this.#looked();
      case "gone":
        return this.#end(run.intent ?? { status: "cancelled", reason: "session_deleted" });
      case "read":
        return this.#count(event);
      case "judge":
        return this.#judge(event);
      case "models":
        return event.wish.after === "retry"
          ? this.#leave(event.names, event.wish.words)
          : this.#goOn(event.names, event.wish);
      case "stop":
        return this.#stop(event.intent);
      case "aborted":
        // A deleted session has no messages that could tell more.
        return run.intent?.reason === "session_deleted" ? this.#end(run.intent) : this.#look();
      case "gaveUp":
        return this.#giveUp();
      case "spent":
        // A step that is the answer ends the run by itself; stopped now, it might look cut.
        return run.intent || run.tally.hasAnswered ? undefined : this.#stop(event.end);
      case "abandoned":
        return this.#end(event.end);
      case "asked":
        return this.#asked(event);
      case "answered":
        return this.#answered(event.requestIDs);
      case "tick":
        return this.#tick(event.ownWork);
      case "failed":
        return this.#failed(event.effect, event.error);
      case "counted":
        return this.#noted();
      default:
        return this.#heard(event);
    }
  }

  /** What comes of a prompt after the end would not be supervised: it is aborted. All else is of no matter any more. */
  takeLate(event: RunEvent): void {
    const refused = event.type === "failed" && event.effect.do === "send" && event.effect.prompt;
    if (refused && refused.messageID === this.run.firstPromptID) {
      this.#record({ prompt: refused.text });
      this.#do({ do: "abortForgotten" });
    }
    if (event.type === "sent" || event.type === "resent") this.#do({ do: "abortForgotten" });
  }

  #do(...effects: Effect[]): void {
    this.effects.push(...effects);
  }

  #record(patch: SubagentPatch): void {
    this.run.job = { ...this.run.job, ...patch };
    this.#do({ do: "record", patch });
  }

  /** All runs of the record, this one changed so: it is there from its first prompt on. */
  #runs(patch: Partial<Run>): Run[] {
    const { job, runsBefore } = this.run;
    return job.runs.map((run, index) => (index === runsBefore ? { ...run, ...patch } : run));
  }

  #warn(message: string, extra: Record<string, unknown>): void {
    this.#do({ do: "warn", message, extra });
  }

  // Prompts.

  #prompt(prompt: Prompt): void {
    const { run } = this;
    run.prompts = [...run.prompts, prompt];
    run.firstPromptID ||= prompt.messageID;
    run.prompting += 1;
    this.#answers(prompt);
    this.#recordRun(prompt);
    this.#do({ do: "send", prompt });
  }

  /** The run now ends with the answer to this prompt. */
  #answers({ sent }: Prompt): void {
    this.run.tally.expectAnswer();
    this.#waitsSince(sent.at);
  }

  /** What it was given is still to be begun, and what was seen before says nothing of it. */
  #waitsSince(at: number): void {
    const { run } = this;
    run.promptedAt = at;
    run.resent = false;
    run.unfinishedSince = undefined;
    run.sessionError = undefined;
  }

  #recordRun({ messageID, sent }: Prompt): void {
    const { run } = this;
    const models = modelUses(run);
    const entry: Run = {
      promptMessageID: messageID,
      ...(run.firstPromptID !== messageID && { firstPromptMessageID: run.firstPromptID }),
      startedAt: new Date(sent.date),
      status: "running",
      ...(models && { models }),
    };
    this.#record({ runs: [...run.job.runs.slice(0, run.runsBefore), entry], prompt: undefined });
  }

  /**
   * The host refused a prompt: it is not waited for and never sent again. The first one ends the run; without a further
   * instruction the run answers the last one that is left.
   */
  #refused({ messageID, text }: Prompt, error: string): void {
    const { run } = this;
    run.prompting -= 1;
    if (messageID === run.firstPromptID) {
      this.#record({ prompt: text });
      this.#end(run.intent ?? { status: "failed", reason: "error", error });
      // The host may have stored it all the same.
      this.#do({ do: "abortForgotten" });
      return;
    }
    const wasLast = run.prompts.at(-1)?.messageID === messageID;
    run.prompts = run.prompts.filter((prompt) => prompt.messageID !== messageID);
    const last = run.prompts.at(-1);
    if (!last) return;
    if (wasLast) this.#answers(last);
    this.#recordRun(last);
    // The run may have ended with its earlier prompt in the meantime.
    this.#look();
  }

  // What is heard of the child. A run may be stopped by it.

  #heard(event: ChildEvent): void {
    const { run } = this;
    const { tally } = run;
    tally.heardAt = this.#now.at;
    run.retryAt = 0;
    let newTool: string | undefined;
    switch (event.type) {
      case "retry":
        return this.#retrying(event);
      case "assistant":
        if (!isOfThisRun(run, event.message.id)) break;
        tally.sawStep(event.message);
        this.#record(tally.totals());
        return this.#do({ do: "then", event: { type: "counted" } });
      case "error":
        if (!isSame(event.error, run.errorBefore)) run.sessionError ??= event.error;
        break;
      case "tool":
        if (isOfThisRun(run, event.messageID) && tally.sawCall(event)) newTool = event.tool;
        break;
      default:
    }
    this.#noted(newTool);
  }

  /** `newTool`: of a call that was not seen before. */
  #noted(newTool?: string): void {
    const { run } = this;
    const { tally, job } = run;
    if (newTool !== undefined || hasNews(run)) {
      const { toolCalls, runningTool, steps, looping } = tally;
      const lastTool = newTool ?? job.progress.lastTool;
      const lastUpdate = new Date(this.#now.date);
      run.notedAt = tally.heardAt;
      run.isMarked = false;
      this.#record({
        progress: { toolCalls, lastTool, runningTool, steps, lastUpdate },
        // A run that is asked again and again is busy, and stalled all the same.
        stalledSince: looping === undefined ? undefined : job.stalledSince,
        // It works again: whatever it waited for to retry is past.
        ...(job.blockedOn?.kind === "retry" && { blockedOn: oldest(run.asked) }),
      });
    }
    this.#checkLoop();
    const { maxToolCalls } = run.options;
    const isBeyond = maxToolCalls > 0 && tally.toolCalls - tally.earlier.toolCalls > maxToolCalls;
    if (newTool === undefined || !isBeyond || run.intent) return;
    const error = `more than ${maxToolCalls} tool calls (plugin option "maxToolCalls")`;
    this.#stop({ status: "failed", reason: "tool_limit", error });
  }

  /** A provider that never gives a finish reason is asked again by the host without end; told once as a stall. */
  #checkLoop(): void {
    const { tally, job, intent } = this.run;
    if (tally.looping === undefined || job.stalledSince || intent) return;
    const text = `${tally.looping} steps in a row without a finish reason from its provider; OpenCode asks again after each`;
    this.#stalled(new Date(this.#now.date), text);
  }

  /**
   * The child waits before it tries the provider again; told only when that takes as long as a stall. One that wants to
   * be asked again only much later is given up where another model is left.
   */
  #retrying(event: Extract<ChildEvent, { type: "retry" }>): void {
    const { run } = this;
    const { sessionID, attempt, message, nextAt } = event;
    const { blockedOn: before, stalledSince } = run.job;
    const pause = nextAt.getTime() - this.#now.date;
    run.isMarked = true;
    run.retryAt = this.#now.at + pause;
    // Something is heard of it: that it was silent need not be told any more.
    if (stalledSince) this.#record({ stalledSince: undefined, blockedOn: undefined });
    const since = before?.since ?? new Date(this.#now.date);
    this.#record({
      blockedOn: { kind: "retry", what: message, since, sessionID, attempt, nextAt },
    });
    if (pause >= run.options.stallMinutes * MINUTE_MS && before?.attempt !== attempt) {
      const when = `attempt ${attempt}, next in ${elapsed(pause)}`;
      const text = `it waits to ask the provider again (${when}): ${message}`;
      this.#do({ do: "announce", kind: "stalled", text });
    }
    const isKept = !isTooLong(pause) || run.leaving !== undefined || run.intent;
    if (isKept || this.#nextModel() === undefined) return;
    const words = `its provider wants to be asked again in ${elapsed(pause)}: ${message}`;
    this.#do({ do: "askModels", wish: { after: "retry", words } });
  }

  #asked({ request, tell }: Extract<RunEvent, { type: "asked" }>): void {
    const { run } = this;
    const { requestID, kind, what } = request;
    if (run.asked.has(requestID)) return;
    run.asked = new Map([...run.asked, [requestID, request]]);
    // Who asks is alive.
    this.#record({ stalledSince: undefined, blockedOn: oldest(run.asked) });
    if (tell) this.#do({ do: "announce", kind: "blocked", text: `${kind} ${what}` });
  }

  #answered(requestIDs: readonly string[]): void {
    const { run } = this;
    const left = new Map([...run.asked].filter(([id]) => !requestIDs.includes(id)));
    if (left.size === run.asked.size) return;
    run.asked = left;
    run.tally.heardAt = this.#now.at;
    this.#record({ blockedOn: oldest(left) });
  }

  // What no event tells: that events stopped, that a run is too long, that nothing moves.

  #tick(ownWork: boolean): void {
    const { run } = this;
    const { at } = this.#now;
    const { maxRunMinutes } = run.options;
    const isOverdue = maxRunMinutes > 0 && at - run.startedAt > maxRunMinutes * MINUTE_MS;
    if (isOverdue && !run.intent) {
      const error = `still running after ${maxRunMinutes} minutes (plugin option "maxRunMinutes")`;
      this.#stop({ status: "failed", reason: "timeout", error });
      return;
    }
    this.#checkStall(ownWork);
    if (at - Math.max(run.tally.heardAt, run.lookedAt) < QUIET_MS) return;
    this.#look();
    if (run.asked.size > 0) this.#do({ do: "recheck", asked: [...run.asked.values()] });
  }

  #checkStall(ownWork: boolean): void {
    const { run } = this;
    const { stalledSince, blockedOn } = run.job;
    const isBlocked = blockedOn !== undefined && blockedOn.kind !== "retry";
    if (stalledSince || run.intent || isBlocked) return;
    // Its own subagents or commands work: that is a sign of life.
    if (ownWork) run.tally.heardAt = this.#now.at;
    // A host that waits to try again is silent until then.
    const silence = this.#now.at - Math.max(run.tally.heardAt, run.retryAt);
    if (run.tally.runningTool || silence < run.options.stallMinutes * MINUTE_MS) return;
    this.#stalled(new Date(this.#now.date - silence), `no sign of life for ${elapsed(silence)}`);
  }

  /** It is marked and told; only an option lets that end a run. */
  #stalled(stalledSince: Date, text: string): void {
    const { run } = this;
    run.isMarked = true;
    this.#record({ stalledSince });
    if (run.options.stallAction === "cancel") {
      this.#stop({ status: "failed", reason: "stalled", error: text });
    } else this.#do({ do: "announce", kind: "stalled", text });
  }

  // A look at the child's messages.

  /** One at a time: what happens meanwhile asks for one more. */
  #look(): void {
    const { run } = this;
    if (run.look !== "none") {
      run.look = "again";
      return;
    }
    run.look = "once";
    run.lookedAt = this.#now.at;
    this.#do({ do: "read" });
  }

  /** The look is over, and the run is not. */
  #looked(): void {
    const isWanted = this.run.look === "again";
    this.run.look = "none";
    if (isWanted) this.#look();
  }

  /** Calls and costs whose events never came. */
  #count(stored: Stored): void {
    const { tally, job, firstPromptID } = this.run;
    const before = { ...tally.totals(), progress: job.progress };
    for (const message of stepsOf(stored.messages, firstPromptID)) {
      tally.sawStep(message);
      for (const call of message.tools) tally.sawCall(call);
    }
    const { toolCalls, runningTool, steps } = tally;
    const progress = { ...job.progress, toolCalls, runningTool, steps };
    const news = { ...tally.totals(), progress };
    if (!isDeepStrictEqual(news, before)) this.#record(news);
    this.#do({ do: "then", event: { ...stored, type: "judge" } });
  }

  #judge({ messages, waits }: Stored): void {
    const { run } = this;
    const promptMessageID = run.prompts.at(-1)?.messageID ?? "";
    // What a model that has failed has left does not say how the run stands.
    const standing =
      run.leftBehind.size === 0 ? messages : messages.filter(({ id }) => !run.leftBehind.has(id));
    const { sessionError, intent } = run;
    const verdict = judge({ messages: standing, promptMessageID, sessionError });
    if (verdict.kind === "ended" && verdict.status === "completed") {
      const isWaiting = waits();
      if (isWaiting && !intent) return this.#looked();
      // A step without a finish reason is no answer, nor one that asks for tools: the host would have gone on.
      const asksMore = asksForTools(standing, promptMessageID);
      const isCut = isWaiting || run.tally.looping !== undefined || asksMore;
      return this.#end(isCut && intent ? intent : verdict, messages);
    }
    if (intent) return this.#end(intent, messages);
    if (verdict.kind === "unanswered") return this.#unanswered(verdict.stored, messages);
    if (verdict.kind === "unfinished") return this.#unfinished(messages);
    const fault = stepsOf(standing, run.firstPromptID).at(-1)?.error;
    const error = run.leaving ?? (fault && isProviderFault(fault) ? verdict.error : undefined);
    // A provider that has failed is no end while another model is left.
    if (error === undefined || this.#nextModel() === undefined) return this.#end(verdict, messages);
    this.#do({ do: "askModels", wish: { after: "fault", error, end: verdict, messages } });
  }

  /** Nothing started: the prompt is sent once more, without doubling what is stored. */
  #unanswered(stored: boolean, messages: readonly Message[]): void {
    const { run } = this;
    const { at } = this.#now;
    if (run.prompting > 0 || at - run.promptedAt < START_TIMEOUT_MS) return this.#looked();
    if (run.resent) {
      const error = "the host accepted the prompt twice and never started to work on it";
      return this.#end({ status: "failed", reason: "never_started", error });
    }
    this.#warn("a subagent did not start; its prompt is sent once more", { stored });
    run.resent = true;
    run.promptedAt = at;
    this.#resend(stored ? messages : [], "silence");
  }

  /**
   * The newest message of its user that the host has stored, which may be one of the host's own or a notice, without
   * its text; the prompt with its text if there is none.
   */
  #resend(messages: readonly Message[], after: "silence" | "fault"): void {
    const { messageID = "", text = "" } = this.run.prompts.at(-1) ?? {};
    const newest = messages.findLast(({ role }) => role === "user");
    const what = newest ? { messageID: newest.id, text: undefined } : { messageID, text };
    this.#do({ do: "resend", ...what, after });
  }

  #unfinished(messages: readonly Message[]): void {
    const { run } = this;
    const { at } = this.#now;
    run.unfinishedSince ??= at;
    if (at - run.unfinishedSince < UNFINISHED_TIMEOUT_MS) return this.#looked();
    const error = "the run stopped in the middle of an answer and the host said nothing about it";
    this.#end({ status: "failed", reason: "error", error }, messages);
  }

  // Going on with another model.

  /** "provider/model" of the one that it may go on with; with `names` one of these. */
  #nextModel(names?: ReadonlySet<string>): string | undefined {
    const { run } = this;
    const { fallbackModels, fallbackModelsByAgent } = run.options;
    const first = modelName(run.job.model);
    const given = modelUses(run)?.map(({ model }) => model) ?? [first];
    const list =
      listedFor(run.job.agent, fallbackModelsByAgent) ?? listedFor(first, fallbackModels);
    return list?.find((name) => !given.includes(name) && (names?.has(name) ?? true));
  }

  /** The messages of the model that failed are left behind, and the newest one is sent again in the next model. */
  #goOn(
    names: ReadonlySet<string>,
    { error, end, messages }: Extract<ModelWish, { after: "fault" }>,
  ): void {
    const { run } = this;
    const model = this.#nextModel(names);
    if (model === undefined || run.intent) return this.#end(run.intent ?? end, messages);
    const failed = modelName(run.model ?? run.job.model);
    run.usesBefore = [...run.usesBefore, { model: failed, error, ...spentSinceSwitch(run) }];
    run.model = parseModel(model);
    const steps = messages.filter((message) => message.role === "assistant");
    run.leftBehind = new Set([...run.leftBehind, ...steps.map(({ id }) => id)]);
    const stored = steps.findLast((message) => message.error)?.error;
    run.errorBefore = run.sessionError ?? stored ?? run.errorBefore;
    run.leaving = undefined;
    run.tally.heardAt = this.#now.at;
    this.#waitsSince(this.#now.at);
    this.#warn("a subagent goes on with another model", { model, error });
    this.#record({ runs: this.#runs({ models: modelUses(run) }), blockedOn: undefined });
    this.#resend(messages, "fault");
  }

  /** The host waits too long for its provider, and these models are set up. */
  #leave(names: ReadonlySet<string>, words: string): void {
    const { run } = this;
    const isLeft = this.#nextModel(names) !== undefined;
    if (!isLeft || run.job.blockedOn?.kind !== "retry" || run.intent) return;
    run.leaving = words;
    this.#do({ do: "leave" });
  }

  // The end.

  #stop(intent: RunEnd): void {
    const { reason } = (this.run.intent ??= intent);
    this.#do({ do: "abort", reason });
  }

  #giveUp(): void {
    const { intent } = this.run;
    if (!intent) return;
    const doubt = "the host did not confirm the abort; the session may still run";
    this.#end({ ...intent, error: intent.error ? `${intent.error}; ${doubt}` : doubt });
  }

  /** What the host fails to say is unknown, and asked again. */
  #failed(effect: Effect, error: string): void {
    const { run } = this;
    const isOfRetry = effect.do === "askModels" && effect.wish.after === "retry";
    if (effect.do === "send") this.#refused(effect.prompt, error);
    else if (effect.do === "recheck") {
      this.#warn("it is unknown whether a subagent still waits", { error });
    } else if (effect.do === "leave" || isOfRetry) {
      run.leaving = undefined;
      this.#warn("a subagent that waits for its provider could not be stopped", { error });
    } else if (effect.do === "resend" && effect.after === "fault") {
      // It is sent again once a look finds that nothing has started.
      this.#warn("a subagent's next model could not be prompted", { error });
      this.#looked();
    } else {
      run.look = "none";
      this.#warn("a subagent's state is unknown for now", { error });
      this.#do({ do: "lookLater" });
    }
  }

  /** The one place where a run ends, with the messages that were read for it. */
  #end({ status, reason, error }: RunEnd, messages: readonly Message[] = []): void {
    const { run } = this;
    const { tally } = run;
    const at = new Date(this.#now.date);
    const stored = finalText(messages, run.firstPromptID);
    // A stream that was cut leaves an empty message: what was heard of it is all there is.
    const streamed = stored || status === "completed" ? "" : tally.streamedText;
    const text = stored || streamed;
    const models = modelUses(run);
    const ended = { status, endReason: reason, completedAt: at, ...(models && { models }) };
    run.isOver = true;
    const patch: SubagentPatch = {
      ...tally.totals(),
      progress: { ...run.job.progress, toolCalls: tally.toolCalls, steps: tally.steps },
      resultLength: text.length,
      partialText: streamed || undefined,
      partial: status !== "completed" || error !== undefined,
      runs: this.#runs(ended),
    };
    // Without a read of the messages nothing is known of its words.
    const quote = messages.length > 0 || text ? quoteOf(text, messages) : undefined;
    this.#do({ do: "end", patch, end: { status, reason, error, at, quote } });
  }
}

/** The record is to be told how far the run has come. */
function hasNews({ tally, job, notedAt, isMarked }: RunState): boolean {
  return (
    isMarked ||
    tally.heardAt - notedAt >= PROGRESS_INTERVAL_MS ||
    tally.runningTool !== job.progress.runningTool ||
    tally.steps !== (job.progress.steps ?? 0)
  );
}

/**
 * A late word about an earlier run is no news of this one. An event has no place in the host's order of messages;
 * the id says enough here, for ours was made when the earlier run was over. Were the clock set back in between,
 * the figures would be wrong, and nothing else.
 */
function isOfThisRun({ firstPromptID }: RunState, messageID: string): boolean {
  return messageID >= firstPromptID;
}

function isSame(error: RunError, other: RunError | undefined): boolean {
  return error.name === other?.name && error.message === other.message;
}

function oldest(asked: ReadonlyMap<string, BlockedOn>): BlockedOn | undefined {
  return asked.values().next().value;
}

/** For the record: every model that it was given; undefined while that is one. */
function modelUses(run: RunState): ModelUse[] | undefined {
  const { model, usesBefore } = run;
  return model && [...usesBefore, { model: modelName(model), ...spentSinceSwitch(run) }];
}

function spentSinceSwitch({ tally, usesBefore }: RunState): { cost: number; tokens: number } {
  const { cost, tokens } = tally.totals();
  const before = usesBefore.reduce(
    (sum, use) => ({ cost: sum.cost + use.cost, tokens: sum.tokens + use.tokens }),
    { cost: tally.earlier.cost, tokens: tokensOf(tally.earlier) },
  );
  return {
    // Sums of fractions may come out a hair below.
    cost: Math.max(0, cost - before.cost),
    tokens: tokensOf({ tokens }) - before.tokens,
  };
}
