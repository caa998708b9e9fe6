/** What is read off a record in more than one place. Pure. */
import type { Job } from "./job.js";
import type { EndReason } from "./status.js";

/** When it started; of one that waits, also of a continued one, when it began to wait. Milliseconds since 1970. */
export function runSince(job: Job): number {
  const waits = job.kind === "subagent" && job.runs.length > 0;
  return (job.startedAt ?? (waits ? job.progress.lastUpdate : job.createdAt)).getTime();
}

/** Why it ended, where its status does not say it. */
export function furtherReason({ endReason }: Pick<Job, "endReason">): EndReason | undefined {
  return endReason === "finished" || endReason === "error" ? undefined : endReason;
}

/** Its error, unless that only says the exit code or the signal, which stand among its facts already. */
export function furtherError(job: Job): string | undefined {
  if (job.kind === "subagent") return job.error;
  const isSaid = job.error === `exit code ${job.exitCode}` || job.error === `signal ${job.signal}`;
  return isSaid ? undefined : job.error;
}
