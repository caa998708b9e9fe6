/**
 * Who of a job gets SIGTERM, and when: each process once. The shell and what it started itself get it at once; any
 * other process when its parent has ended, or after half the grace. Wrappers that hand a signal on (npm, nodemon,
 * `node --watch`, timeout) would otherwise double it, which many programs take for "end now, unsaved".
 *
 * A shell that has become the command (`exec`, and the last command of `bash -c`) is that command: what it started is
 * its own affair until it has ended.
 */
import { isShell } from "./spawn.js";
import type { ProcessEntry } from "./process-table.js";

export class Sigterm {
  /** By number, with their start. */
  readonly #told = new Map<number, string>();
  readonly #onTold: (pids: readonly number[]) => void;
  #group: number | undefined;

  /** `onTold` hears who is about to get it. */
  constructor(onTold: (pids: readonly number[]) => void = () => undefined) {
    this.#onTold = onTold;
  }

  /** A group got it as a whole, because its members could not be seen. False when it had got it before. */
  takeGroup(group: number): boolean {
    if (this.#group === group || this.#told.size > 0) return false;
    this.#group = group;
    return true;
  }

  /** Those who get it now. `members` are all that are alive, `shell` is the number of the one that leads them. */
  take(members: readonly ProcessEntry[], shell: number, isLate: boolean): number[] {
    const alive = new Map(members.map((entry) => [entry.pid, entry]));
    const leader = alive.get(shell);
    const startsOthers = leader !== undefined && isShell(leader.name);
    const due = members.filter((entry) => {
      const { pid, parent, startTime, group } = entry;
      if (group === this.#group || this.#told.get(pid) === startTime) return false;
      return isLate || pid === shell || !alive.has(parent) || (startsOthers && parent === shell);
    });
    for (const { pid, startTime } of due) this.#told.set(pid, startTime);
    const pids = due.map(({ pid }) => pid);
    if (pids.length > 0) this.#onTold(pids);
    return pids;
  }
}
