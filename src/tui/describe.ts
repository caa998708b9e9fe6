/**
 * Jobs as the terminal shows them: the record and whether it still has an owner, in what state it is for the eye, the
 * words for it (short enough for a sidebar, the same in the dialog), and in which order jobs stand. Blocked ones first,
 * for they wait for the reader; then the stalled, the running and the queued; the ended last, in a short list only
 * while they are news. Pure.
 */
import { cells, clean, fit } from "../cells.js";
import { END_WORDS, restartWords, runSince } from "../jobs/facts.js";
import { groupCounts, groupsOf, isOpen } from "../jobs/group.js";
import type { BlockedOn, Job, ProcessJob, SubagentJob } from "../jobs/job.js";
import { isTerminal } from "../jobs/status.js";
import { counted } from "../text.js";
import { LIVE_LOOKS, lookAt, SIGNS, type Look, type Tone } from "../looks.js";

/** "9s", "3m05s", "2h10m", "3d4h". */
export function shortTime(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m${String(seconds % 60).padStart(2, "0")}s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours}h${String(minutes % 60).padStart(2, "0")}m`;
  return `${Math.floor(hours / 24)}d${hours % 24}h`;
}

/** How long it has run, or ran; of a queued one how long it has waited. */
export function duration(shown: ShownJob, now: number): string {
  return shortTime((isLive(shown) ? now : endedAt(shown)) - runSince(shown.job));
}

/** The end of a job in a word or two: "exit 1", "timeout", "cancelled by you". */
export function outcome(shown: ShownJob): string {
  const { job } = shown;
  if (lookOf(shown) === "lost") return "its OpenCode is gone";
  if (job.kind === "process" && (job.endReason === "finished" || job.endReason === "error")) {
    if (job.exitCode !== undefined) return job.exitCode === 0 ? "done" : `exit ${job.exitCode}`;
    if (job.signal) return job.signal;
  }
  return END_WORDS[job.endReason ?? "finished"];
}

/** The same where there is little room: who cancelled it is told by the list. */
function shortOutcome(shown: ShownJob): string {
  const look = lookOf(shown);
  return look === "cancelled" || look === "lost" ? look : outcome(shown);
}

/** What it waits for, or undefined. */
export function waitsFor({ job }: ShownJob, now: number): string | undefined {
  if (job.blockedOn) return blockedText(job.blockedOn, now);
  if (job.stalledSince) return `no sign of life for ${shortTime(now - job.stalledSince.getTime())}`;
  return undefined;
}

function blockedText({ kind, what, attempt, nextAt }: BlockedOn, now: number): string {
  if (kind !== "retry") return `${kind}: ${clean(what)}`;
  const next = nextAt && nextAt.getTime() > now ? ` in ${shortTime(nextAt.getTime() - now)}` : "";
  return `retry ${attempt ?? 1}${next}: ${clean(what)}`;
}

/** What is worth knowing of a live one: agent, calls and last tool; pid or port and readiness. */
export function facts({ job }: ShownJob, now: number): string {
  if (job.kind === "subagent") return subagentFacts(job);
  return processFacts(job, now, job.identity && `pid ${job.identity.pid}`);
}

/** How it stands: what it waits for, else what is worth knowing of it; of an ended one its end. */
export function stateOf(shown: ShownJob, now: number): string {
  return isLive(shown) ? (waitsFor(shown, now) ?? facts(shown, now)) : outcome(shown);
}

function subagentFacts(job: SubagentJob): string {
  const { toolCalls, lastTool, runningTool } = job.progress;
  if (job.status === "pending") return `${clean(job.agent)} · queued`;
  const calls = counted(toolCalls, "call");
  const tool = runningTool ? `${clean(runningTool)}…` : lastTool && clean(lastTool);
  return [clean(job.agent), calls, ...(tool ? [tool] : [])].join(" · ");
}

function worktreeOf({ job }: ShownJob): SubagentJob["worktree"] {
  return job.kind === "subagent" ? job.worktree : undefined;
}

/** The branch of its worktree, and that the folder is gone. */
export function branchOf(shown: ShownJob): string | undefined {
  const worktree = worktreeOf(shown);
  if (worktree?.branch === undefined) return undefined;
  const branch = `branch ${clean(worktree.branch)}`;
  return worktree.state === "removed" ? `${branch} (worktree removed)` : branch;
}

/** Without a port `first` stands at the front. */
function processFacts(job: ProcessJob, now: number, first: string | undefined): string {
  const parts = [
    job.readyPort === undefined ? first : `port ${job.readyPort}`,
    (job.readyPattern !== undefined || job.readyPort !== undefined) &&
      (job.readyAt ? "ready" : "not ready yet"),
    restartWords(job, now),
    job.global && "global",
    job.output.missingSince && "output missing",
  ];
  return parts.filter(Boolean).join(" · ") || "starting";
}

/**
 * One job in so many cells: a row with the name, which gives way before anything else does, and one each for `detail`
 * and `branch`, unless they are empty. `said`: what a process that runs has to say.
 */
export function jobLine(shown: ShownJob, width: number, now: number, said?: string) {
  const { sign, tone } = SIGNS[lookOf(shown)];
  const live = isLive(shown);
  const end = live ? duration(shown, now) : `${shortOutcome(shown)} ${duration(shown, now)}`;
  // At least eight cells for the name, two for the sign and a space between name and end.
  const right = fit(end, Math.max(0, width - 11));
  const room = Math.max(1, width - 2 - cells(right) - 1);
  const waiting = live ? waitsFor(shown, now) : undefined;
  const detail = live ? (waiting ?? said ?? silent(shown, now)) : "";
  const detailTone: Tone = waiting === undefined ? "muted" : "warning";
  const worktree = worktreeOf(shown);
  const branch = worktree?.state === "removed" ? "" : clean(worktree?.branch ?? "");
  return {
    sign,
    tone,
    name: fit(clean(shown.job.name) || shown.job.id, room),
    right,
    detail: fit(detail, Math.max(1, width - 2)),
    detailTone,
    branch: fit(branch, Math.max(1, width - 2)),
  };
}

/** Of what has said nothing: the pid of a process tells a person less than that. */
function silent(shown: ShownJob, now: number): string {
  const { job } = shown;
  if (job.kind !== "process" || job.output.bytes > 0) return facts(shown, now);
  return processFacts(job, now, job.identity && "no output yet");
}

/** "1 blocked, 2 running"; what is not there is not named. */
export function summary(jobs: readonly ShownJob[]): string {
  return counts(jobs)
    .map(({ look, count }) => `${count} ${look === "pending" ? "queued" : look}`)
    .join(", ");
}

export interface Count {
  look: Look;
  count: number;
}

/** How many there are of each live look, in the order of their urgency. */
export function counts(jobs: readonly ShownJob[]): Count[] {
  const looks = jobs.filter(isLive).map(lookOf);
  return LIVE_LOOKS.map((look) => ({
    look,
    count: looks.filter((each) => each === look).length,
  })).filter(({ count }) => count > 0);
}

/** "audit 9/12 done, 2 running", of each group that something is still waited for in. */
export function groupLines(jobs: readonly ShownJob[], width: number): string[] {
  const live = groupsOf(jobs.map(({ job }) => job)).filter(({ members }) => members.some(isOpen));
  return live.map(({ name, members }) => fit(`${clean(name)} ${groupCounts(members)}`, width));
}

export interface ShownJob {
  job: Job;
  /** The folder of the instance that the record was found in; a process's output is below it. */
  folder: string;
  /** The directory whose instance it belongs to. */
  directory: string;
  /** False when its OpenCode is gone: what the record says of a running job is no longer true. */
  ownerAlive: boolean;
  /** Of its OpenCode, if that was seen running on this machine; it may have ended since. */
  ownerPID?: number | undefined;
  /** When its OpenCode wrote last, if that is gone. */
  lastSign?: Date | undefined;
}

export function lookOf({ job, ownerAlive }: ShownJob): Look {
  return lookAt(job, ownerAlive);
}

export function isLive(shown: ShownJob): boolean {
  return shown.ownerAlive && !isTerminal(shown.job.status);
}

/** When it ended; a lost one with the last sign of life of its OpenCode. */
export function endedAt({ job, lastSign }: ShownJob): number {
  return (job.completedAt ?? lastSign ?? job.startedAt ?? job.createdAt).getTime();
}

/**
 * The jobs of one session tree, or of a whole directory. Session ids are unique, so a session's jobs are recognised
 * wherever they lie; a global process is shown in its own directory only.
 */
export function jobsFor(
  jobs: readonly ShownJob[],
  directory: string,
  rootSessionID: string | undefined,
): ShownJob[] {
  return jobs.filter((shown) => {
    const { job } = shown;
    const isHere = shown.directory === directory;
    if (rootSessionID === undefined) return isHere;
    if (job.rootSessionID === rootSessionID) return true;
    return isHere && job.kind === "process" && job.global;
  });
}

/** `running` are the stalled and the queued ones, too; of the ended ones the newest end is first. */
export function arrange(jobs: readonly ShownJob[]) {
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

interface ShortListLimits {
  now: number;
  live: number;
  ended: number;
  /** For how long an ended job is news. */
  fadeMilliseconds: number;
}

/** `moreLive`, `moreEnded`: there was no room for them; of the ended ones only those count that are still news. */
export function shorten(jobs: readonly ShownJob[], limits: ShortListLimits) {
  const { blocked, running, ended } = arrange(jobs);
  const live = [...blocked, ...running];
  const fresh = ended.filter((shown) => limits.now - endedAt(shown) < limits.fadeMilliseconds);
  const oldest = fresh.at(-1);
  return {
    live: live.slice(0, limits.live),
    moreLive: Math.max(0, live.length - limits.live),
    ended: fresh.slice(0, limits.ended),
    moreEnded: Math.max(0, fresh.length - limits.ended),
    /** In how many milliseconds the first of the ended ones is no news any more. */
    firstFade: oldest ? endedAt(oldest) + limits.fadeMilliseconds - limits.now : Infinity,
  };
}

/**
 * In how many milliseconds the list looks different although nothing happened: the next second of a live job, or
 * the end of the news about an ended one. Undefined: never, so no timer is needed.
 */
export function nextChange({ live, firstFade }: ReturnType<typeof shorten>): number | undefined {
  if (live.length > 0) return 1000;
  return firstFade === Infinity ? undefined : Math.max(1, firstFade);
}
