/** How jobs are said and ordered on the page. Pure. */
import { LIVE_LOOKS, lookAt, type Look } from "../../looks.js";
import type { JobView } from "../schemas.js";

export function lookOf(job: JobView): Look {
  return lookAt(job, job.fate !== "interrupted" && job.fate !== "orphan");
}

export function isLive(job: JobView): boolean {
  return job.status === "running" || job.status === "pending";
}

/** What waits for its user first, then what runs, then the newest end. */
export function inOrder(jobs: Iterable<JobView>): JobView[] {
  const rank = (job: JobView) =>
    isLive(job) ? LIVE_LOOKS.indexOf(lookOf(job)) : LIVE_LOOKS.length;
  return [...jobs].sort((a, b) => rank(a) - rank(b) || startOf(b) - startOf(a));
}

export function startOf(job: JobView): number {
  return Date.parse(job.startedAt ?? job.createdAt);
}

export function endOf(job: JobView, now: number): number {
  return job.completedAt === undefined ? now : Date.parse(job.completedAt);
}

export function shortTime(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d`;
}

/** How long it runs, or has run. */
export function timeOf(job: JobView, now: number): string {
  return shortTime(endOf(job, now) - startOf(job));
}

/** For a row: how it stands or has ended, and after how long. */
export function stateOf(job: JobView, now: number): string {
  return `${visible(outcome(job))}, ${timeOf(job, now)}`;
}

const REASONS: Readonly<Record<string, string>> = {
  finished: "done",
  error: "error",
  never_started: "never started",
  timeout: "time limit",
  tool_limit: "limit of tool calls",
  stalled: "stalled",
  cancelled_by_agent: "cancelled by the agent",
  cancelled_by_user: "cancelled by you",
  session_deleted: "its session was deleted",
  host_exit: "OpenCode ended",
  interrupted: "OpenCode died",
  crash_loop: "crash loop",
  dependency_failed: "what it waited for failed",
  budget: "budget spent",
};

export function outcome(job: JobView): string {
  if (job.fate === "orphan") return "outlived its OpenCode";
  if (job.fate === "interrupted") return "its OpenCode is gone";
  const { exitCode, signal } = job.process ?? {};
  if (exitCode !== undefined && exitCode !== 0) return `exit ${exitCode}`;
  if (signal !== undefined) return signal;
  if (job.blockedOn && isLive(job)) return `waits: ${job.blockedOn.what}`;
  if (isLive(job)) return lookOf(job) === "pending" ? "queued" : lookOf(job);
  return REASONS[job.endReason ?? ""] ?? job.endReason ?? job.status;
}

export function wordsOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** Control, bidirectional and zero-width characters as they are named, so that nothing hides or turns around. */
export function visible(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return character === "\t" ? "  " : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}

/** The same with its lines. */
export function visibleLines(text: string): string {
  return text.split("\n").map(visible).join("\n");
}

/** A project's folder: its own name, and where it is. A record without its owner knows neither. */
export function folderWords({ directory, projectID }: JobView): { name: string; place: string } {
  const parts = directory.split("/").filter(Boolean);
  const name = parts.pop() ?? (directory || projectID);
  return { name, place: parts.slice(-2).join("/") };
}

/**
 * By session: the task that runs in it where it is a subagent's, otherwise when its first job began. Titles of other
 * sessions are in no record.
 */
export function sessionTitles(jobs: Iterable<JobView>): Map<string, string> {
  const firsts = new Map<string, string>();
  const tasks = new Map<string, string>();
  for (const { sessionID, createdAt, subagent, name } of jobs) {
    const first = firsts.get(sessionID);
    if (first === undefined || createdAt < first) firsts.set(sessionID, createdAt);
    if (subagent?.sessionID !== undefined) tasks.set(subagent.sessionID, name);
  }
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  return new Map(
    [...firsts].map(([id, first]) => {
      const task = tasks.get(id);
      return [id, task ?? `Session of ${format.format(new Date(first))}`];
    }),
  );
}
