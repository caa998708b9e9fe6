/**
 * Where the life of a process keeps its record: in the registry, where every list, notice and stored state finds it;
 * or, while a caller waits for the command, in one of its own, until it is moved.
 */
import type { ProcessJob } from "../jobs/job.js";
import { JobRegistry, type ProcessPatch } from "../jobs/registry.js";
import type { Log } from "../ports.js";

/** What a life reads and writes. */
export type ProcessRecords = Pick<
  JobRegistry,
  "getProcess" | "updateProcess" | "start" | "end" | "rerun"
>;

/** The record of one process that is in no list yet. */
export class OwnRecord implements ProcessRecords {
  #jobs: JobRegistry;

  constructor(job: ProcessJob, log: Log) {
    this.#jobs = new JobRegistry(log);
    this.#jobs.add(job);
  }

  getProcess(id: string) {
    return this.#jobs.getProcess(id);
  }

  updateProcess(id: string, patch: ProcessPatch) {
    return this.#jobs.updateProcess(id, patch);
  }

  start(...args: Parameters<JobRegistry["start"]>) {
    return this.#jobs.start(...args);
  }

  end(...args: Parameters<JobRegistry["end"]>) {
    return this.#jobs.end(...args);
  }

  rerun(id: string, patch: ProcessPatch) {
    return this.#jobs.rerun(id, patch);
  }

  /** From here on it is a job of this registry, like any other. */
  moveTo(jobs: JobRegistry, job: ProcessJob): void {
    this.#jobs = jobs;
    jobs.add(job);
  }
}
