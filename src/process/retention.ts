/**
 * What is kept of the outputs of ended processes: so many bytes in all. The oldest go first, however large each is,
 * and their records say so. Live processes are never touched, only counted; and the output of the process that ended
 * last is kept even if it is too much beside theirs, because its end is only now being read about. Which records are kept is decided by
 * `store/retention.ts`, for all jobs alike: a record goes with its output.
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

/** Removes what is beyond the limit. */
export function prune(deps: RetentionDeps): void {
  const { jobs, options, log } = deps;
  const processes = jobs.all().filter((job) => job.kind === "process");
  if (processes.length === 0) return;
  const folder = deps.outputFolder();
  const sizes = new Map(processes.map((job) => [job.id, sizeOf(folder, job.id, log)]));
  let bytes = 0;
  for (const size of sizes.values()) bytes += size;
  const oldestFirst = processes
    .filter((job) => isTerminal(job.status))
    .sort((a, b) => endOf(a) - endOf(b));
  for (const job of oldestFirst.slice(0, -1)) {
    if (bytes <= options.totalOutputLimit) return;
    const size = sizes.get(job.id) ?? 0;
    if (size === 0 || !removeOutput(folder, job.id, log)) continue;
    bytes -= size;
    jobs.updateProcess(job.id, { output: { ...job.output, dropped: job.output.bytes } });
  }
}

/** Removes a record and its output. */
export function forget(
  deps: Pick<RetentionDeps, "jobs" | "log" | "outputFolder">,
  job: ProcessJob,
): void {
  deps.jobs.remove(job.id);
  removeOutput(deps.outputFolder(), job.id, deps.log);
}

/** False when it could not be removed. */
function removeOutput(folder: string, id: string, log: Log): boolean {
  try {
    rmSync(outputFile(folder, id), { force: true });
    return true;
  } catch (thrown) {
    log("warn", "an output could not be removed", { id, error: coerceError(thrown).message });
    return false;
  }
}

/** Bytes on disk; 0 when there is no file, or it cannot be looked at. */
function sizeOf(folder: string, id: string, log: Log): number {
  try {
    return statSync(outputFile(folder, id), { throwIfNoEntry: false })?.size ?? 0;
  } catch (thrown) {
    log("warn", "an output could not be looked at", { id, error: coerceError(thrown).message });
    return 0;
  }
}

function endOf(job: ProcessJob): number {
  return (job.completedAt ?? job.createdAt).getTime();
}
