/**
 * The runs that are under way, one state machine each (`run.ts`): gives them what happens, and is the one place that
 * carries out what they say. A run begins with a slot and a prompt, and ends exactly once. One timer while there are
 * runs, none otherwise.
 */
import { coerceError, logFailure, UserError, type Timer } from "../ports.js";
import { unlessMissing } from "../host/host.js";
import { isWaitedFor, type SubagentJob } from "../jobs/job.js";
import { isTerminal, type EndReason } from "../jobs/status.js";
import { Budgets } from "./budgets.js";
import type { SubagentDeps } from "./deps.js";
import type { Limits } from "./launch-plan.js";
import { PendingRequests } from "./pending-requests.js";
import { earlierResults } from "./results.js";
import { requireRules } from "./rights.js";
import {
  beginRun,
  step,
  type ChildEvent,
  type Effect,
  type Now,
  type RunEnd,
  type RunEvent,
  type RunState,
} from "./run.js";

/** How long a stop waits for the host to say that the session is idle. */
const ABORT_TIMEOUT_MS = 10_000;
/** Pause before the host is asked again that could not be asked. */
const LOOK_AGAIN_MS = 2_000;
const TICK_MS = 5_000;

interface RunnerDeps extends SubagentDeps {
  /** Ends the tasks and session processes that a session started. */
  endWorkOf: (sessionID: string, reason: EndReason) => Promise<void>;
}

interface RunInput {
  /** Its session is created with these rules; a `strict` run is refused where they are not in force. */
  limits: Limits;
  /** False once the job was ended and given another start. */
  isCurrent: () => boolean;
  /** Prompted, and allowed to run. */
  onStarted: () => void;
}

/** A run, and what of it is under way. */
interface LiveRun {
  readonly jobID: string;
  readonly sessionID: string;
  /** Replaced by `#take` alone. */
  state: RunState;
  /** Resolves when the run has ended: the slot is held until then. */
  readonly ended: Promise<void>;
  readonly release: () => void;
  /** The newest prompt on its way: gives what the host said when it refused. */
  sending?: Promise<Error | undefined>;
  /** The newest stop. */
  stopping?: Promise<void>;
  /** Set while the host could not be asked. */
  lookLater?: Timer;
}

/** What the host is asked, and answers with an event. */
type Question = Extract<
  Effect,
  { do: "send" | "resend" | "read" | "askModels" | "leave" | "recheck" }
>;

export class Runner {
  readonly #deps: RunnerDeps;
  readonly #live = new Map<string, LiveRun>();
  /** Ends the patience of every stop that is under way. */
  readonly #patience = new Set<() => void>();
  #timer: Timer | undefined;
  /** What tasks and session trees may spend. */
  readonly budgets: Budgets;
  readonly requests: PendingRequests;

