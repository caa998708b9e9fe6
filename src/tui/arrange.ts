/**
 * In which order jobs stand and which of them a short list has room for. Blocked ones first, for they wait for
 * the reader; then the stalled, the running and the queued; the ended last, and only while they are news. Pure.
 */
import { endedAt, isLive, LIVE_LOOKS, lookOf, type ShownJob } from "./describe.js";

export interface Arranged {
  /** Waiting for an answer or for input. */
  blocked: ShownJob[];
  /** Stalled, running, queued. */
  running: ShownJob[];
  /** Newest end first. */
  ended: ShownJob[];
}

export function arrange(jobs: readonly ShownJob[]): Arranged {
  const live = jobs.filter(isLive).toSorted(byUrgency);
  return {
    blocked: live.filter((shown) => lookOf(shown) === "blocked"),
    running: live.filter((shown) => lookOf(shown) !== "blocked"),
    ended: jobs.filter((shown) => !isLive(shown)).toSorted((a, b) => endedAt(b) - endedAt(a)),
  };
}

/** The longest blocked first; of the others the newest, as they are what the reader has in mind. */
function byUrgency(a: ShownJob, b: ShownJob): number {
  const [lookA, lookB] = [lookOf(a), lookOf(b)];
  if (lookA !== lookB) return LIVE_LOOKS.indexOf(lookA) - LIVE_LOOKS.indexOf(lookB);
  if (lookA === "blocked") return since(a) - since(b);
  return b.job.createdAt.getTime() - a.job.createdAt.getTime();
}

function since({ job }: ShownJob): number {
  return (job.blockedOn?.since ?? job.createdAt).getTime();
}

export interface ShortList {
  live: ShownJob[];
  /** Live ones that there was no room for. */
  moreLive: number;
  ended: ShownJob[];
  /** Ended ones that are still news and that there was no room for. */
  moreEnded: number;
  /** In how many milliseconds the first of these and of `ended` is no news any more. */
  firstFade: number;
}

export interface ShortListLimits {
  now: number;
  live: number;
  ended: number;
  /** For how long an ended job is news. */
  fadeMilliseconds: number;
}

export function shorten(jobs: readonly ShownJob[], limits: ShortListLimits): ShortList {
  const { blocked, running, ended } = arrange(jobs);
  const live = [...blocked, ...running];
  const fresh = ended.filter((shown) => limits.now - endedAt(shown) < limits.fadeMilliseconds);
  const oldest = fresh.at(-1);
  return {
    live: live.slice(0, limits.live),
    moreLive: Math.max(0, live.length - limits.live),
    ended: fresh.slice(0, limits.ended),
    moreEnded: Math.max(0, fresh.length - limits.ended),
    firstFade: oldest ? endedAt(oldest) + limits.fadeMilliseconds - limits.now : Infinity,
  };
}

/**
 * In how many milliseconds the list looks different although nothing happened: the next second of a live job, or
 * the end of the news about an ended one. Undefined: never, so no timer is needed.
 */
export function nextChange({ live, ended, moreEnded, firstFade }: ShortList): number | undefined {
  if (live.length > 0) return 1000;
  return ended.length + moreEnded > 0 ? Math.max(1, firstFade) : undefined;
}
