/**
 * What is known of a run only while it goes on, and is not worth the disk: which calls were counted, what each
 * message cost, when something was last heard, and why it is being stopped. Gone when the run has ended.
 */
import type { Timer } from "../ports.js";
import type { AssistantInfo, Message, RunError, Usage } from "../host/host.js";
import type { BlockedOn, ModelRef, ModelUse, SubagentJob } from "../jobs/job.js";
import { tokensOf } from "../jobs/facts.js";
import type { EndReason, TerminalStatus } from "../jobs/status.js";

/** A message that we sent to the child. */
export interface Prompt {
  messageID: string;
  text: string;
  /** For the record. */
  date: Date;
  /** By the clock that measures (`Clock.monotonic`). */
  at: number;
}

/** Why we stop a run; the host reports only that it was aborted. */
export interface StopIntent {
  status: TerminalStatus;
  reason: EndReason;
  error?: string;
}

/** Characters of a streamed answer that are kept, its newest. */
const STREAMED_MOST = 16_000;
const PIECES_MOST = 4_000;
/** So many steps in a row without a finish reason are told as a stall. */
export const LOOP_STEPS = 10;

/** After a step with one of these the host takes the next. */
const GOES_ON = new Set(["tool-calls", "unknown"]);

type Totals = Pick<SubagentJob, "tokens" | "cost">;

/** One update of a tool call, from an event or a stored message. */
interface SeenCall {
  callID: string;
  tool: string;
  status: string;
}

/** While it is `pending` the model still writes the call; what this version does not know is taken for running. */
const STAGE: Partial<Record<string, number>> = { pending: 1, running: 2, completed: 3, error: 3 };

export class LiveRun {
  readonly jobID: string;
  readonly #earlier: Totals & { toolCalls: number };
  /** The stage of each call that was seen. */
  readonly #calls = new Map<string, number>();
  /** The tools of those that run, by call. */
  readonly #open = new Map<string, string>();
  readonly #usage = new Map<string, Usage>();
  /** The newest answer as it streams: what is older, and the latest pieces. */
  readonly #streamed = { partID: "", older: "", latest: "" };

  /** Those that were sent and not refused, in the order of sending; the run ends with the answer to the last. */
  readonly #prompts: Prompt[] = [];
  /** Steps that have a finish reason, and how many of the newest in a row say "unknown". */
  readonly #finished = new Set<string>();
  unknownFinishes = 0;
  /** The newest step, and whether it is an answer: after it the host goes on only with something new. */
  #newest = { id: "", isAnswer: false };
  /** Once it has gone on with another model: that one, and what those before it did. */
  model: ModelRef | undefined;
  readonly #usesBefore: ModelUse[] = [];
  /** Steps of models that have failed: they say nothing about how the run stands. */
  readonly #leftBehind = new Set<string>();
  /** Their error: an event of it may come late. */
  #errorBefore: RunError | undefined;
  /** Its model is given up, as we have seen ourselves; why. The run is aborted for it and goes on. */
  leaving: string | undefined;
  /** What is older than this belongs to an earlier run. */
  firstPromptID = "";
  /** What is said above the first prompt. */
  before = "";
  /** Prompts on their way to the host. */
  prompting = 0;
  /** All times here are those of `Clock.monotonic`: a change of the date makes no run older or younger. */
  startedAt = 0;
  /** When the prompt was sent last. */
  promptedAt = 0;
  heardAt = 0;
  /** The host waits until then before it asks the provider again. */
  retryAt = 0;
  /** When the record was last told that something was heard. */
  notedAt = -Infinity;
  /** The record says that it is stalled or waits to try again: the next sign of life changes that. */
  isMarked = false;
  examinedAt = -Infinity;
  /** Idle with an unfinished last step, since. */
  unfinishedSince: number | undefined;
  /** Prompts sent again because nothing had started. */
  resent = 0;
  sessionError: RunError | undefined;
  intent: StopIntent | undefined;
  /** What the child or its descendants ask, oldest first, by request id. */
  readonly asked = new Map<string, BlockedOn>();
  /** One look at the messages at a time; an event in between asks for one more. */
  examining = false;
  examineAgain = false;
  /** Set while the host could not be asked. */
  retry: Timer | undefined;
  /** Resolves when the run has ended: the slot is held until then. */
  readonly ended: Promise<void>;
  readonly #release: () => void;

  /** `job` as it was before this run: its figures are added to this run's. */
  constructor(job: Pick<SubagentJob, "id" | "tokens" | "cost" | "progress">) {
    this.jobID = job.id;
    this.#earlier = { tokens: job.tokens, cost: job.cost, toolCalls: job.progress.toolCalls };
    let release = (): void => undefined;
    this.ended = new Promise((resolve) => {
      release = resolve;
    });
    this.#release = release;
  }

  /** The run now ends with the answer to this prompt. */
  prompted(prompt: Prompt): void {
    this.#prompts.push(prompt);
    this.#answers(prompt);
  }

  /**
   * The host refused this prompt: it is not waited for and never sent again. The run then answers the last one that
   * is left; undefined, and no change, when there is no other.
   */
  refused({ messageID }: Prompt): Prompt | undefined {
    if (this.#prompts.length < 2) return undefined;
    const wasLast = messageID === this.promptMessageID;
    const index = this.#prompts.findIndex((prompt) => prompt.messageID === messageID);
    this.#prompts.splice(index, 1);
    const last = this.#prompts.at(-1);
    if (wasLast && last) this.#answers(last);
    return last;
  }

  #answers(prompt: Prompt): void {
    this.firstPromptID ||= prompt.messageID;
    this.promptedAt = prompt.at;
    this.resent = 0;
    this.unfinishedSince = undefined;
    this.sessionError = undefined;
    this.#newest = { id: "", isAnswer: false };
  }

