/**
 * What a run has done, counted as it is seen: tool calls, steps and their cost, the text that streams, and when
 * anything was heard at all. Such an event comes for every token, so a tally is changed in place and never copied; only
 * the state machine of its run (`run.ts`) changes that of a run.
 */
import type { AssistantInfo, Usage } from "../host/host.js";
import type { SubagentJob } from "../jobs/job.js";
import { lastOf } from "../text.js";

type Totals = Pick<SubagentJob, "tokens" | "cost">;

/** One update of a tool call, from an event or a stored message. */
interface SeenCall {
  callID: string;
  tool: string;
  status: string;
}

/** Characters of a streamed answer that are kept, its newest. */
const STREAMED_MOST = 16_000;
const PIECES_MOST = 4_000;
/** So many steps in a row without a finish reason are told as a stall. */
const LOOP_STEPS = 10;

/** After a step with one of these the host takes the next. */
const GOES_ON = new Set(["tool-calls", "unknown"]);

/** While it is `pending` the model still writes the call; what this version does not know is taken for running. */
const STAGE: Partial<Record<string, number>> = { pending: 1, running: 2, completed: 3, error: 3 };

export class Tally {
  /** Of the runs before this one. */
  readonly earlier: Totals & { toolCalls: number };
  /** The stage of each call that was seen. */
  readonly #calls = new Map<string, number>();
  /** The tools of those that run, by call. */
  readonly #open = new Map<string, string>();
  readonly #usage = new Map<string, Usage>();
  /** Steps that have a finish reason, and how many of the newest in a row say "unknown". */
  readonly #finished = new Set<string>();
  #unknownFinishes = 0;
  /** The newest step, and whether it is an answer: after it the host goes on only with something new. */
  #newest = { id: "", isAnswer: false };
  /** The newest answer as it streams: what is older, and the latest pieces. */
  readonly #streamed = { partID: "", older: "", latest: "" };

  /** By the clock that measures. */
  heardAt: number;

  /** `job` as it was before this run, which begins now: its figures are added to this run's. */
  constructor(
    { tokens, cost, progress }: Pick<SubagentJob, "tokens" | "cost" | "progress">,
    now: number,
  ) {
    this.heardAt = now;
    this.earlier = { tokens, cost, toolCalls: progress.toolCalls };
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

  /** One of the several updates of a step, in the order of the steps. */
  sawStep({ id, usage, completed, finish, error, summary }: AssistantInfo): void {
    if (!this.#usage.has(id) || id === this.#newest.id) {
      const isOver = completed && finish !== undefined && !GOES_ON.has(finish);
      this.#newest = { id, isAnswer: isOver && !error && !summary };
    }
    this.#usage.set(id, usage);
    if (!completed || finish === undefined || this.#finished.has(id)) return;
    this.#finished.add(id);
    this.#unknownFinishes = finish === "unknown" ? this.#unknownFinishes + 1 : 0;
  }

  /** A piece of an answer: the stored message has it only if the stream ends well. */
  sawText({ partID, piece }: { partID: string; piece: string }): void {
    const streamed = this.#streamed;
    if (streamed.partID !== partID) Object.assign(streamed, { partID, older: "", latest: "" });
    streamed.latest += piece;
    // Put together now and then, not at each piece.
    if (streamed.latest.length < PIECES_MOST) return;
    streamed.older = lastOf(streamed.older + streamed.latest, STREAMED_MOST);
    streamed.latest = "";
  }

  /** It was given something new: no step that was seen answers that. */
  expectAnswer(): void {
    this.#newest = { id: "", isAnswer: false };
  }

  /** Its newest step is an answer. */
  get hasAnswered(): boolean {
    return this.#newest.isAnswer;
  }

  /** Calls of all runs, each id once. */
  get toolCalls(): number {
    return this.earlier.toolCalls + this.#calls.size;
  }

  /** The newest of the tools that run: a sign of life for as long as it does. */
  get runningTool(): string | undefined {
    return [...this.#open.values()].at(-1);
  }

  /** Steps of this run. */
  get steps(): number {
    return this.#usage.size;
  }

  /** How many of its newest steps have no finish reason, its provider giving none: the host asks again without end. */
  get looping(): number | undefined {
    return this.#unknownFinishes >= LOOP_STEPS ? this.#unknownFinishes : undefined;
  }

  /** The end of what the newest answer streamed, for a run whose message was never written. */
  get streamedText(): string {
    const { older, latest } = this.#streamed;
    return lastOf(older + latest, STREAMED_MOST).trim();
  }

  /** Sums over all runs, each message counted with its latest figures. */
  totals(): Totals {
    const tokens = { ...this.earlier.tokens };
    let { cost } = this.earlier;
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
