/**
 * The runs that are under way. A run begins with a slot and a prompt, and ends exactly once: when the child's
 * messages say so (`verdict.ts`), when it is stopped, or when the host cannot go on with it. Whatever the host
 * fails to answer is unknown and looked at again; it never counts as an end.
 */
import { coerceError, UserError, type Clock, type Log } from "../ports.js";
import { HostError, type Host, type PermissionRule } from "../host/host.js";
import type { IdSource } from "../host/ids.js";
import type { SubagentJob } from "../jobs/job.js";
import type { JobRegistry } from "../jobs/registry.js";
import type { NoticePort } from "../notices/port.js";
import { isTerminal } from "../jobs/status.js";
import { LiveRun, type StopIntent } from "./live-run.js";
import { missingRules } from "./rights.js";
import { finalText, judge, stepsOf, type Verdict } from "./verdict.js";
import type { Message } from "../host/host.js";

/** Nothing started after a prompt for so long: look, and send it once more. */
export const START_TIMEOUT_MS = 10_000;
/** Idle with an unfinished last step for so long: the run broke off. */
export const UNFINISHED_TIMEOUT_MS = 60_000;
/** How long a stop waits for the host to say that the session is idle. */
const ABORT_TIMEOUT_MS = 10_000;
const RETRY_EXAMINE_MS = 2_000;

export interface RunnerDeps {
  host: Host;
  jobs: JobRegistry;
  ids: IdSource;
  clock: Clock;
  log: Log;
  notices: NoticePort;
  /** Ends the tasks and session processes that a session started. */
  endWorkOf: (sessionID: string, reason: StopIntent["reason"]) => Promise<void>;
}

export interface RunInput {
  prompt: string;
  /** Rules for a session that is still to be created. */
  rules: PermissionRule[];
  /** Refuse to run when the rules are not in force. */
  strict: boolean;
}

export class Runner {
  readonly #deps: RunnerDeps;
  readonly #live = new Map<string, LiveRun>();

  constructor(deps: RunnerDeps) {
    this.#deps = deps;
  }

  live(jobID: string): LiveRun | undefined {
    return this.#live.get(jobID);
  }

  runs(): IterableIterator<[string, LiveRun]> {
    return this.#live.entries();
  }