  /** The run goes on with another model: `failed` is how the one before it did, `messages` all that are stored. */
  goesOn(
    model: ModelRef,
    failed: { model: string; error: string; at: number },
    messages: readonly Message[],
  ): void {
    const { cost, tokens } = this.#sinceLastModel();
    this.#usesBefore.push({ model: failed.model, error: failed.error, cost, tokens });
    this.model = model;
    this.leaving = undefined;
    for (const message of messages) {
      if (message.role !== "assistant") continue;
      this.#leftBehind.add(message.id);
      this.#errorBefore = message.error ?? this.#errorBefore;
    }
    this.#errorBefore = this.sessionError ?? this.#errorBefore;
    this.sessionError = undefined;
    this.promptedAt = this.heardAt = failed.at;
    this.resent = 0;
    this.unfinishedSince = undefined;
  }

  /** For the record: every model that it was given; undefined while that is one. */
  get modelUses(): ModelUse[] | undefined {
    const { model } = this;
    if (!model) return undefined;
    const current = { model: `${model.providerID}/${model.modelID}`, ...this.#sinceLastModel() };
    return [...this.#usesBefore, current];
  }

  #sinceLastModel(): { cost: number; tokens: number } {
    const { cost, tokens } = this.totals();
    const before = this.#usesBefore.reduce(
      (sum, use) => ({ cost: sum.cost + use.cost, tokens: sum.tokens + use.tokens }),
      { cost: this.#earlier.cost, tokens: tokensOf(this.#earlier) },
    );
    return {
      // Sums of fractions may come out a hair below.
      cost: Math.max(0, cost - before.cost),
      tokens: tokensOf({ tokens }) - before.tokens,
    };
  }

  /** What says how the run stands: without what a model that has failed has left. */
  standing(messages: readonly Message[]): readonly Message[] {
    if (this.#leftBehind.size === 0) return messages;
    return messages.filter(({ id }) => !this.#leftBehind.has(id));
  }

  /** `session.error` of this run. A second one is a consequence of the first. */
  failedWith(error: RunError): void {
    const old = this.#errorBefore;
    const isOld = old?.name === error.name && old.message === error.message;
    if (!isOld) this.sessionError ??= error;
  }

  get promptMessageID(): string {
    return this.#prompts.at(-1)?.messageID ?? "";
  }

  /** Kept for a second send if the host lost it. */
  get promptText(): string {
    return this.#prompts.at(-1)?.text ?? "";
  }

  /** It has ended, or is not looked at any more. */
  close(): void {
    this.retry?.cancel();
    this.#release();
  }

  /** Notes one of the several updates of a call, in whatever order they come. True for a new call. */
  sawCall({ callID, tool, status }: SeenCall): boolean {
    const known = this.#calls.get(callID) ?? 0;
    const stage = STAGE[status] ?? 2;
    if (stage <= known) return false;
    this.#calls.set(callID, stage);
    if (stage === 2) this.#open.set(callID, tool);
    else this.#open.delete(callID);
    return known === 0;
  }

  /** Calls of this run, each id once. */
  get callsOfRun(): number {
    return this.#calls.size;
  }

  /** The same of all runs. */
  get toolCalls(): number {
    return this.#earlier.toolCalls + this.#calls.size;
  }

  /** The newest of the tools that run: a sign of life for as long as it does. */
  get runningTool(): string | undefined {
    return [...this.#open.values()].at(-1);
  }

  /** A piece of an answer: the stored message has it only if the stream ends well. */
  sawText({ partID, piece }: { partID: string; piece: string }): void {
    const streamed = this.#streamed;
    if (streamed.partID !== partID) Object.assign(streamed, { partID, older: "", latest: "" });
    streamed.latest += piece;
    // Put together now and then, not at each piece.
    if (streamed.latest.length < PIECES_MOST) return;
    streamed.older = (streamed.older + streamed.latest).slice(-STREAMED_MOST);
    streamed.latest = "";
  }

  /** The end of what the newest answer streamed, for a run whose message was never written. */
  get streamedText(): string {
    const { older, latest } = this.#streamed;
    return (older + latest).slice(-STREAMED_MOST).trim();
  }

  /** One of the several updates of a step, in the order of the steps. */
  sawStep({ id, usage, completed, finish, error, summary }: AssistantInfo): void {
    if (!this.#usage.has(id) || id === this.#newest.id) {
      const isOver = completed && finish !== undefined && !GOES_ON.has(finish);
      this.#newest = { id, isAnswer: isOver && !error && !summary };
    }
    this.#usage.set(id, usage);
    if (!completed || finish === undefined || this.#finished.has(id)) return;
    this.#finished.add(id);
    this.unknownFinishes = finish === "unknown" ? this.unknownFinishes + 1 : 0;
  }

  /** Its newest step is an answer. */
  get hasAnswered(): boolean {
    return this.#newest.isAnswer;
  }

  /** Steps of this run. */
  get steps(): number {
    return this.#usage.size;
  }

  /** Its provider gives no finish reason, so the host asks it again without end. */
  get isLooping(): boolean {
    return this.unknownFinishes >= LOOP_STEPS;
  }

  /** Sums over all runs, each message counted with its latest figures. */
  totals(): Totals {
    const tokens = { ...this.#earlier.tokens };
    let { cost } = this.#earlier;
    for (const usage of this.#usage.values()) {
      tokens.input += usage.input;
      tokens.output += usage.output;
      tokens.reasoning += usage.reasoning;
      tokens.cacheRead += usage.cacheRead;
      cost += usage.cost;
    }
    return { tokens, cost };
  }
}
