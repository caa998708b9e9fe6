/**
 * The runs that are under way. A run begins with a slot and a prompt, and ends exactly once: when the child's
 * messages say so (`run-examiner.ts`), when it is stopped, or when the host cannot go on with it.
 */
import type { Context } from "../context.js";
import { coerceError, UserError } from "../ports.js";
import type { Message, PermissionRule } from "../host/host.js";
import type { IdSource } from "../host/ids.js";
import type { SubagentJob } from "../jobs/job.js";
import type { NoticePort } from "../notices/port.js";
import type { Worktrees } from "../worktree/worktrees.js";
import { isTerminal } from "../jobs/status.js";
import { LiveRun, type StopIntent } from "./live-run.js";
import { limitsMissing, missingRules } from "./rights.js";
import { Budgets } from "./budgets.js";
import { ModelSwitch } from "./model-switch.js";
import { Prompter } from "./prompter.js";
import { RunExaminer } from "./run-examiner.js";
import { RunStopper } from "./run-stopper.js";
import { finalText, quoteOf } from "./verdict.js";

export interface RunnerDeps extends Context {
  ids: IdSource;
  notices: NoticePort;
  worktrees: Pick<Worktrees, "enter">;
  /** A run has begun: from now on it must be supervised. */
  onBegin: () => void;
  persist: () => Promise<void>;
  /** Ends the tasks and session processes that a session started. */
  endWorkOf: (sessionID: string, reason: StopIntent["reason"]) => Promise<void>;
}

export interface RunInput {
  /** False once the job was ended and given another start. */
  isCurrent: () => boolean;
  /** Rules for a session that is still to be created. */
  rules: PermissionRule[];
  /** Refuse to run when the rules are not in force in the session. */
  strict: boolean;
  /** What is said above its first prompt; asked when it begins. */
  before: () => Promise<string>;
  /** Prompted, and allowed to run. */
  onStarted: () => void;
}

export class Runner {
  readonly #deps: RunnerDeps;
  readonly #live = new Map<string, LiveRun>();
  /** Asked for every streamed token. */
  readonly #liveBySession = new Map<string, LiveRun>();
  readonly #examiner: RunExaminer;
  readonly #prompter: Prompter;
  readonly #stopper: RunStopper;
  readonly #switch: ModelSwitch;
  /** What tasks and session trees may spend. */
  readonly budgets: Budgets;

