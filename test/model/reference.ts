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
  /** What it waits for. */
  readonly after: readonly string[];
  /** An earlier host left it waiting: it starts when its session is used again. */
  rests: boolean;
  outcome: Outcome;
  /** Its parent is to be told of the end, once. */
  owed: boolean;
  /** The end is on disk for certain. */
  saved: boolean;
}

export class Reference {
  readonly jobs = new Map<string, Expected>();
  readonly #deleted = new Set<string>();

  start({
    id,
    kind,
    parent,
    group,
    after = [],
  }: Pick<Expected, "id" | "kind" | "parent"> & {
    group?: string | undefined;
    after?: string[];
  }): void {
    const open = { outcome: undefined, owed: false, saved: false, rests: false };
    this.jobs.set(id, { id, kind, parent, group, after, ...open });
  }

  /** Those that have a place, or wait for one: all before them has completed. */
  started(): Expected[] {
    return this.live("subagent").filter(
      ({ after, rests }) =>
        !rests && after.every((id) => this.jobs.get(id)?.outcome === "completed · finished"),
    );
  }

  /** The session of this parent is used. */
  used(parent: string): void {
    for (const job of this.jobs.values()) if (job.parent === parent) job.rests = false;
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
    if (outcome.startsWith("completed")) return;
    if (this.#deleted.has(job.parent)) return;
    for (const next of this.live()) if (next.after.includes(id)) this.end(next.id, NO_MORE);
  }

  live(kind?: Expected["kind"]): Expected[] {
    return [...this.jobs.values()].filter(
      (job) => job.outcome === undefined && (kind === undefined || job.kind === kind),
    );
  }

  /** With its session everything ends that it started; no session is left to be told. */
  deleted(parent: string, found: (id: string) => Outcome): void {
    this.#deleted.add(parent);
    for (const job of this.jobs.values()) {
      if (job.parent !== parent) continue;
      // Its own end and that of what it waits for come at once: either may be first.
      const isCut = job.outcome === undefined && found(job.id) === NO_MORE;
      if (isCut && job.after.length > 0) job.outcome = NO_MORE;
      this.end(job.id, "cancelled · session_deleted");
      job.owed = false;
    }
  }

  /** An orderly end of the host: what runs is ended; of subagents the parent hears from the next one. */
  closed(found: (id: string) => Outcome): void {
    for (const job of this.live()) {
      if (this.#isLeft(job, found)) continue;
      this.end(job.id, "cancelled · host_exit", job.kind === "subagent");
    }
    this.saveAll();
  }

  /** The host died. Ends that may not have been on disk may be found to be interruptions. */
  crashed(found: (id: string) => Outcome): void {
    for (const job of this.jobs.values()) {
      const wasLost = !job.saved && this.#isOpenOnDisk(job, found(job.id));
      if (wasLost) job.outcome = undefined;
      if (job.outcome === undefined && !this.#isLeft(job, found)) this.end(job.id, INTERRUPTED);
    }
    this.saveAll();
  }

  /** What is found of it can only have come of a record without an end. */
  #isOpenOnDisk({ after }: Expected, outcome: Outcome): boolean {
    if (outcome === INTERRUPTED) return true;
    return after.length > 0 && (outcome === undefined || outcome === NO_MORE);
  }

  /** It had not begun and waits on, for all before it has completed. */
  #isLeft(job: Expected, found: (id: string) => Outcome): boolean {
    if (job.after.length === 0) return false;
    const outcome = found(job.id);
    if (outcome === undefined) job.rests = true;
    else if (outcome === NO_MORE) this.end(job.id, NO_MORE);
    return outcome === undefined || outcome === NO_MORE;
  }

  saveAll(): void {
    for (const job of this.jobs.values()) job.saved = job.outcome !== undefined;
  }
}

const NO_MORE = "cancelled · dependency_failed";
const INTERRUPTED = "failed · interrupted";
