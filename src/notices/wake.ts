/** Whether what a session is owed is worth a turn of its own now, by the option `wake`. */
import type { Job } from "../jobs/job.js";
import type { JobRegistry } from "../jobs/registry.js";
import { isTerminal } from "../jobs/status.js";
import type { Options } from "../options.js";
import type { Notice } from "./notice.js";

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
  if (wake === "each" || notices.some(({ kind }) => kind !== "ended")) return true;
  if (notices.some(({ jobID }) => jobs.get(jobID)?.status === "failed")) return true;
  // A server is not waited for: it has no end of its own.
  return !jobs
    .byParent(sessionID)
    .some((job) => !isTerminal(job.status) && (job.kind === "subagent" || !isServer(job)));
}

function isServer(job: Extract<Job, { kind: "process" }>): boolean {
  return job.global || job.readyPattern !== undefined || job.readyPort !== undefined;
}