  constructor(deps: RunnerDeps) {
    this.#deps = deps;
    const live = (jobID: string) => this.#live.get(jobID);
    this.#prompter = new Prompter({ ...deps, live });
    const examine = (jobID: string) => this.examine(jobID);
    this.#stopper = new RunStopper({ ...deps, examine, end: this.#end.bind(this) });
    const promptAgain: Prompter["sendAgain"] = (...what) => this.#prompter.sendAgain(...what);
    this.#switch = new ModelSwitch({ ...deps, live, examine, promptAgain });
    this.#examiner = new RunExaminer({
      ...deps,
      live,
      end: this.#end.bind(this),
      promptAgain,
      goOn: (...what) => this.#switch.goOn(...what),
    });
    this.budgets = new Budgets({ ...deps, live, stop: (...what) => this.stop(...what) });
  }

  live(jobID: string): LiveRun | undefined {
    return this.#live.get(jobID);
  }

  /** The run under way in this child session. */
  liveIn(sessionID: string): LiveRun | undefined {
    return this.#liveBySession.get(sessionID);
  }

  runs(): IterableIterator<[string, LiveRun]> {
    return this.#live.entries();
  }

  /** Runs a pending job from session to end; resolves when it has ended, whichever way. Never rejects. */
  async run(jobID: string, input: RunInput): Promise<void> {
    const job = this.#deps.jobs.getSubagent(jobID);
    if (job?.status !== "pending") return;
    // It may have waited while others spent what was left.
    const spent = this.budgets.endOf(job);
    if (spent) {
      this.#end(jobID, undefined, spent);
      return;
    }
    const live = new LiveRun(job);
    try {
      const before = await input.before();
      const directory = await this.#deps.worktrees.enter(jobID);
      const sessionID = job.sessionID ?? (await this.#createSession(job, input.rules, directory));
      if (input.strict) await this.#checkRules(sessionID, input.rules);
      if (job.after) await this.#saveSession(jobID, sessionID);
      if (!this.#begin(jobID, sessionID, live, input.isCurrent())) return;
      live.before = before;
    } catch (thrown) {
      if (input.isCurrent()) this.#end(jobID, undefined, failed(coerceError(thrown)));
      return;
    }
    // A prompt that is not answered must not hold the slot of a run that was stopped.
    await Promise.race([this.#start(jobID, live, input), live.ended]);
    await live.ended;
  }

  /** A further instruction to a running child; its run now ends with the answer to this one. */
  async instruct(jobID: string, prompt: string): Promise<void> {
    const live = this.#live.get(jobID);
    if (!live) throw new UserError(`task ${jobID} is not running`);
    if (live.intent) throw new UserError(`task ${jobID} is being ended; continue it once it has`);
    try {
      await this.#prompter.send(jobID, live, prompt);
    } catch (thrown) {
      // The run may have ended with its earlier prompt in the meantime.
      void this.examine(jobID);
      throw thrown;
    }
  }

  /** Looks at the child's messages and ends the run if they say so. Safe to call at any time, any number of times. */
  async examine(jobID: string): Promise<void> {
    await this.#examiner.examine(jobID);
  }

  /** The host waits to ask the provider again. Never rejects. */
  async announcedRetry(live: LiveRun, retry: { message: string; nextAt: Date }): Promise<void> {
    await this.#switch.announcedRetry(live, retry);
  }

  /**
   * Stops a run: its session is aborted and kept, what the child itself started is ended, and the job ends as
   * `intent` says once the host is idle, or after 10 s with a word that the host did not confirm. Never rejects.
   */
  async stop(jobID: string, intent: StopIntent): Promise<void> {
    const sessionID = this.#deps.jobs.getSubagent(jobID)?.sessionID;
    const live = this.#live.get(jobID);
    if (sessionID === undefined || !live) {
      this.#end(jobID, live, intent);
      return;
    }
    await this.#stopper.stop(jobID, sessionID, live, intent);
  }

  /** Ends a job as it is, without a word to the host. */
  abandon(jobID: string, end: StopIntent): void {
    this.#end(jobID, this.#live.get(jobID), end);
  }

  /** Stops looking at anything; the jobs stay as they are. */
  dispose(): void {
    for (const live of this.#live.values()) live.close();
    this.#live.clear();
    this.#liveBySession.clear();
    this.#stopper.dispose();
    this.budgets.dispose();
  }

  /**
   * The one place where a run ends. No effect when it has ended already: `live` says which run is meant, for the
   * job may have begun another one; undefined is a job that has none yet.
   */
  #end(
    jobID: string,
    live: LiveRun | undefined,
    end: StopIntent,
    messages: readonly Message[] = [],
  ): void {
    const { jobs, clock } = this.#deps;
    if (this.#live.get(jobID) !== live) return;
    const job = jobs.getSubagent(jobID);
    this.#live.delete(jobID);
    if (job?.sessionID) this.#liveBySession.delete(job.sessionID);
    live?.close();
    if (!job || isTerminal(job.status)) return;
    const at = new Date(clock.now());
    // A job that was stopped while it waited has no run of its own: an earlier one keeps its result.
    const { status, reason, error } = end;
    const patch = live && ranUntil(at, job, live, end, messages);
    if (patch) jobs.updateSubagent(jobID, patch);
    const text = live ? finalText(messages, live.firstPromptID) || patch?.partialText : undefined;
    // Without a read of the messages nothing is known of its words.
    const quote = messages.length > 0 || text ? quoteOf(text ?? "", messages) : undefined;
    jobs.end(jobID, { status, reason, error, at, ...(quote && { quote }) });
  }

  async #createSession(
    job: SubagentJob,
    permission: PermissionRule[],
    directory: string | undefined,
  ): Promise<string> {
    const { name, agent, parentSessionID: parentID } = job;
    const title = `${name} (@${agent} in the background)`;
    const session = await this.#deps.host.createSession({
      parentID,
      title,
      permission,
      taskID: job.id,
      directory,
    });
    return session.id;
  }

  /** A task that waited for others is started again by the next OpenCode unless the disk says that it has begun. */
  async #saveSession(jobID: string, sessionID: string): Promise<void> {
    const { jobs, persist } = this.#deps;
    if (jobs.getSubagent(jobID)?.sessionID === undefined) {
      jobs.updateSubagent(jobID, { sessionID });
      await persist();
    }
  }

  /** False when the job was cancelled while its session was being created. */
  #begin(jobID: string, sessionID: string, live: LiveRun, isCurrent: boolean): boolean {
    const { jobs, clock, onBegin } = this.#deps;
    const job = jobs.getSubagent(jobID);
    if (!isCurrent || job?.status !== "pending") {
      // Its session exists now: a continuation of the cancelled task works in it, so it is never without an owner.
      if (job && job.sessionID === undefined) jobs.updateSubagent(jobID, { sessionID });
      return false;
    }
    live.startedAt = live.heardAt = clock.monotonic();
    this.#live.set(jobID, live);
    this.#liveBySession.set(sessionID, live);
    // Until now the result was that of an earlier run.
    const fresh = { partial: undefined, partialText: undefined, resultLength: undefined };
    jobs.updateSubagent(jobID, { ...fresh, sessionID });
    jobs.start(jobID, new Date(clock.now()));
    onBegin();
    return true;
  }

  /** Never rejects: what the host refuses ends the run. */
  async #start(jobID: string, live: LiveRun, { onStarted }: RunInput): Promise<void> {
    try {
      // As it is now: text may have been added while the session was being created.
      const { prompt = "" } = this.#deps.jobs.getSubagent(jobID) ?? {};
      await this.#prompter.send(jobID, live, [live.before || [], prompt].flat().join("\n\n"));
      onStarted();
    } catch (thrown) {
      this.#end(jobID, live, live.intent ?? failed(coerceError(thrown)));
      // The host may have stored the prompt all the same.
      await this.#prompter.abortForgotten(jobID);
    }
  }

  /** Before the first prompt: an agent that could change files does nothing beyond its parent's limits. */
  async #checkRules(sessionID: string, rules: readonly PermissionRule[]): Promise<void> {
    const session = await this.#deps.host.session(sessionID);
    // The prompt to one that is gone fails in the host's own words.
    const missing = session ? missingRules(rules, session.permission) : [];
    if (missing.length > 0) throw limitsMissing(missing);
  }
}

/** What the record says of a run that has ended. */
function ranUntil(
  at: Date,
  job: SubagentJob,
  live: LiveRun,
  { status, reason, error }: StopIntent,
  messages: readonly Message[],
): Partial<SubagentJob> {
  const stored = finalText(messages, live.firstPromptID);
  // A stream that was cut leaves an empty message: what was heard of it is all there is.
  const partialText = !stored && status !== "completed" ? live.streamedText : undefined;
  const ended = {
    status,
    endReason: reason,
    completedAt: at,
    ...(live.modelUses && { models: live.modelUses }),
  };
  return {
    ...live.totals(),
    progress: { ...job.progress, toolCalls: live.toolCalls, steps: live.steps },
    resultLength: stored.length || partialText?.length || 0,
    partialText: partialText || undefined,
    partial: status !== "completed" || error !== undefined,
    runs: job.runs.map((run, index) =>
      index === job.runs.length - 1 ? { ...run, ...ended } : run,
    ),
  };
}

function failed({ message: error }: Error): StopIntent {
  return { status: "failed", reason: "error", error };
}
