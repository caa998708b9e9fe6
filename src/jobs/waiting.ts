/**
 * The jobs that wait for others (`after`): each is started once, when all that it waits for stands as `order.ts` says,
 * or ends as `dependency_failed` when one of them cannot any more. The one place that knows who waits; it follows the
 * registry, and a change of a job costs nothing unless others wait for it and its standing changes.
 *
 * After a restart of OpenCode a job rests: it starts no earlier than its session is used again.
 */
import type { Clock } from "../ports.js";
import { oneLine } from "../text.js";
import { index, unindex, type IDIndex } from "./id-index.js";
import type { Job } from "./job.js";
import { standingOf, type Standing } from "./order.js";
import type { JobChange, JobRegistry } from "./registry.js";

interface Waiting {
  start: () => void;
  rests: boolean;
}

export class WaitingJobs {
  readonly #jobs: JobRegistry;
  readonly #clock: Clock;
  readonly #waiting = new Map<string, Waiting>();
  /** By what they wait for. */
  readonly #dependents: IDIndex = new Map();
  /** How what is waited for stood last: one that is forgotten in between counts as it was. */
  readonly #standings = new Map<string, Standing>();
  readonly #stopListening: () => void;

  constructor(jobs: JobRegistry, clock: Clock) {
    this.#jobs = jobs;
    this.#clock = clock;
    this.#stopListening = jobs.onChange((change) => this.#changed(change));
  }

  /** Calls `start` once when it is time, at once if it is; never when the job ends before. */
  add(job: Job, start: () => void, { rests = false } = {}): void {
    this.#waiting.set(job.id, { start, rests });
    for (const id of job.after ?? []) {
      index(this.#dependents, id, job.id);
      if (!this.#standings.has(id)) this.#standings.set(id, standingOf(this.#jobs.get(id)));
    }
    this.#look(job.id);
  }

  has(jobID: string): boolean {
    return this.#waiting.has(jobID);
  }

  /** The session is used again: what rests of it may start. */
  used(sessionID: string): void {
    for (const [id, waiting] of this.#waiting) {
      if (!waiting.rests || this.#jobs.get(id)?.parentSessionID !== sessionID) continue;
      waiting.rests = false;
      this.#look(id);
    }
  }

  /** Starts nothing more. */
  dispose(): void {
    this.#stopListening();
    this.#waiting.clear();
    this.#dependents.clear();
    this.#standings.clear();
  }

  #changed({ type, job }: JobChange): void {
    if ((type === "ended" || type === "removed") && this.#waiting.has(job.id)) this.#forget(job);
    const dependents = this.#dependents.get(job.id);
    if (!dependents || type === "removed") return;
    const standing = standingOf(job);
    if (standing === this.#standings.get(job.id)) return;
    this.#standings.set(job.id, standing);
    for (const id of dependents) this.#look(id);
  }

  #look(jobID: string): void {
    const job = this.#jobs.get(jobID);
    const waiting = this.#waiting.get(jobID);
    if (!job || !waiting) return;
    const { after = [] } = job;
    const failed = after.find((id) => this.#standings.get(id) === "failed");
    if (failed !== undefined) {
      this.#jobs.end(jobID, {
        status: "cancelled",
        reason: "dependency_failed",
        error: causeOf(failed, this.#jobs.get(failed)),
        at: new Date(this.#clock.now()),
      });
    } else if (!waiting.rests && after.every((id) => this.#standings.get(id) === "done")) {
      this.#forget(job);
      waiting.start();
    }
  }

  #forget({ id: jobID, after = [] }: Job): void {
    this.#waiting.delete(jobID);
    for (const id of after) {
      if (unindex(this.#dependents, id, jobID)) this.#standings.delete(id);
    }
  }
}

function causeOf(id: string, job: Job | undefined): string {
  if (!job) return `it was to come after ${id}, whose record is gone`;
  const why = job.endReason === undefined ? "" : ` (${job.endReason})`;
  return `it was to come after ${id} "${oneLine(job.name, 60)}", which is ${job.status}${why}`;
}
