/**
 * Which ended jobs are forgotten: those that ended too long ago, and the oldest beyond a number. A job that
 * runs, or whose parent has still to be told something, is never among them.
 */
import type { Job } from "../jobs/job.js";
import { isTerminal } from "../jobs/status.js";

export interface Retention {
  keepEnded: number;
  keepDays: number;
}

const DAY = 24 * 3600_000;

/** Now in milliseconds since the epoch. */
export function expired(
  jobs: readonly Job[],
  { keepEnded, keepDays }: Retention,
  now: number,
  isOwed: (job: Job) => boolean,
): Job[] {
  const ended = jobs.filter((job) => isTerminal(job.status));
  ended.sort((a, b) => endOf(b) - endOf(a));
  const oldest = now - keepDays * DAY;
  return ended.filter((job, at) => (at >= keepEnded || endOf(job) < oldest) && !isOwed(job));
}

function endOf(job: Job): number {
  return (job.completedAt ?? job.createdAt).getTime();
}