  /** Runs a pending job from session to end; resolves when it has ended, whichever way. */
  async run(jobID: string, input: RunInput): Promise<void> {
    const job = this.#deps.jobs.getSubagent(jobID);
    if (job?.status !== "pending") return;
    const live = new LiveRun(job);
    live.rules = input.rules;
    try {
      const sessionID = job.sessionID ?? (await this.#createSession(job, input.rules));
      if (!this.#begin(jobID, sessionID, live)) return;
      await this.#prompt(jobID, live, input.prompt);
      if (input.strict) await this.#checkRules(jobID, sessionID, live);
    } catch (thrown) {
      const error = coerceError(thrown).message;
      this.finish(jobID, { status: "failed", reason: "error", error });
      return;
    }
    await live.ended;
  }

  /** A further instruction to a running child; its run now ends with the answer to this one. */
  async instruct(jobID: string, prompt: string): Promise<void> {
    const live = this.#live.get(jobID);
    if (!live) throw new UserError(`task ${jobID} is not running`);
    await this.#prompt(jobID, live, prompt);
  }

  /** Looks at the child's messages and ends the run if they say so. Safe to call at any time, any number of times. */
  async examine(jobID: string): Promise<void> {
    const live = this.#live.get(jobID);
    if (!live) return;
    if (live.examining) {
      live.examineAgain = true;
      return;
    }
    live.examining = true;
    try {
      do {
        live.examineAgain = false;
        await this.#look(jobID, live);
      } while (live.examineAgain && this.#live.has(jobID));
    } catch (thrown) {
      const { log, clock } = this.#deps;
      log("warn", "a subagent's state is unknown for now", {
        id: jobID,
        error: coerceError(thrown).message,
      });
      clock.after(RETRY_EXAMINE_MS, () => void this.examine(jobID));
    } finally {
      live.examining = false;
    }
  }

  /**
   * Stops a run: what the child itself started is ended, its session is aborted and kept, and the job ends as
   * `intent` says once the host is idle, or after 10 s with a word that the host did not confirm.
   */
  async stop(jobID: string, intent: StopIntent): Promise<void> {
    const { jobs, host, clock, log } = this.#deps;
    const job = jobs.getSubagent(jobID);
    const live = this.#live.get(jobID);
    if (!job?.sessionID || !live) {
      this.finish(jobID, intent);
      return;
    }
    live.intent ??= intent;
    const timer = clock.after(ABORT_TIMEOUT_MS, () => {
      const error = [intent.error, "the host did not confirm the abort; the session may still run"];
      this.finish(jobID, { ...intent, error: error.filter(Boolean).join("; ") });
    });
    try {
      // The child first, so that it starts nothing more.
      await host.abort(job.sessionID);
      await this.#deps.endWorkOf(job.sessionID, intent.reason);
    } catch (thrown) {
      log("warn", "a subagent could not be aborted", {
        id: jobID,
        error: coerceError(thrown).message,
      });
    }
    // A deleted session has no messages that could tell more.
    if (intent.reason === "session_deleted") this.finish(jobID, intent);
    else await this.examine(jobID);
    await live.ended;
    timer.cancel();
  }

  /** The one place where a run ends. No effect when it has ended already. */
  finish(jobID: string, end: StopIntent, messages: readonly Message[] = []): void {
    const { jobs, clock } = this.#deps;
    const job = jobs.getSubagent(jobID);
    const live = this.#live.get(jobID);
    this.#live.delete(jobID);
    live?.release();
    if (!job || isTerminal(job.status)) return;
    const at = new Date(clock.now());
    const stored = live ? finalText(messages, live.promptMessageID) : "";
    // A stream that was cut leaves an empty message: what was heard of it is all there is.
    const partialText = !stored && end.status !== "completed" ? live?.streamedText : undefined;
    jobs.updateSubagent(jobID, {
      ...(live && { ...live.totals(), progress: { ...job.progress, toolCalls: live.toolCalls } }),
      prompt: undefined,
      resultLength: stored.length || partialText?.length || 0,
      partialText: partialText || undefined,
      partial: end.status !== "completed" || end.error !== undefined,
      runs: job.runs.map((run, index) =>
        index === job.runs.length - 1
          ? { ...run, status: end.status, endReason: end.reason, completedAt: at }
          : run,
      ),
    });
    jobs.end(jobID, { status: end.status, reason: end.reason, error: end.error, at });
  }

  /** Stops looking at anything; the jobs stay as they are. */
  dispose(): void {
    for (const live of this.#live.values()) live.release();
    this.#live.clear();
  }

  async #createSession(job: SubagentJob, rules: PermissionRule[]): Promise<string> {
    const title = `${job.name} (@${job.agent} in the background)`;
    const session = await this.#deps.host.createSession({
      parentID: job.parentSessionID,
      title,
      permission: rules,
    });
    return session.id;
  }

  /** False when the job was cancelled while its session was being created. */
  #begin(jobID: string, sessionID: string, live: LiveRun): boolean {
    const { jobs, clock } = this.#deps;
    if (jobs.getSubagent(jobID)?.status !== "pending") return false;
    live.startedAt = live.heardAt = clock.now();
    this.#live.set(jobID, live);
    jobs.updateSubagent(jobID, { sessionID });
    jobs.start(jobID, new Date(live.startedAt));
    return true;
  }

  async #prompt(jobID: string, live: LiveRun, text: string): Promise<void> {
    const { jobs, host, ids, clock } = this.#deps;
    const job = jobs.getSubagent(jobID);
    if (!job?.sessionID) throw new HostError(`task ${jobID} has no session`);
    const first = live.promptMessageID === "";
    live.promptMessageID = ids.next("msg");
    live.promptText = text;
    live.promptedAt = clock.now();
    live.resent = 0;
    live.sessionError = undefined;
    const run = {
      promptMessageID: live.promptMessageID,
      startedAt: new Date(live.promptedAt),
      status: "running" as const,
    };
    const earlier = first ? job.runs : job.runs.slice(0, -1);
    jobs.updateSubagent(jobID, { runs: [...earlier, run], prompt: undefined });
    await host.prompt({ ...this.#address(job, live), text });
  }

  #address(job: SubagentJob, live: LiveRun) {
    const { sessionID = "", agent, model, variant } = job;
    return { sessionID, messageID: live.promptMessageID, agent, model, variant };
  }