  constructor(deps: RunnerDeps) {
    this.#deps = deps;
    const take = (jobID: string, event: RunEvent): void => {
      const live = this.#live.get(jobID);
      if (live) this.#take(live, event);
    };
    this.budgets = new Budgets({ ...deps, take });
    this.requests = new PendingRequests({ ...deps, take, runs: (jobID) => this.#live.has(jobID) });
  }

  /** Runs a pending job from session to end; resolves when it has ended, whichever way. Never rejects. */
  async run(jobID: string, { limits, isCurrent, onStarted }: RunInput): Promise<void> {
    const { jobs, worktrees, persist } = this.#deps;
    const job = jobs.getSubagent(jobID);
    if (job?.status !== "pending") return;
    // It may have waited while others spent what was left.
    const spent = this.budgets.endOf(job);
    if (spent) return this.abandon(jobID, spent);
    let live: LiveRun | undefined;
    let before = "";
    try {
      before = await earlierResults(this.#deps, job);
      const directory = await worktrees.enter(jobID);
      const sessionID = await this.#session(job, limits, directory);
      if (job.after && jobs.getSubagent(jobID)?.sessionID === undefined) {
        // The next OpenCode starts one that has waited again, unless the disk says that it has begun.
        jobs.updateSubagent(jobID, { sessionID });
        await persist();
      }
      live = this.#begin(jobID, sessionID, isCurrent());
    } catch (thrown) {
      const error = coerceError(thrown).message;
      if (isCurrent()) this.#endWaiting(jobID, { status: "failed", reason: "error", error });
    }
    if (!live) return;
    // As it is now: text may have been added while the session was being created.
    const { prompt = "" } = jobs.getSubagent(jobID) ?? {};
    const prompted = this.#prompt(live, [before || [], prompt].flat().join("\n\n"));
    const started = prompted.then((refusal) => (refusal ? undefined : onStarted()));
    // A prompt that is not answered must not hold the slot of a run that was stopped.
    await Promise.race([started, live.ended]);
    await live.ended;
  }

  /** A further instruction to a running child; its run now ends with the answer to this one. Rejects as the host does. */
  async instruct(jobID: string, text: string): Promise<void> {
    const live = this.#live.get(jobID);
    if (!live) throw new UserError(`task ${jobID} is not running`);
    if (live.state.intent) {
      throw new UserError(`task ${jobID} is being ended; continue it once it has`);
    }
    const refusal = await this.#prompt(live, text);
    if (refusal) throw refusal;
  }

  /**
   * Stops a run: its session is aborted and kept, what the child itself started is ended, and the job ends as
   * `intent` says once the host is idle, or after 10 s with a word that the host did not confirm. Never rejects.
   */
  async stop(jobID: string, intent: RunEnd): Promise<void> {
    const live = this.#live.get(jobID);
    if (live) this.#take(live, { type: "stop", intent });
    else this.#endWaiting(jobID, intent);
    await live?.stopping;
  }

  /** Ends a job as it is, without a word to the host. */
  abandon(jobID: string, end: RunEnd): void {
    const live = this.#live.get(jobID);
    if (live) this.#take(live, { type: "abandoned", end });
    else this.#endWaiting(jobID, end);
  }

  /** What the host says of a session; constant time, however many runs there are. */
  onEvent(event: ChildEvent): void {
    const job = this.#deps.jobs.findBySession(event.sessionID);
    const live = job && this.#live.get(job.id);
    if (live) this.#take(live, event);
  }

  /** What a running job was told last. */
  promptOf(jobID: string): string | undefined {
    return this.#live.get(jobID)?.state.prompts.at(-1)?.text;
  }

  /** What a running job says now, as far as it has streamed. */
  streamedBy(jobID: string): string {
    return this.#live.get(jobID)?.state.tally.streamedText ?? "";
  }

  /** Looks at nothing any more; its runs have been abandoned. */
  dispose(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    for (const giveUp of this.#patience) giveUp();
    this.budgets.dispose();
  }

  /**
   * The child's own, or a new one with these rules. Looked at before the first prompt: an agent that could change files
   * does nothing beyond its parent's limits.
   */
  async #session(
    { id: taskID, name, agent, sessionID, parentSessionID: parentID }: SubagentJob,
    { rules, strict }: Limits,
    directory: string | undefined,
  ): Promise<string> {
    const { host } = this.#deps;
    if (sessionID === undefined) {
      const title = `${name} (@${agent} in the background)`;
      const input = { parentID, title, permission: rules, taskID, directory };
      const created = await host.createSession(input);
      if (strict) requireRules(rules, created.permission);
      return created.id;
    }
    const session = strict ? await host.session(sessionID) : undefined;
    // The prompt to one that is gone fails in the host's own words.
    if (session) requireRules(rules, session.permission);
    return sessionID;
  }

  /** Undefined when the job was cancelled while its session was being created. */
  #begin(jobID: string, sessionID: string, isCurrent: boolean): LiveRun | undefined {
    const { jobs, clock, options } = this.#deps;
    const job = jobs.getSubagent(jobID);
    if (!isCurrent || job?.status !== "pending") {
      // Its session exists now: a continuation of the cancelled task works in it, so it is never without an owner.
      if (job && job.sessionID === undefined) jobs.updateSubagent(jobID, { sessionID });
      return undefined;
    }
    let release = (): void => undefined;
    const ended = new Promise<void>((resolve) => {
      release = resolve;
    });
    const state = beginRun(job, options, this.#now());
    const live: LiveRun = { jobID, sessionID, state, ended, release };
    this.#live.set(jobID, live);
    // Until now the result was that of an earlier run.
    const fresh = { partial: undefined, partialText: undefined, resultLength: undefined };
    jobs.updateSubagent(jobID, { ...fresh, sessionID });
    jobs.start(jobID, new Date(clock.now()));
    this.#watch();
    return live;
  }

  /** Ends a job that has no run. A run of its own it never had: an earlier one keeps its result. */
  #endWaiting(jobID: string, { status, reason, error }: RunEnd): void {
    const { jobs, clock } = this.#deps;
    if (this.#live.has(jobID)) return;
    jobs.end(jobID, { status, reason, error, at: new Date(clock.now()) });
  }

  #watch(): void {
    this.#timer ??= this.#deps.clock.after(TICK_MS, () => this.#tick());
  }

  #tick(): void {
    this.#timer = undefined;
    if (this.#live.size === 0) return;
    for (const live of this.#live.values()) {
      this.#take(live, { type: "tick", ownWork: this.#hasOwnWork(live) });
    }
    this.#watch();
  }

  /** It waits for subagents of its own, or for commands that were moved to the background. */
  #hasOwnWork({ sessionID }: LiveRun): boolean {
    const started = this.#deps.jobs.byParent(sessionID);
    return started.some((job) => isWaitedFor(job) && !isTerminal(job.status));
  }

  #now(): Now {
    const { clock } = this.#deps;
    return { at: clock.monotonic(), date: clock.now() };
  }

