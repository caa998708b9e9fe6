// Owns: the reference model: what each job should be by now, in a map, knowing nothing of how it is done.
// Promises: an ended job ends no second time here, whatever is asked.

/** "completed · finished" and the like; undefined while the job is live. */
export type Outcome = string | undefined;

export interface Expected {
  readonly id: string;
  readonly kind: "subagent" | "process";
  readonly parent: string;
  /** Of its parent: no end is told before all have ended. */
  readonly group: string | undefined;
  outcome: Outcome;
  /** Its parent is to be told of the end, once. */
  owed: boolean;
  /** The end is on disk for certain. */
  saved: boolean;
}

export class Reference {
  readonly jobs = new Map<string, Expected>();
  readonly #deleted = new Set<string>();

  start(id: string, kind: Expected["kind"], parent: string, group?: string): void {
    this.jobs.set(id, { id, kind, parent, group, outcome: undefined, owed: false, saved: false });
  }

  /** Jobs that have ended in a group in which another one has not. */
  withheld(): Expected[] {
    const open = new Set(this.live().map(({ parent, group }) => `${parent} ${group}`));
    return [...this.jobs.values()].filter(
      ({ outcome, parent, group }) =>
        outcome !== undefined && group !== undefined && open.has(`${parent} ${group}`),
    );
  }

  end(id: string, outcome: string, owed = true): void {
    const job = this.jobs.get(id);
    if (!job || job.outcome !== undefined) return;
    Object.assign(job, { outcome, owed: owed && !this.#deleted.has(job.parent) });
  }

  live(kind?: Expected["kind"]): Expected[] {
    return [...this.jobs.values()].filter(
      (job) => job.outcome === undefined && (kind === undefined || job.kind === kind),
    );
  }

  /** With its session everything ends that it started; nobody is left to be told. */
  deleted(parent: string): void {
    this.#deleted.add(parent);
    for (const job of this.jobs.values()) {
      if (job.parent !== parent) continue;
      this.end(job.id, "cancelled · session_deleted");
      job.owed = false;
    }
  }

  /** An orderly end of the host: what runs is ended; of subagents the parent hears from the next one. */
  closed(): void {
    for (const { id, kind } of this.live()) {
      this.end(id, "cancelled · host_exit", kind === "subagent");
    }
    this.saveAll();
  }

  /** The host died. Ends that may not have been on disk may be found to be interruptions. */
  crashed(found: (id: string) => Outcome): void {
    for (const job of this.jobs.values()) {
      if (job.outcome === undefined) this.end(job.id, INTERRUPTED);
      else if (!job.saved && found(job.id) === INTERRUPTED) {
        job.outcome = undefined;
        this.end(job.id, INTERRUPTED);
      }
    }
    this.saveAll();
  }

  saveAll(): void {
    for (const job of this.jobs.values()) job.saved = job.outcome !== undefined;
  }
}

const INTERRUPTED = "failed · interrupted";
