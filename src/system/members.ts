/**
 * Which processes belong to a job: those in its control group, where it has one, the members of its process group,
 * those that carry its marker (children that left the group or called `setsid`), the children of all these, and those
 * that were found to belong before. The dead and this very process never belong to it, nor does one that was started
 * before the job, unless it is in the control group. A system that cannot be asked never throws here: `problem` says
 * so.
 */
import { coerceError } from "../ports.js";
import {
  isSameRound,
  isStillRising,
  type PidCounter,
  type ProcessEntry,
  type ProcessNote,
  type ProcessTable,
} from "./process-table.js";
import type { ControlGroup } from "./control-group.js";
import type { Scanner } from "./scan.js";

export interface MembersSystem {
  table: ProcessTable;
  /** Looks through `table`. */
  scanner: Scanner;
  self: { pid: number; parent: number };
}

export interface MembersTarget {
  /** The shell: it leads a process group of the same number. */
  pid: number;
  jobID: string;
  /** `PidCounter.forks` before the shell was started; undefined where that was not counted. */
  forksBefore?: number;
  /** When the shell was started, as /proc says it; only if that was since the last boot. */
  startTime?: string;
  controlGroup?: ControlGroup | undefined;
}

/** An exec is over after so many looks; a process that has no environment then never had one. */
const UNKNOWN_LOOKS = 3;

export class JobMembers {
  readonly #system: MembersSystem;
  readonly #target: MembersTarget;
  readonly #withGroup: boolean;
  /**
   * Members by number, with their start: one that cleared its environment and whose parent has died since could
   * not be found again otherwise.
   */
  readonly #known = new Map<number, string>();
  /** Older than the job. */
  readonly #older = new Set<number>();
  /** Looked at and found not to carry the marker. */
  readonly #others = new Set<number>();
  /** How often a process without any environment was looked at. */
  readonly #unknown = new Map<number, number>();
  /** When the numbers in these sets were taken down; they mean something else after a whole round of numbers. */
  #counter: PidCounter | undefined;
  /** Of the look that goes on: numbers outside of these belong to older processes. */
  #lowest = 2;
  #highest = Infinity;
  #problem: string | undefined;
  #areAllGone = false;
  #mayBelong: ProcessEntry[] = [];
  #adopters: Set<number> | undefined;
  /** Who was in the control group when the look began. */
  #inside: ReadonlySet<number> = new Set();

  /** `withGroup` is false when the number of the group is not ours any more. */
  constructor(system: MembersSystem, target: MembersTarget, withGroup: boolean) {
    this.#system = system;
    this.#target = target;
    this.#withGroup = withGroup;
  }

  /** Why there may be more of them than the last look has found; undefined when it saw every process. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /**
   * The last look found none, and there is none: what it saw was clear, and nothing was started on this machine while
   * it went on. False where the system does not say.
   */
  get areAllGone(): boolean {
    return this.#areAllGone;
  }

  /**
   * Those of the last look by `find` or `notes` that live, were started since the shell was, have lost their parent and
   * hide where they came from: ours or another's. They are not members, and are never signalled. None, when the job was
   * held by a control group: then they are another's.
   */
  mayBelong(): ProcessNote[] {
    const isAlive = ({ pid, startTime }: ProcessEntry) =>
      this.#ask(() => this.#system.table.entry(pid))?.startTime === startTime;
    return this.#note(this.#mayBelong.filter(isAlive));
  }

  /** All who are alive now. */
  async find(): Promise<ProcessEntry[]> {
    const { found } = await this.#look();
    return found.filter((entry) => !entry.dead);
  }

  /** For people: without those that are just ending. */
  async notes(): Promise<ProcessNote[]> {
    return this.#note(await this.find());
  }