  async #prompt(live: LiveRun, text: string): Promise<Error | undefined> {
    const messageID = this.#deps.ids.next("msg");
    this.#take(live, { type: "prompt", prompt: { messageID, text, sent: this.#now() } });
    return live.sending;
  }

  /** The one place where a run's state changes. What an effect brings about at once is taken before the next one. */
  #take(live: LiveRun, event: RunEvent): void {
    const { state, effects } = step(live.state, event, this.#now());
    live.state = state;
    for (const effect of effects) this.#carryOut(live, effect);
  }

  #carryOut(live: LiveRun, effect: Effect): void {
    const { jobs, notices, log, clock } = this.#deps;
    const { jobID } = live;
    switch (effect.do) {
      case "record":
        return void jobs.updateSubagent(jobID, effect.patch);
      case "then":
        return this.#take(live, effect.event);
      case "announce": {
        const job = jobs.getSubagent(jobID);
        return job && notices.announce(job, effect.kind, effect.text);
      }
      case "warn":
        return log("warn", effect.message, { id: jobID, ...effect.extra });
      case "lookLater":
        live.lookLater?.cancel();
        live.lookLater = clock.after(LOOK_AGAIN_MS, () => this.#take(live, { type: "look" }));
        return;
      case "abort":
        live.stopping = this.#stop(live, effect.reason);
        return;
      case "abortForgotten":
        return this.#abortForgotten(live);
      case "end":
        return this.#end(live, effect);
      case "send":
        live.sending = this.#ask(live, effect);
        return;
      default:
        void this.#ask(live, effect);
    }
  }

  /** Asks the host, and takes what it says. Gives the error of a request that failed. Never rejects. */
  async #ask(live: LiveRun, effect: Question): Promise<Error | undefined> {
    try {
      this.#take(live, await this.#answerTo(live, effect));
      return undefined;
    } catch (thrown) {
      const error = coerceError(thrown);
      this.#take(live, { type: "failed", effect, error: error.message });
      return error;
    }
  }

  async #answerTo(live: LiveRun, effect: Question): Promise<RunEvent> {
    const { host, jobs, notices } = this.#deps;
    const { jobID, sessionID } = live;
    switch (effect.do) {
      case "send": {
        const { messageID, text } = effect.prompt;
        await host.prompt({ ...this.#address(live, messageID), text });
        return { type: "sent" };
      }
      case "resend": {
        const { messageID, text, after } = effect;
        if (after === "fault") notices.goesOn(sessionID);
        const address = this.#address(live, messageID);
        await host.prompt(text === undefined ? address : { ...address, text });
        return { type: "resent" };
      }
      case "askModels":
        return { type: "models", names: new Set(await host.models()), wish: effect.wish };
      case "leave":
        notices.goesOn(sessionID);
        await host.abort(sessionID);
        return { type: "look" };
      case "recheck": {
        const requestIDs = await this.requests.answeredOf(effect.asked);
        return { type: "answered", requestIDs };
      }
      case "read":
      default: {
        // One after the other: only messages that are read after the session was idle hold all that its run wrote. Asked
        // together, the host may read the messages between two steps and the status after the last one, and the run
        // would end with the text of an earlier step.
        const busy = await host.busySessions(jobs.getSubagent(jobID)?.directory);
        if (busy.has(sessionID)) return { type: "works" };
        const messages = await unlessMissing(host.messages(sessionID));
        const waits = (): boolean => notices.owes(sessionID) || this.#hasOwnWork(live);
        return messages ? { type: "read", messages, waits } : { type: "gone" };
      }
    }
  }

  #address({ sessionID, state }: LiveRun, messageID: string) {
    const { agent, model, variant } = state.job;
    // Variants are one model's own.
    const speaker = state.model ? { model: state.model } : { model, variant };
    return { sessionID, messageID, agent, ...speaker };
  }

  /** Resolves when the run is over and what it had started is ended, or after 10 s. Never rejects. */
  async #stop(live: LiveRun, reason: EndReason): Promise<void> {
    await new Promise<void>((resolve) => {
      const giveUp = (): void => {
        timer.cancel();
        this.#patience.delete(giveUp);
        resolve();
      };
      const timer = this.#deps.clock.after(ABORT_TIMEOUT_MS, giveUp);
      this.#patience.add(giveUp);
      void Promise.all([this.#abort(live, reason), live.ended]).then(giveUp);
    });
    this.#take(live, { type: "gaveUp" });
  }

  async #abort(live: LiveRun, reason: EndReason): Promise<void> {
    const { log, endWorkOf } = this.#deps;
    // The child first, so that it starts nothing more.
    await this.abortSession(live.jobID, live.sessionID);
    const message = "what a subagent started could not be ended";
    await endWorkOf(live.sessionID, reason).catch(
      logFailure(log, "warn", message, { id: live.jobID }),
    );
    this.#take(live, { type: "aborted" });
  }

  #abortForgotten({ jobID, sessionID }: LiveRun): void {
    const current = this.#live.get(jobID);
    if (!current || current.state.intent) void this.abortSession(jobID, sessionID);
  }

  /** Never rejects. */
  async abortSession(id: string, sessionID: string): Promise<void> {
    const { host, log } = this.#deps;
    const failed = logFailure(log, "warn", "a subagent could not be aborted", { id });
    await host.abort(sessionID).catch(failed);
  }

  #end(live: LiveRun, { patch, end }: Extract<Effect, { do: "end" }>): void {
    const { jobs } = this.#deps;
    const { jobID } = live;
    this.#live.delete(jobID);
    live.lookLater?.cancel();
    live.release();
    const job = jobs.getSubagent(jobID);
    if (!job || isTerminal(job.status)) return;
    jobs.updateSubagent(jobID, patch);
    jobs.end(jobID, end);
  }
}
