/**
 * Looks at the processes of this machine for all who ask. Searches that are asked for in the same turn of the event
 * loop, or while a look is under way, share the next one: each process is read once for all of them. A look holds
 * the event loop for a few milliseconds at a time, however many processes there are.
 *
 * Numbers are looked at from the newest to the oldest, and a search sees each process the moment it was read: a
 * program that keeps forking is caught only by being faster than its next fork.
 *
 * Where all searches of a look want the same few newest numbers, those are tried one by one, which costs less than a
 * list of all processes. That counts only if nothing was started on the machine meanwhile: otherwise a process could
 * have ended, its child having a number that was not tried.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { PidCounter, ProcessEntry, ProcessTable } from "./process-table.js";

/** What is looked for, and what it is told while a look goes on. None of these may throw. */
export interface Search {
  /**
   * A look begins; what an earlier one of the same scan has shown is void. `counter` was read before the numbers were
   * listed, `newest` is the newest number of the list; both undefined where the system has no counter. The answer is
   * the lowest number that is wanted, the highest being `newest`; undefined where any number may be.
   */
  begin(counter: PidCounter | undefined, newest: number | undefined): number | undefined;
  /** False for a number that need not be read for this search. */
  wants(pid: number): boolean;
  /**
   * A process that is wanted. Undefined: it ended before it could be read. `jobs` reads the ids in its environment,
   * as `ProcessTable.jobsOf`, once for all searches; it may throw.
   */
  see(
    pid: number,
    entry: ProcessEntry | undefined,
    jobs: () => readonly string[] | undefined,
  ): void;
  /** The system could not be asked; the look goes on if it can. */
  failed(thrown: unknown): void;
  /** The look is over. `counter` was read after it: when it is that of `begin`, nothing was started meanwhile. */
  end(counter: PidCounter | undefined): void;
}

/** So long a look works without giving way. */
const SLICE_MILLISECONDS = 4;
/** So many processes are read between two looks at the time. */
const READS = 16;
/** So many numbers are tried at most, and so many times, before all processes are listed. */
const MOST_TRIED = 32;
const TRIES = 2;

export class Scanner {
  readonly #table: ProcessTable;
  readonly #waiting: { search: Search; done: () => void }[] = [];
  #isRunning = false;

  constructor(table: ProcessTable) {
    this.#table = table;
  }

  /** Resolves when this search has seen a look that began after this call. Never rejects. */
  scan(search: Search): Promise<void> {
    return new Promise((done) => {
      this.#waiting.push({ search, done });
      if (!this.#isRunning) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#waiting.length > 0) {
      await nextTurn();
      const batch = this.#waiting.splice(0);
      const counter = await this.#look(batch.map(({ search }) => search));
      for (const { search, done } of batch) {
        search.end(counter);
        done();
        // What a search was for goes on now: one after the other, not all in the same turn.
        if (batch.length > 1) await nextTurn();
      }
    }
    this.#isRunning = false;
  }

  async #look(searches: readonly Search[]): Promise<PidCounter | undefined> {
    try {
      const { pids } = this.#table;
      if (pids) await this.#lookAtEach(pids, searches);
      else this.#show(await this.#table.list(), searches);
      return this.#table.counter();
    } catch (thrown) {
      for (const search of searches) search.failed(thrown);
      return undefined;
    }
  }

  #show(entries: readonly ProcessEntry[], searches: readonly Search[]): void {
    for (const search of searches) search.begin(undefined, undefined);
    for (const entry of entries) {
      const { pid } = entry;
      const jobs = () => this.#table.jobsOf(pid);
      for (const search of searches) if (search.wants(pid)) search.see(pid, entry, jobs);
    }
  }

  async #lookAtEach(list: () => number[], searches: readonly Search[]): Promise<void> {
    if (this.#tryNewest(searches)) return;
    const counter = this.#table.counter();
    const pids = list();
    // Numbers above the newest are of processes that were started meanwhile, or before numbers began again.
    const isBelow = counter && (pids.at(-1) ?? 0) <= counter.last;
    const newest = isBelow ? counter.last : counter && this.#table.counter()?.last;
    for (const search of searches) search.begin(counter, newest);
    let reads = 0;
    let since = performance.now();
    for (const pid of newestFirst(pids, newest)) {
      if (!this.#lookAt(pid, searches)) continue;
      if (++reads % READS > 0 || performance.now() - since < SLICE_MILLISECONDS) continue;
      // Lets the host work and children be reaped.
      await nextTurn();
      since = performance.now();
    }
  }

  /** False when too many numbers are wanted, or when something was started each time. */
  #tryNewest(searches: readonly Search[]): boolean {
    let counter = this.#table.counter();
    for (let tries = 0; counter && tries < TRIES; tries++) {
      const { forks, last } = counter;
      const wanted = searches.map((search) => search.begin(counter, last) ?? -Infinity);
      const lowest = Math.min(...wanted);
      if (last - lowest >= MOST_TRIED) return false;
      for (let pid = last; pid >= lowest; pid--) this.#lookAt(pid, searches, true);
      counter = this.#table.counter();
      if (counter?.forks === forks) return true;
    }
    return false;
  }

  /** False when it is wanted by none, and so was not read. `isTried`: the number may be that of no process. */
  #lookAt(pid: number, all: readonly Search[], isTried = false): boolean {
    if (!all.some((search) => search.wants(pid))) return false;
    const searches = all.filter((search) => search.wants(pid));
    try {
      const entry = this.#table.entry(pid);
      if (!entry && isTried) return true;
      const jobs = once(() => this.#table.jobsOf(pid));
      for (const search of searches) search.see(pid, entry, jobs);
    } catch (thrown) {
      for (const search of searches) search.failed(thrown);
    }
    return true;
  }
}

/** Numbers are listed from the lowest on; they are given out in order, and again from the lowest when used up. */
function newestFirst(pids: readonly number[], newest = Infinity): number[] {
  const at = pids.findLastIndex((pid) => pid <= newest) + 1;
  return [...pids.slice(0, at).toReversed(), ...pids.slice(at).toReversed()];
}

function once<T>(read: () => T): () => T {
  let answer: { value: T } | undefined;
  return () => (answer ??= { value: read() }).value;
}