  #note(entries: readonly ProcessEntry[]): ProcessNote[] {
    const notes = entries.map((entry) => ({
      pid: entry.pid,
      command: this.#ask(() => this.#system.table.command(entry)) ?? `pid ${entry.pid}`,
    }));
    return notes.filter(({ command }) => command !== "");
  }

  /**
   * Hands each living member to `kill` in the moment it is found, newest first. True when none was found and none
   * can have been overlooked: a process that ended between being listed and being looked at may have been a member
   * with a child that is not in the list, and one in the middle of exec shows no environment.
   *
   * Processes that are known not to belong are not looked at again.
   */
  async strike(kill: (pid: number) => void): Promise<boolean> {
    const { isClean } = await this.#look(kill);
    return isClean && this.#problem === undefined;
  }

  async #look(kill?: (pid: number) => void): Promise<{ found: ProcessEntry[]; isClean: boolean }> {
    const { scanner, table } = this.#system;
    // A list of all is from one moment: there is no hurry, and the newest members are known only at its end.
    const isHurried = table.pids !== undefined;
    let found: ProcessEntry[] = [];
    let rest: ProcessEntry[] = [];
    let isClean = true;
    let before: PidCounter | undefined;
    const take = (entry: ProcessEntry) => {
      found.push(entry);
      if (entry.dead) return;
      isClean = false;
      if (isHurried) kill?.(entry.pid);
    };
    this.#problem = undefined;
    await scanner.scan({
      begin: (counter, newest) => {
        [before, found, rest, isClean] = [counter, [], [], true];
        this.#problem = undefined;
        this.#inside = this.#lookInside();
        return this.#begin(counter, newest);
      },
      wants: (pid) => this.#wants(pid) && !(kill && this.#isOther(pid)),
      see: (pid, entry, jobs) => {
        if (!entry) isClean = false;
        else if (this.#isOlder(entry) && !this.#inside.has(pid)) this.#older.add(pid);
        else if (this.#isRelated(entry) || this.#isMarked(entry, jobs)) take(entry);
        else {
          rest.push(entry);
          if (!entry.dead && !this.#isOther(pid)) isClean = false;
        }
      },
      failed: (thrown) => {
        this.#problem = coerceError(thrown).message;
      },
      end: (counter) => {
        // A child may have been seen before its parent.
        for (let known = -1; known < found.length;) {
          known = found.length;
          const related = new Set(rest.filter((entry) => this.#isRelated(entry)));
          related.forEach(take);
          rest = rest.filter((entry) => !related.has(entry));
        }
        if (this.#target.controlGroup) {
          this.#startedInside(found).forEach(take);
          // One that has no entry, or is about to end, is in it, too.
          if (!this.#ask(() => this.#target.controlGroup?.isEmpty())) isClean = false;
        }
        if (!kill) this.#mayBelong = this.#isHeld() ? [] : rest.filter((each) => this.#hides(each));
        const isQuiet = counter !== undefined && counter.forks === before?.forks;
        this.#areAllGone = isClean && isQuiet && this.#problem === undefined;
        if (!isHurried) for (const { pid, dead } of found.toReversed()) if (!dead) kill?.(pid);
      },
    });
    return { found, isClean };
  }

  /** But never this process, nor the one that has started it. */
  #lookInside(): Set<number> {
    const { self } = this.#system;
    const inside = new Set(this.#ask(() => this.#target.controlGroup?.pids()));
    inside.delete(self.pid);
    inside.delete(self.parent);
    return inside;
  }

  /** Those in the control group that the look has not come to. */
  #startedInside(found: readonly ProcessEntry[]): ProcessEntry[] {
    const seen = new Set(found.map(({ pid }) => pid));
    return Array.from(this.#lookInside()).flatMap((pid) => {
      const entry = seen.has(pid) ? undefined : this.#ask(() => this.#system.table.entry(pid));
      if (!entry || entry.dead) return [];
      this.#add(entry);
      return [entry];
    });
  }

  /** The shell has moved into the control group before it could start anything. */
  #isHeld(): boolean {
    return this.#ask(() => this.#target.controlGroup?.wasEntered()) ?? false;
  }

  /** The lowest number that can be of a member; undefined: any. */
  #begin(counter: PidCounter | undefined, newest = 0): number | undefined {
    if (counter && this.#counter && !isSameRound(this.#counter.forks, counter)) {
      for (const numbers of [this.#older, this.#others, this.#unknown]) numbers.clear();
      this.#counter = counter;
    }
    this.#counter ??= counter;
    const { pid, forksBefore } = this.#target;
    const isRising =
      counter && forksBefore !== undefined && isStillRising({ pid, forksBefore }, counter);
    const isBounded = isRising && newest >= pid;
    const lowest = Math.min(pid, ...this.#inside);
    [this.#lowest, this.#highest] = isBounded ? [lowest, newest] : [2, Infinity];
    return isBounded ? lowest : undefined;
  }

  #wants(pid: number): boolean {
    if (this.#inside.has(pid)) return true;
    if (pid < this.#lowest || pid > this.#highest) return false;
    return pid !== this.#system.self.pid && !this.#older.has(pid);
  }

  #isOther(pid: number): boolean {
    return this.#others.has(pid) && !this.#inside.has(pid);
  }

  #isOlder({ startTime }: ProcessEntry): boolean {
    const { startTime: start } = this.#target;
    return Boolean(start && startTime) && Number(startTime) < Number(start);
  }

  #isRelated(entry: ProcessEntry): boolean {
    const isRelated =
      this.#inside.has(entry.pid) ||
      this.#known.get(entry.pid) === entry.startTime ||
      (this.#withGroup && entry.group === this.#target.pid) ||
      this.#known.has(entry.parent);
    if (isRelated) this.#add(entry);
    return isRelated;
  }

  #isMarked(entry: ProcessEntry, jobs: () => readonly string[] | undefined): boolean {
    const { pid } = entry;
    if (entry.dead || this.#others.has(pid)) return false;
    const read = this.#ask(() => ({ jobs: jobs() }));
    if (!read) return false;
    const looks = (this.#unknown.get(pid) ?? 0) + 1;
    this.#unknown.set(pid, looks);
    const isMarked = read.jobs?.includes(this.#target.jobID) ?? false;
    if (isMarked) this.#add(entry);
    else if (read.jobs || looks > UNKNOWN_LOOKS) this.#others.add(pid);
    return isMarked;
  }

  #hides({ pid, parent, dead }: ProcessEntry): boolean {
    if (dead || this.#target.startTime === undefined) return false;
    this.#adopters ??= this.#ancestors();
    if (!this.#adopters.has(parent)) return false;
    const { table } = this.#system;
    return this.#ask(() => !table.jobsOf(pid)?.length && table.hidesOrigin(pid)) ?? false;
  }

  /** Processes whose parent has ended are given to the first of all, or to one that we descend from. */
  #ancestors(): Set<number> {
    const { table, self } = this.#system;
    const found = new Set([1]);
    const parentOf = (pid: number) => this.#ask(() => table.entry(pid))?.parent ?? 0;
    for (let pid = self.parent; pid > 1 && !found.has(pid); pid = parentOf(pid)) found.add(pid);
    return found;
  }

  #add({ pid, startTime }: ProcessEntry): void {
    this.#known.set(pid, startTime);
    this.#others.delete(pid);
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
