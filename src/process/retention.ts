/**
 * What is kept of the outputs of ended processes: so many bytes in all. The oldest go first, and their records say
 * so. Live processes are never touched, only counted. Which records are kept is decided by `store/retention.ts`, for
 * all jobs alike: a record goes with its output.
 */
import { rmSync, statSync } from "node:fs";
import type { ProcessJob } from "../jobs/job.js";
import type { JobRegistry } from "../jobs/registry.js";
import { isTerminal } from "../jobs/status.js";
import type { Options } from "../options.js";
import { coerceError, type Log } from "../ports.js";
import { outputFile } from "../output/format.js";

export interface RetentionDeps {
  jobs: JobRegistry;
  log: Log;
  options: Pick<Options, "totalOutputLimit">;
  outputFolder: () => string;
}

export function prune(deps: RetentionDeps): void {
  const { jobs, options } = deps;
  const processes = jobs.all().filter((job) => job.kind === "process");
  const ended = processes
    .filter((job) => isTerminal(job.status))
    .sort((a, b) => endOf(b) - endOf(a));

  const sizes = new Map(processes.map((job) => [job.id, sizeOf(deps, job.id)]));
  const live = processes.filter((job) => !isTerminal(job.status));
  let left = options.totalOutputLimit;
  for (const job of live) left -= sizes.get(job.id) ?? 0;
  for (const job of ended) {
    const size = sizes.get(job.id) ?? 0;
    left -= size;
    if (left >= 0 || size === 0) continue;
    left += size;
    removeOutput(deps, job.id);
    jobs.updateProcess(job.id, { output: { ...job.output, dropped: job.output.bytes } });
  }
}

/** Removes a record and its output. */
export function forget(
  deps: Pick<RetentionDeps, "jobs" | "log" | "outputFolder">,
  job: ProcessJob,
): void {
  deps.jobs.remove(job.id);
  removeOutput(deps, job.id);
}

function removeOutput(
  { outputFolder, log }: Pick<RetentionDeps, "outputFolder" | "log">,
  id: string,
): void {
  try {
    rmSync(outputFile(outputFolder(), id), { force: true });
  } catch (thrown) {
    log("warn", "an output could not be removed", { id, error: coerceError(thrown).message });
  }
}

/** Bytes on disk; 0 when there is no file, or it cannot be looked at. */
function sizeOf(
  { outputFolder, log }: Pick<RetentionDeps, "outputFolder" | "log">,
  id: string,
): number {
  try {
    return statSync(outputFile(outputFolder(), id), { throwIfNoEntry: false })?.size ?? 0;
  } catch (thrown) {
    log("warn", "an output could not be looked at", { id, error: coerceError(thrown).message });
    return 0;
  }
}

function endOf(job: ProcessJob): number {
  return (job.completedAt ?? job.createdAt).getTime();
}