  async #checkRules(jobID: string, sessionID: string, live: LiveRun): Promise<void> {
    const session = await this.#deps.host.session(sessionID);
    const missing = session ? missingRules(live.rules, session.permission) : [];
    if (missing.length === 0) return;
    const names = missing.map(({ permission }) => permission).join(", ");
    const error = `the parent's limits (${names}) are not in force in the child session, so it was not allowed to run`;
    await this.stop(jobID, { status: "failed", reason: "error", error });
  }

  async #look(jobID: string, live: LiveRun): Promise<void> {
    const { host, jobs, clock } = this.#deps;
    const sessionID = jobs.getSubagent(jobID)?.sessionID;
    if (!sessionID) return;
    live.examinedAt = clock.now();
    if ((await host.busySessions()).has(sessionID)) {
      live.unfinishedSince = undefined;
      return;
    }
    const messages = await host.messages(sessionID);
    if (this.#live.get(jobID) !== live) return;
    const { promptMessageID, sessionError } = live;
    this.#count(jobID, live, messages);
    const verdict = judge({ messages, promptMessageID, busy: false, sessionError });
    if (verdict.kind === "ended") return this.#conclude(jobID, sessionID, live, verdict, messages);
    if (live.intent) return this.finish(jobID, live.intent, messages);
    if (verdict.kind === "unanswered") return this.#unanswered(jobID, live, verdict.stored);
    if (verdict.kind === "unfinished") this.#unfinished(jobID, live, messages);
  }

  #conclude(
    jobID: string,
    sessionID: string,
    live: LiveRun,
    verdict: Extract<Verdict, { kind: "ended" }>,
    messages: readonly Message[],
  ): void {
    const { jobs, notices } = this.#deps;
    const waits =
      notices.owes(sessionID) ||
      jobs.byParent(sessionID).some((job) => job.kind === "subagent" && !isTerminal(job.status));
    if (verdict.status === "completed") {
      if (waits && !live.intent) return;
      this.finish(jobID, waits && live.intent ? live.intent : verdict, messages);
    } else this.finish(jobID, live.intent ?? verdict, messages);
  }

  /** Nothing started: the prompt is sent once more, without doubling what is stored. */
  async #unanswered(jobID: string, live: LiveRun, stored: boolean): Promise<void> {
    const { host, jobs, clock, log } = this.#deps;
    if (clock.now() - live.promptedAt < START_TIMEOUT_MS) return;
    const job = jobs.getSubagent(jobID);
    if (!job) return;
    if (live.resent > 0) {
      const error = "the host accepted the prompt twice and never started to work on it";
      this.finish(jobID, { status: "failed", reason: "never_started", error });
      return;
    }
    log("warn", "a subagent did not start; its prompt is sent once more", { id: jobID, stored });
    live.resent += 1;
    live.promptedAt = clock.now();
    const address = this.#address(job, live);
    await host.prompt(stored ? address : { ...address, text: live.promptText });
  }

  #unfinished(jobID: string, live: LiveRun, messages: readonly Message[]): void {
    const now = this.#deps.clock.now();
    live.unfinishedSince ??= now;
    if (now - live.unfinishedSince < UNFINISHED_TIMEOUT_MS) return;
    const error = "the run stopped in the middle of an answer and the host said nothing about it";
    this.finish(jobID, { status: "failed", reason: "error", error }, messages);
  }

  /** Calls and costs whose events never came. */
  #count(jobID: string, live: LiveRun, messages: readonly Message[]): void {
    const { jobs } = this.#deps;
    for (const step of stepsOf(messages, live.promptMessageID)) {
      live.sawUsage(step.id, step.usage);
      for (const call of step.tools) live.sawCall(call.callID, call.status);
    }
    const progress = jobs.getSubagent(jobID)?.progress;
    if (progress && progress.toolCalls !== live.toolCalls) {
      jobs.updateSubagent(jobID, { progress: { ...progress, toolCalls: live.toolCalls } });
    }
  }
}
