/**
 * Who belongs to a job: the members of its group, whoever carries its marker (children that left the group or
 * called `setsid`), the children of all these, and whoever was found to belong before. The dead and this very
 * process never belong to it. A system that cannot be asked never throws here: `problem` says so.
 */
import { coerceError } from "../ports.js";
import type { ProcessEntry, ProcessTable } from "./process-table.js";
import type { ProcessNote } from "./process-table.js";

export interface MembersSystem {
  table: ProcessTable;
  self: { pid: number };
}

export interface MembersTarget {
  pid: number;
  jobID: string;
}

/** An exec is over after so many looks; who has no environment then never had one. */
const UNKNOWN_LOOKS = 3;

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
  /** How often a process without any environment was looked at. */
  readonly #unknown = new Map<number, number>();
  #problem: string | undefined;

  /** `withGroup` is false when the number of the group is not ours any more. */
  constructor(system: MembersSystem, target: MembersTarget, withGroup: boolean) {
    this.#table = system.table;
    this.#self = system.self.pid;
    this.#target = target;
    this.#withGroup = withGroup;
  }

  /** Why there may be more of them than the last look has found; undefined when it saw everybody. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** All who are alive now. */
  find(): ProcessEntry[] {
    this.#problem = undefined;
    const entries = this.#ask(() => this.#table.list()) ?? [];
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
    const notes = this.find().map((entry) => ({
      pid: entry.pid,
      command: this.#ask(() => this.#table.command(entry)) ?? `pid ${entry.pid}`,
    }));
    return notes.filter(({ command }) => command !== "");
  }

  /**
   * Hands each living member to `kill` in the moment it is found, newest first. True when nobody was found and
   * nobody can have been overlooked: a process that ended between being listed and being looked at may have been
   * a member with a child that is not in the list, and one in the middle of exec shows no environment.
   *
   * A chain that keeps forking is caught only by being faster than its next fork, so processes that are known not
   * to belong are not looked at again.
   */
  strike(kill: (pid: number) => void): boolean {
    const { pids } = this.#table;
    if (pids) return this.#strikeEach(pids, kill);
    const found = this.find();
    for (const { pid } of found.toReversed()) kill(pid);
    return found.length === 0 && this.#problem === undefined;
  }

  #strikeEach(pids: () => number[], kill: (pid: number) => void): boolean {
    let isClean = true;
    this.#problem = undefined;
    for (const pid of (this.#ask(pids) ?? []).toReversed()) {
      if (this.#others.has(pid)) continue;
      const entry = this.#ask(() => this.#table.entry(pid));
      if (entry?.dead) continue;
      if (entry && this.#belongs(entry)) kill(pid);
      if (!this.#others.has(pid)) isClean = false;
    }
    return isClean && this.#problem === undefined;
  }

  #belongs(entry: ProcessEntry): boolean {
    const { pid } = entry;
    if (pid <= 1 || pid === this.#self) {
      this.#others.add(pid);
      return false;
    }
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
    const marked = this.#ask(() => this.#table.marked(pid, this.#target.jobID));
    if (marked === undefined) return false;
    const looks = (this.#unknown.get(pid) ?? 0) + 1;
    this.#unknown.set(pid, looks);
    if (marked === "no" || (marked === "unknown" && looks > UNKNOWN_LOOKS)) this.#others.add(pid);
    return marked === "yes";
  }

  #ask<T>(question: () => T): T | undefined {
    try {
      return question();
    } catch (thrown) {
      this.#problem = coerceError(thrown).message;
      return undefined;
    }
  }
}
