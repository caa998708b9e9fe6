/**
 * Who belongs to a job: the members of its group, whoever carries its marker (children that left the group or
 * called `setsid`), the children of all these, and whoever was found to belong before. The dead and this very
 * process never belong to it.
 */
import type { ProcessEntry, ProcessTable } from "./process-table.js";
import type { ProcessNote } from "./types.js";

export interface MembersSystem {
  table: ProcessTable;
  self: { pid: number };
}

export interface MembersTarget {
  pid: number;
  jobID: string;
}

export class JobMembers {
  readonly #table: ProcessTable;
  readonly #self: number;
  readonly #target: MembersTarget;
  readonly #withGroup: boolean;
  /**
   * Members by number, with their start: one that cleared its environment and whose parent has died since could
   * not be found again otherwise.
   */
  readonly #known = new Map<number, string>();
  /** Processes that were looked at and do not belong: within the seconds of one kill no number comes back. */
  readonly #others = new Set<number>();

  /** `withGroup` is false when the number of the group is not ours any more. */
  constructor(system: MembersSystem, target: MembersTarget, withGroup: boolean) {
    this.#table = system.table;
    this.#self = system.self.pid;
    this.#target = target;
    this.#withGroup = withGroup;
  }

  /** All who are alive now. */
  find(): ProcessEntry[] {
    const entries = this.#table.list();
    const found = new Set<ProcessEntry>();
    // A child may come before its parent in the list.
    for (let before = -1; before < found.size;) {
      before = found.size;
      for (const entry of entries) if (this.#belongs(entry)) found.add(entry);
    }
    return [...found].filter((entry) => !entry.dead);
  }

  /** For people: without those that are just ending. */
  notes(): ProcessNote[] {
    const notes = this.find().map(({ pid }) => ({ pid, command: this.#table.command(pid) }));
    return notes.filter(({ command }) => command !== "");
  }

  /**
   * Hands each living member to `kill` in the moment it is found, newest first, and says how many there were.
   * A chain that keeps forking is caught only by being faster than its next fork: processes that are known not
   * to belong are not looked at again.
   */
  strike(kill: (pid: number) => void): number {
    let count = 0;
    for (const pid of this.#table.pids().toReversed()) {
      if (this.#others.has(pid)) continue;
      const entry = this.#table.entry(pid);
      if (!entry || entry.dead || !this.#belongs(entry)) continue;
      kill(pid);
      count += 1;
    }
    return count;
  }

  #belongs(entry: ProcessEntry): boolean {
    const { pid } = entry;
    if (pid <= 1 || pid === this.#self) return false;
    if (this.#known.get(pid) === entry.startTime) return true;
    const belongs =
      (this.#withGroup && entry.group === this.#target.pid) ||
      this.#known.has(entry.parent) ||
      this.#isMarked(entry);
    if (belongs) {
      this.#known.set(pid, entry.startTime);
      this.#others.delete(pid);
    }
    return belongs;
  }

  #isMarked({ pid, dead }: ProcessEntry): boolean {
    if (dead || this.#others.has(pid)) return false;
    const marked = this.#table.marked(pid, this.#target.jobID);
    if (marked === "no") this.#others.add(pid);
    return marked === "yes";
  }
}
