/**
 * What becomes of a session's jobs when its user stops its run, undoes a message, deletes it, or does something to
 * one of them in the terminal. Ends jobs and withdraws notices; never rejects, for it answers events.
 */
import type { Context } from "../context.js";
import type { HostEvent } from "../host/events.js";
import type { UserRequest } from "../host/user-request.js";
import type { SessionTree } from "../host/session-tree.js";
import type { Job } from "../jobs/job.js";
import { isTerminal, type EndReason } from "../jobs/status.js";
import type { Notices } from "../notices/notices.js";
import { coerceError, logFailure } from "../ports.js";
import type { BackgroundProcessManager } from "../process/manager.js";
import type { BackgroundManager } from "../subagent/manager.js";
import type { Worktrees } from "../worktree/worktrees.js";

export interface SessionCleanupDeps extends Context {
  tree: SessionTree;
  notices: Notices;
  tasks: BackgroundManager;
  processes: BackgroundProcessManager;
  worktrees: Pick<Worktrees, "workersIn" | "remove">;
}

export class SessionCleanup {
  readonly #deps: SessionCleanupDeps;

  constructor(deps: SessionCleanupDeps) {
    this.#deps = deps;
  }

  onEvent(event: HostEvent): void {
    if (event.type === "deleted") this.#deleted(event.sessionID);
    if (event.type === "reverted") void this.#reverted(event.sessionID, event.messageID);
  }

  /** The user has stopped the session's run. */
  aborted(sessionID: string): void {
    if (this.#deps.options.onParentAbort !== "cancel") return;
    void this.#end(liveOf(this.#deps.jobs.byParent(sessionID)));
  }

  /** What the user wants done to one job, in the terminal. */
  requested(request: Exclude<UserRequest, { act: "page" }>): void {
    const { act, jobID } = request;
    const { jobs, notices, processes, log } = this.#deps;
    const job = jobs.get(jobID);
    if (!job) return;
    const failed = (thrown: unknown): void => {
      notices.toast(`${job.name}: ${coerceError(thrown).message}`, "error");
    };
    if (act === "type") {
      try {
        processes.answer(jobID, request.sealed);
      } catch (thrown) {
        failed(thrown);
      }
    } else if (act === "cancel") {
      void this.#end(liveOf([job]));
    } else if (act === "restart") {
      processes.restart(jobID, {}, "cancelled_by_user").catch(failed);
    } else {
      this.removeWorktree(jobID, "cancelled_by_user").then(
        (done) => notices.toast(`${job.name}: ${done}`, "success"),
        (thrown: unknown) => {
          logFailure(log, "warn", "a worktree could not be removed", { id: jobID })(thrown);
          failed(thrown);
        },
      );
    }
  }

  /** Ends what works in the worktree of a task and removes it; see Worktrees. Rejects with a UserError. */
  async removeWorktree(
    jobID: string,
    reason: "cancelled_by_agent" | "cancelled_by_user",
  ): Promise<string> {
    const { jobs, worktrees } = this.#deps;
    const task = jobs.getSubagent(jobID);
    if (task) await this.#end(worktrees.workersIn(task), reason);
    return worktrees.remove(jobID);
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
    const message = "processes of a deleted session could not be ended";
    processes.cleanupSession(sessionID).catch(logFailure(log, "error", message, { sessionID }));
    tree.forget(sessionID);
  }

  /**
   * What a message started that the user has undone is undone, too: ended, and nothing is said of it any more. The
   * host repeats the event with every change of the session.
   */
  async #reverted(sessionID: string, fromMessageID: string): Promise<void> {
    const { jobs, notices } = this.#deps;
    const started = jobs
      .byParent(sessionID)
      .filter((job) => !isTerminal(job.status) || notices.outbox.has(job.id));
    if (started.length === 0) return;
    const ids = started.map(({ id }) => id);
    const isUndone = await notices.answering(ids, () => this.#undone(sessionID, fromMessageID));
    const undone = started.flatMap(({ id, parentMessageID }) =>
      parentMessageID !== undefined && isUndone(parentMessageID) ? id : [],
    );
    await notices.answering(undone, async (tells) => {
      tells(undone);
      await this.#end(liveOf(undone.flatMap((id) => jobs.get(id) ?? [])));
      for (const id of undone) notices.outbox.forget(id);
    });
  }

  /** Which messages are undone, by the order in which the host has them; by their ids when it cannot say. */
  async #undone(sessionID: string, from: string): Promise<(messageID: string) => boolean> {
    const { host, log } = this.#deps;
    const message = "what was undone could not be read; told by ids";
    const failed = logFailure(log, "warn", message, { sessionID });
    const messages = (await host.messages(sessionID).catch(failed)) ?? [];
    const ids = messages.map(({ id }) => id);
    const first = ids.indexOf(from);
    return (id) => {
      const place = first < 0 ? -1 : ids.indexOf(id);
      return place < 0 ? id >= from : place >= first;
    };
  }

  async #end(
    jobs: readonly Job[],
    reason: "cancelled_by_agent" | "cancelled_by_user" = "cancelled_by_user",
  ): Promise<void> {
    const { tasks, processes, log } = this.#deps;
    const subagents = jobs.filter(({ kind }) => kind === "subagent").map(({ id }) => id);
    const others = jobs.filter(({ kind }) => kind === "process");
    const results = await Promise.allSettled([
      tasks.cancel(subagents, reason),
      ...others.map(({ id }) => processes.kill({ id }, { reason })),
    ]);
    const failed = logFailure(log, "error", "a job could not be ended");
    for (const result of results) if (result.status === "rejected") failed(result.reason);
  }
}

function liveOf(jobs: readonly Job[]): Job[] {
  return jobs.filter((job) => !isTerminal(job.status));
}
