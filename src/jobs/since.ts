/** Since when a job's latest run goes on. */
import type { Job } from "./job.js";

/** When it started; of one that waits, also of a continued one, when it began to wait. Milliseconds since 1970. */
export function runSince(job: Job): number {
  const waits = job.kind === "subagent" && job.runs.length > 0;
  return (job.startedAt ?? (waits ? job.progress.lastUpdate : job.createdAt)).getTime();
}
