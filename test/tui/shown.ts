// Jobs as the terminal part sees them, made from records.
import type { Job } from "../../src/jobs/job.js";
import type { ShownJob } from "../../src/tui/describe.js";

export const NOW = 1_700_000_600_000;

export function ago(seconds: number): Date {
  return new Date(NOW - seconds * 1000);
}

export function shown(job: Job, changes: Partial<ShownJob> = {}): ShownJob {
  return { job, folder: "/state/p/i", directory: "/project", ownerAlive: true, ...changes };
}

export function names(jobs: readonly ShownJob[]): string[] {
  return jobs.map(({ job }) => job.name);
}
