/**
 * What becomes of a session's jobs when its user stops its run, undoes a message, deletes it, or ends one of them.
 * Ends jobs and withdraws notices; never rejects, for it answers events.
 */
import type { HostEvent } from "./host/events.js";
import type { SessionTree } from "./host/session-tree.js";
import type { Job } from "./jobs/job.js";
import type { JobRegistry } from "./jobs/registry.js";
import { isTerminal, type EndReason } from "./jobs/status.js";
import type { Notices } from "./notices/notices.js";
import type { Options } from "./options.js";
import { coerceError, type Log } from "./ports.js";
import type { BackgroundProcessManager } from "./process/process-manager.js";
import type { BackgroundManager } from "./subagent/manager.js";

export interface SessionEndsDeps {
  jobs: JobRegistry;
  log: Log;
  options: Options;
  tree: SessionTree;
  notices: Notices;
  tasks: BackgroundManager;
  processes: BackgroundProcessManager;
}

export class SessionEnds {
  readonly #deps: SessionEndsDeps;

  constructor(deps: SessionEndsDeps) {
    this.#deps = deps;
  }

  onEvent(event: HostEvent): void {
    if (event.type === "deleted") this.#deleted(event.sessionID);
    if (event.type === "reverted") this.#reverted(event.sessionID, event.messageID);
  }

  /** The user has stopped the session's run. */
  aborted(sessionID: string): void {
    if (this.#deps.options.onParentAbort !== "cancel") return;
    void this.#end(liveOf(this.#deps.jobs.byParent(sessionID)));
  }

  /** The user has ended this one job, in the terminal. */
  cancelled(jobID: string): void {
    const job = this.#deps.jobs.get(jobID);
    if (job) void this.#end(liveOf([job]));
  }

  /** The session processes that a subagent started, when its run is ended. */
  async endProcesses(sessionID: string, reason: EndReason): Promise<void> {
    const known = reason === "cancelled_by_agent" || reason === "session_deleted";
    await this.#deps.processes.kill(
      { sessionID },
      { reason: known ? reason : "cancelled_by_user", only: (job) => !job.global },
    );
  }

  #deleted(sessionID: string): void {
    const { processes, tree, log } = this.#deps;
    processes.cleanupSession(sessionID).catch((thrown: unknown) => {
      const error = coerceError(thrown).message;
      log("error", "processes of a deleted session could not be ended", { sessionID, error });
    });
    tree.forget(sessionID);
  }

  /** What a message started that the user has undone is undone, too: ended, and not announced. */
  #reverted(sessionID: string, fromMessageID: string): void {
    const { jobs, notices } = this.#deps;
    const undone = jobs
      .byParent(sessionID)
      .filter((job) => job.parentMessageID !== undefined && job.parentMessageID >= fromMessageID);
    for (const job of undone) {
      notices.outbox.withdraw(job.id);
    }
    void this.#endQuietly(liveOf(undone));
  }

  async #endQuietly(jobs: readonly Job[]): Promise<void> {
    const release = this.#deps.notices.hold(jobs.map(({ id }) => id));
    await this.#end(jobs);
    release(true);
  }

  async #end(jobs: readonly Job[]): Promise<void> {
    const { tasks, processes, log } = this.#deps;
    const subagents = jobs.filter(({ kind }) => kind === "subagent").map(({ id }) => id);
    const others = jobs.filter(({ kind }) => kind === "process");
    const results = await Promise.allSettled([
      tasks.cancel(subagents, "cancelled_by_user"),
      ...others.map(({ id }) => processes.kill({ id }, { reason: "cancelled_by_user" })),
    ]);
    for (const result of results) {
      if (result.status === "rejected") {
        log("error", "a job could not be ended", { error: coerceError(result.reason).message });
      }
    }
  }
}

function liveOf(jobs: readonly Job[]): Job[] {
  return jobs.filter((job) => !isTerminal(job.status));
}
