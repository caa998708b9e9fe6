/** Ends one job, or finds that it has ended, and says what became of it. Never throws. */
import type { ProcessJob } from "../jobs/job.js";
import type { JobRegistry } from "../jobs/registry.js";
import { isTerminal } from "../jobs/status.js";
import { coerceError } from "../ports.js";
import type { LiveProcess } from "./live-process.js";
import type { KilledJob, KillOptions } from "./types.js";

export interface KillJobDeps {
  jobs: JobRegistry;
  /** Removes the record and its output. */
  forget: (job: ProcessJob) => void;
}

export async function killJob(
  job: ProcessJob,
  live: LiveProcess | undefined,
  { reason, remove = false }: Pick<KillOptions, "reason" | "remove">,
  { jobs, forget }: KillJobDeps,
): Promise<KilledJob> {
  const report: KilledJob = { job, outcome: "already_ended", survivors: [], removed: false };
  try {
    const killed = await live?.kill(reason);
    if (killed) {
      report.survivors = killed.survivors;
      report.outcome = killed.unverified === undefined ? "killed" : "unverified";
      if (killed.survivors.length > 0) report.outcome = "survivors";
      report.error = killed.unverified;
    }
  } catch (thrown) {
    report.outcome = "error";
    report.error = coerceError(thrown).message;
  }
  report.job = jobs.getProcess(job.id) ?? job;
  if (remove && isTerminal(report.job.status)) {
    forget(report.job);
    report.removed = true;
  }
  return report;
}
