/**
 * Jobs that belong together: those of one session with the same group name. Their ends are told together once none of
 * them is open any more. Pure, but for the index, which follows the registry and is asked in constant time.
 */
import { index, unindex, type IDIndex } from "./id-index.js";
import type { Job, ProcessJob } from "./job.js";
import { isTerminal } from "./status.js";

/** A server is not waited for: it has no end of its own. */
export function isServer(job: Job): boolean {
  return job.kind === "process" && (job.global || asksReady(job));
}

function asksReady(job: ProcessJob): boolean {
  return job.readyPattern !== undefined || job.readyPort !== undefined;
}

/** Whether its group still waits for it: it has not ended, nor, a server, become ready. */
export function isOpen(job: Job): boolean {
  if (isTerminal(job.status)) return false;
  if (job.kind === "subagent") return true;
  return asksReady(job) ? job.readyAt === undefined : !job.global;
}

/** Which jobs of each group are open. */
export class GroupIndex {
  readonly #open: IDIndex = new Map();

  /** Takes a job as it is now into account. True when its group was open and is no more. */
  note(job: Job, isRemoved = false): boolean {
    const key = groupKey(job);
    if (key === undefined) return false;
    if (isRemoved || !isOpen(job)) return unindex(this.#open, key, job.id);
    index(this.#open, key, job.id);
    return false;
  }

  /** Whether some job of this group is open. */
  isOpen(sessionID: string, group: string): boolean {
    return this.#open.has(groupKey({ parentSessionID: sessionID, group }) ?? "");
  }
}

/** By which groups are told apart: two sessions may use the same name. */
export function groupKey({ parentSessionID, group }: Pick<Job, "parentSessionID" | "group">) {
  return group === undefined ? undefined : `${parentSessionID} ${group}`;
}

/** The jobs of a group that count as its present ones: what was added after all before was told is a new round. */
export function latestRound<T extends Job>(members: readonly T[]): T[] {
  const latest = Math.max(...members.map(({ groupRound = 0 }) => groupRound));
  return members.filter(({ groupRound = 0 }) => groupRound === latest);
}

/** The round of a new job among the others of its group; `isOwed`: the end of this one is still to be told. */
export function roundAmong(others: readonly Job[], isOwed: (job: Job) => boolean): number {
  const latest = latestRound(others);
  const [{ groupRound = 0 } = {}] = latest;
  return latest.length === 0 || latest.some((job) => isOpen(job) || isOwed(job))
    ? groupRound
    : groupRound + 1;
}

/** "9/12 done, 2 running, 1 failed"; what is not there is not named. */
export function groupCounts(members: readonly Job[]): string {
  const count = (word: string, isCounted: (job: Job) => boolean): string[] => {
    const { length } = members.filter(isCounted);
    return length > 0 ? [`${length} ${word}`] : [];
  };
  const done = members.filter((job) => !isOpen(job));
  return [
    `${done.length}/${members.length} done`,
    ...count("running", (job) => isOpen(job) && job.status === "running"),
    ...count("waiting", ({ status }) => status === "pending"),
    ...count("failed", ({ status }) => status === "failed"),
    ...count("cancelled", ({ status }) => status === "cancelled"),
    ...count("blocked", ({ blockedOn }) => blockedOn !== undefined),
    ...count("stalled", ({ stalledSince }) => stalledSince !== undefined),
  ].join(", ");
}

/** Of each group among these jobs, by session and name, those of its latest round. */
export function groupsOf(jobs: readonly Job[]): { name: string; members: Job[] }[] {
  const byKey = new Map<string, { name: string; members: Job[] }>();
  for (const job of jobs) {
    const [key, name] = [groupKey(job), job.group];
    if (key === undefined || name === undefined) continue;
    const known = byKey.get(key);
    if (known) known.members.push(job);
    else byKey.set(key, { name, members: [job] });
  }
  return Array.from(byKey.values(), ({ name, members }) => ({
    name,
    members: latestRound(members),
  }));
}
