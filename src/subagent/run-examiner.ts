/**
 * Looks at a child's stored messages and ends its run when they say so. Whatever the host fails to answer is
 * unknown and looked at again; it never counts as an end.
 */
import type { Context } from "../context.js";
import { coerceError } from "../ports.js";
import type { Message } from "../host/host.js";
import { storedMessages } from "../host/stored-messages.js";
import { isWaitedFor } from "../jobs/job.js";
import { isTerminal } from "../jobs/status.js";
import { tokensOf } from "../jobs/facts.js";
import type { NoticePort } from "../notices/port.js";
import { isProviderFault } from "../host/provider-fault.js";
import type { LiveRun, StopIntent } from "./live-run.js";
import { asksForTools, judge, stepsOf, type Verdict } from "./verdict.js";

/** Nothing started after a prompt for so long: look, and send it once more. */
export const START_TIMEOUT_MS = 10_000;
/** Idle with an unfinished last step for so long: the run broke off. */
export const UNFINISHED_TIMEOUT_MS = 60_000;
const RETRY_EXAMINE_MS = 2_000;

export interface RunExaminerDeps extends Context {
  notices: NoticePort;
  live: (jobID: string) => LiveRun | undefined;
  end: (jobID: string, live: LiveRun, end: StopIntent, messages?: readonly Message[]) => void;
  /** Sends a stored message once more, or the run's prompt with its text if the host has not stored it. */
  promptAgain: (jobID: string, live: LiveRun, storedID: string | undefined) => Promise<void>;
  /** After a fault of the provider: true when the run goes on with another model. */
  goOn: (
    jobID: string,
    live: LiveRun,
    error: string,
    messages: readonly Message[],
  ) => Promise<boolean>;
}

export class RunExaminer {
  readonly #deps: RunExaminerDeps;

  constructor(deps: RunExaminerDeps) {
    this.#deps = deps;
  }

