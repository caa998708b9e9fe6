/**
 * What is kept of ended jobs, and for how long: their records by number and age, their outputs by their bytes in
 * all. A job that runs, or whose session has still to be told of it, is never forgotten. An output lives as long as
 * its record at most.
 */
import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Job, ProcessJob } from "../jobs/job.js";
import type { JobRegistry } from "../jobs/registry.js";
import { isTerminal } from "../jobs/status.js";
import type { Options } from "../options.js";
import { outputFiles, ownerOfOutput } from "../output/runs.js";
import { coerceError, errorCode, type Log } from "../ports.js";
import type { StoreFiles } from "./files.js";

export type Retention = Pick<Options, "keepEnded" | "keepDays" | "totalOutputLimit">;

const DAY = 24 * 3600_000;

/**
 * The ended jobs whose records go: those that ended too long ago, and the oldest beyond the number. `now` in
 * milliseconds since the epoch.
 */
export function expired(
  jobs: readonly Job[],
  { keepEnded, keepDays }: Pick<Retention, "keepEnded" | "keepDays">,
  now: number,
  isOwed: (job: Job) => boolean,
): Job[] {
  const ended = jobs.filter((job) => isTerminal(job.status));
  ended.sort((a, b) => endOf(b) - endOf(a));
  const oldest = now - keepDays * DAY;
  return ended.filter((job, at) => (at >= keepEnded || endOf(job) < oldest) && !isOwed(job));
}

export interface OutputRetentionDeps {
  jobs: JobRegistry;
  log: Log;
  retention: Pick<Retention, "keepDays" | "totalOutputLimit">;
  /** Holds the outputs of each process, see `output/runs.ts`; it may not exist. */
  folder: string;
  files: Pick<StoreFiles, "remove">;
}

/** The files of captured output, after the records. Works until `stop` is called. */
export class OutputRetention {
  readonly #deps: OutputRetentionDeps;
  readonly #stopListening: () => void;
  /** Ends of one moment are one look at the files, and none of it delays an end. */
  #limiting: NodeJS.Immediate | undefined;

  constructor(deps: OutputRetentionDeps) {
    this.#deps = deps;
    this.#stopListening = deps.jobs.onChange(({ type, job }) => {
      if (job.kind !== "process") return;
      if (type === "removed") this.#remove(job);
      if (type === "ended") this.#limiting ??= setImmediate(() => this.#limit());
    });
  }

  /** What is due is done before. */
  stop(): void {
    this.#stopListening();
    if (this.#limiting) this.#limit();
  }

  /**
   * Removes output files without a record (it was set aside, or forgotten while the file could not be removed) once
   * an ended job of their age would be forgotten. `now` in milliseconds since the epoch; never throws.
   */
  sweep(now: number): void {
    const { jobs, folder, files, log, retention } = this.#deps;
    const oldest = now - retention.keepDays * DAY;
    try {
      for (const name of readdirSync(folder)) {
        const path = join(folder, name);
        const isKnown = jobs.get(ownerOfOutput(name)) !== undefined;
        if (!isKnown && lstatSync(path).mtimeMs < oldest) files.remove(path);
      }
    } catch (thrown) {
      if (errorCode(thrown) === "ENOENT") return;
      log("warn", "old output files could not be removed", { error: coerceError(thrown).message });
    }
  }

  /**
   * Removes outputs of ended processes beyond `totalOutputLimit`, the oldest first; their records say so. Outputs of
   * live ones only count. The newest end keeps its output in any case: it is the one that is about to be read.
   */
  #limit(): void {
    clearImmediate(this.#limiting);
    this.#limiting = undefined;
    const { jobs, retention } = this.#deps;
    const processes = jobs.all().filter((job) => job.kind === "process");
    const sizes = new Map(processes.map((job) => [job.id, this.#sizeOf(job)]));
    let total = [...sizes.values()].reduce((sum, size) => sum + size, 0);
    if (total <= retention.totalOutputLimit) return;
    const ended = processes.filter(({ status }) => isTerminal(status));
    ended.sort((a, b) => endOf(a) - endOf(b));
    for (const job of ended.slice(0, -1)) {
      const size = sizes.get(job.id) ?? 0;
      if (total <= retention.totalOutputLimit || size === 0) continue;
      if (this.#remove(job)) total -= size;
    }
  }

  /** Whether it is gone; if not, the log says why. */
  #remove(removed: ProcessJob): boolean {
    const { id } = removed;
    const { jobs, folder, files, log } = this.#deps;
    try {
      for (const file of outputFiles(folder, removed)) files.remove(file);
    } catch (thrown) {
      log("warn", "an output could not be removed", { id, error: coerceError(thrown).message });
      return false;
    }
    const job = jobs.getProcess(id);
    const none = (output: ProcessJob["output"]) => ({ ...output, dropped: output.bytes });
    if (job) {
      const runs = job.runs?.map((run) => ({ ...run, output: none(run.output) }));
      jobs.updateProcess(id, { output: none(job.output), ...(runs && { runs }) });
    }
    return true;
  }

  /** Bytes on disk; 0 when there is no file, or it cannot be looked at. */
  #sizeOf(job: ProcessJob): number {
    const { folder, log } = this.#deps;
    try {
      return outputFiles(folder, job).reduce(
        (sum, file) => sum + (lstatSync(file, { throwIfNoEntry: false })?.size ?? 0),
        0,
      );
    } catch (thrown) {
      const { id } = job;
      log("warn", "an output could not be looked at", { id, error: coerceError(thrown).message });
      return 0;
    }
  }
}

function endOf(job: Job): number {
  return (job.completedAt ?? job.createdAt).getTime();
}
