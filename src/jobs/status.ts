/**
 * The life cycle of a job, in one table. A job moves only along it, a terminal status is final and the
 * first end wins; `blockedOn` and `stalledSince` describe a running job and never end it. What runs again begins a new
 * run at `pending` (see the registry's `reopen` and `rerun`).
 */
import { z } from "zod";
import { UserError } from "../ports.js";

export const jobStatus = z.enum(["pending", "running", "completed", "failed", "cancelled"]);
export type JobStatus = z.infer<typeof jobStatus>;

/** Why a terminal job ended. */
export const endReason = z.enum([
  "finished",
  "error",
  "never_started",
  "timeout",
  "tool_limit",
  "stalled",
  "cancelled_by_agent",
  "cancelled_by_user",
  "session_deleted",
  "host_exit",
  /** The host loaded the instance anew (a change of the configuration, for one) and went on. */
  "reloaded",
  "interrupted",
  /** Started again too often by its restart policy. */
  "crash_loop",
  /** What it was to come after has failed or was cancelled. */
  "dependency_failed",
  /** It has spent what an option gives it, or what one gives all subagents of its session tree. */
  "budget",
]);
export type EndReason = z.infer<typeof endReason>;

/** For programs without types: a record with another reason could not be read again. */
export function requireReason(reason: unknown): void {
  if (endReason.safeParse(reason).success) return;
  const got = JSON.stringify(reason) ?? "nothing";
  throw new UserError(`reason: expected one of ${endReason.options.join(", ")}, got ${got}`);
}

const TRANSITIONS: Readonly<Record<JobStatus, readonly JobStatus[]>> = {
  pending: ["running", "failed", "cancelled"],
  running: ["completed", "failed", "cancelled"],
  completed: [],
  failed: [],
  cancelled: [],
};

export type TerminalStatus = "completed" | "failed" | "cancelled";

export function isTerminal(status: JobStatus): status is TerminalStatus {
  return TRANSITIONS[status].length === 0;
}

export function canMove(from: JobStatus, to: JobStatus): boolean {
  return TRANSITIONS[from].includes(to);
}