  /** Safe to call at any time, any number of times; never rejects. */
  async examine(jobID: string): Promise<void> {
    const live = this.#deps.live(jobID);
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
      } while (live.examineAgain && this.#isLive(jobID, live));
    } catch (thrown) {
      this.#lookLater(jobID, live, coerceError(thrown));
    } finally {
      live.examining = false;
    }
  }

  #lookLater(jobID: string, live: LiveRun, { message: error }: Error): void {
    const { log, clock } = this.#deps;
    if (!this.#isLive(jobID, live)) return;
    log("warn", "a subagent's state is unknown for now", { id: jobID, error });
    live.retry?.cancel();
    live.retry = clock.after(RETRY_EXAMINE_MS, () => void this.examine(jobID));
  }

  #isLive(jobID: string, live: LiveRun): boolean {
    return this.#deps.live(jobID) === live;
  }

  async #look(jobID: string, live: LiveRun): Promise<void> {
    const { host, jobs, clock } = this.#deps;
    const { sessionID, directory } = jobs.getSubagent(jobID) ?? {};
    if (!sessionID) return;
    live.examinedAt = clock.monotonic();
    // One after the other: only messages that are read after the session was idle hold all that its run wrote. Asked
    // together, the host may read the messages between two steps and the status after the last one, and the run would
    // end with the text of an earlier step.
    if ((await host.busySessions(directory)).has(sessionID)) {
      live.unfinishedSince = undefined;
      return;
    }
    const messages = await storedMessages(host, sessionID);
    if (!this.#isLive(jobID, live)) return;
    if (!messages) {
      const end = live.intent ?? { status: "cancelled", reason: "session_deleted" };
      this.#deps.end(jobID, live, end);
      return;
    }
    const { promptMessageID, sessionError } = live;
    this.#count(jobID, live, messages);
    const standing = live.standing(messages);
    const verdict = judge({ messages: standing, promptMessageID, busy: false, sessionError });
    if (verdict.kind === "ended") {
      if (await this.#wentOn(jobID, live, verdict, messages)) return;
      this.#conclude(jobID, sessionID, live, verdict, messages);
    } else if (live.intent) this.#deps.end(jobID, live, live.intent, messages);
    else if (verdict.kind === "unanswered") {
      const stored = messages.findLast(({ role }) => role === "user");
      await this.#unanswered(jobID, live, verdict.stored ? stored?.id : undefined);
    } else if (verdict.kind === "unfinished") this.#unfinished(jobID, live, messages);
  }

  /** A provider that has failed is no end while another model is left. */
  async #wentOn(
    jobID: string,
    live: LiveRun,
    verdict: Extract<Verdict, { kind: "ended" }>,
    messages: readonly Message[],
  ): Promise<boolean> {
    if (live.intent || verdict.status === "completed") return false;
    const last = stepsOf(live.standing(messages), live.firstPromptID).at(-1);
    const isFault = last?.error !== undefined && isProviderFault(last.error);
    const error = live.leaving ?? (isFault ? verdict.error : undefined);
    return error !== undefined && this.#deps.goOn(jobID, live, error, messages);
  }

  #conclude(
    jobID: string,
    sessionID: string,
    live: LiveRun,
    verdict: Extract<Verdict, { kind: "ended" }>,
    messages: readonly Message[],
  ): void {
    const { jobs, notices, end } = this.#deps;
    const waits =
      notices.owes(sessionID) ||
      jobs.byParent(sessionID).some((job) => isWaitedFor(job) && !isTerminal(job.status));
    if (verdict.status === "completed") {
      if (waits && !live.intent) return;
      // A step without a finish reason is no answer, nor one that asks for tools: the host would have gone on.
      const asks = asksForTools(live.standing(messages), live.promptMessageID);
      const isCut = waits || live.isLooping || asks;
      end(jobID, live, isCut && live.intent ? live.intent : verdict, messages);
    } else end(jobID, live, live.intent ?? verdict, messages);
  }

  /** Nothing started: the prompt is sent once more, without doubling what is stored. */
  async #unanswered(jobID: string, live: LiveRun, storedID: string | undefined): Promise<void> {
    const { clock, log, promptAgain, end } = this.#deps;
    if (live.prompting > 0 || clock.monotonic() - live.promptedAt < START_TIMEOUT_MS) return;
    if (live.resent > 0) {
      const error = "the host accepted the prompt twice and never started to work on it";
      end(jobID, live, { status: "failed", reason: "never_started", error });
      return;
    }
    const stored = storedID !== undefined;
    log("warn", "a subagent did not start; its prompt is sent once more", { id: jobID, stored });
    live.resent += 1;
    live.promptedAt = clock.monotonic();
    await promptAgain(jobID, live, storedID);
  }

  #unfinished(jobID: string, live: LiveRun, messages: readonly Message[]): void {
    const now = this.#deps.clock.monotonic();
    live.unfinishedSince ??= now;
    if (now - live.unfinishedSince < UNFINISHED_TIMEOUT_MS) return;
    const error = "the run stopped in the middle of an answer and the host said nothing about it";
    this.#deps.end(jobID, live, { status: "failed", reason: "error", error }, messages);
  }

  /** Calls and costs whose events never came. */
  #count(jobID: string, live: LiveRun, messages: readonly Message[]): void {
    const { jobs } = this.#deps;
    for (const step of stepsOf(messages, live.firstPromptID)) {
      live.sawStep(step);
      for (const call of step.tools) live.sawCall(call);
    }
    const job = jobs.getSubagent(jobID);
    if (!job) return;
    const { progress } = job;
    const { toolCalls, runningTool, steps } = live;
    const totals = live.totals();
    if (totals.cost !== job.cost || tokensOf(totals) !== tokensOf(job)) {
      jobs.updateSubagent(jobID, totals);
    }
    const isKnown =
      progress.toolCalls === toolCalls &&
      progress.runningTool === runningTool &&
      progress.steps === steps;
    if (isKnown) return;
    jobs.updateSubagent(jobID, { progress: { ...progress, toolCalls, runningTool, steps } });
  }
}
