/**
 * Which session is told of a job, and whether that is worth a turn of its own. The session that started a job is told;
 * when that was a subagent whose run is over, its parent is, for what an ended subagent is told is not read.
 */
import { coerceError, type Log } from "../ports.js";
import type { Host } from "../host/host.js";
import type { SessionTree } from "../host/session-tree.js";
import { isServer } from "../jobs/group.js";
import type { Job } from "../jobs/job.js";
import type { JobRegistry } from "../jobs/registry.js";
import { isTerminal } from "../jobs/status.js";
import type { Options } from "../options.js";
import type { Notice } from "./notice.js";

export interface RecipientsDeps {
  jobs: JobRegistry;
  tree: SessionTree;
  /** Sessions whose run goes on. */
  isBusy: (sessionID: string) => boolean;
}

export class Recipients {
  readonly #deps: RecipientsDeps;

  constructor(deps: RecipientsDeps) {
    this.#deps = deps;
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
    const { jobs, tree } = this.#deps;
    return tree.knownLine(sessionID).length > 1 && !jobs.findBySession(sessionID);
  }

  /** It is idle besides. */
  isEndedForeignSubagent(sessionID: string): boolean {
    return this.isForeignSubagent(sessionID) && !this.#deps.isBusy(sessionID);
  }

  /** Undefined for one that reads what it is told. */
  #above(sessionID: string): string | undefined {
    const { jobs, tree } = this.#deps;
    const own = jobs.findBySession(sessionID);
    if (own) return isTerminal(own.status) ? own.parentSessionID : undefined;
    return this.isEndedForeignSubagent(sessionID) ? tree.knownLine(sessionID)[1] : undefined;
  }
}

/**
 * After a restart: asks the host for each session that is owed something by an earlier owner of the state. Never
 * rejects: what cannot be looked at is left as it is.
 */
export async function findRecipients(
  { host, tree, log }: { host: Host; tree: SessionTree; log: Log },
  sessionIDs: Iterable<string>,
  on: { gone: (sessionID: string) => void; found: (sessionID: string) => void },
): Promise<void> {
  const looks = Array.from(new Set(sessionIDs), async (sessionID) => {
    try {
      const session = await host.session(sessionID);
      if (!session) {
        on.gone(sessionID);
        return;
      }
      tree.learn(sessionID, session.parentID);
      on.found(sessionID);
    } catch (thrown) {
      const error = coerceError(thrown).message;
      log("warn", "notices are kept for a session that cannot be looked at", { sessionID, error });
    }
  });
  await Promise.all(looks);
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
