/**
 * Which session is told of a job, and whether that is worth a turn of its own. The session that started a job is told;
 * when that was a subagent whose run is over, its parent is, for what an ended subagent is told is not read.
 */
import type { SessionTree } from "../host/session-tree.js";
import { isServer } from "../jobs/group.js";
import type { Job } from "../jobs/job.js";
import type { JobRegistry } from "../jobs/registry.js";
import { isTerminal } from "../jobs/status.js";
import type { Options } from "../options.js";
import type { Notice } from "./notice.js";

export class Recipients {
  readonly #jobs: JobRegistry;
  readonly #tree: SessionTree;
  readonly #isBusy: (sessionID: string) => boolean;

  /** `isBusy`: whether the run of a session goes on. */
  constructor(jobs: JobRegistry, tree: SessionTree, isBusy: (sessionID: string) => boolean) {
    this.#jobs = jobs;
    this.#tree = tree;
    this.#isBusy = isBusy;
  }

  /** The starting session, or the nearest one above it that is no subagent whose run is over. */
  of(job: Job): string {
    let sessionID = job.parentSessionID;
    for (;;) {
      const above = this.#above(sessionID);
      if (!above || above === sessionID) return sessionID;
      sessionID = above;
    }
  }

  /** A subagent that is not ours, of the host's `task` for one. */
  isForeignSubagent(sessionID: string): boolean {
    return this.#tree.knownLine(sessionID).length > 1 && !this.#jobs.findBySession(sessionID);
  }

  /** It is idle besides. */
  isEndedForeignSubagent(sessionID: string): boolean {
    return this.isForeignSubagent(sessionID) && !this.#isBusy(sessionID);
  }

  /** Undefined for one that reads what it is told. */
  #above(sessionID: string): string | undefined {
    const own = this.#jobs.findBySession(sessionID);
    if (own) return isTerminal(own.status) ? own.parentSessionID : undefined;
    return this.isEndedForeignSubagent(sessionID) ? this.#tree.knownLine(sessionID)[1] : undefined;
  }
}

/** Whether what a session is owed is worth a turn of its own now, by the option `wake`. */
export function mayWake(
  jobs: JobRegistry,
  wake: Options["wake"],
  sessionID: string,
  notices: readonly Notice[],
): boolean {
  // A subagent that waits for its own ones has no user whose message could bring them.
  const subagent = jobs.findBySession(sessionID);
  if (subagent && !isTerminal(subagent.status)) return true;
  if (wake === "none") return false;
  const isNews = ({ kind }: Notice) => kind !== "ended" && kind !== "budget";
  if (wake === "each" || notices.some(isNews)) return true;
  if (notices.some(({ jobID }) => jobs.get(jobID)?.status === "failed")) return true;
  // A server is not waited for: it has no end of its own.
  return !jobs.byParent(sessionID).some((job) => !isTerminal(job.status) && !isServer(job));
}
