/** What `BackgroundProcessManager`'s methods take and give. Records themselves are `ProcessJob`s of jobs/. */
import type { ProcessJob, RestartPolicy } from "../jobs/job.js";
import type { ReadResult } from "../output/types.js";
import type { Allow, WriteInput } from "./input/input.js";
import type { ProcessNote } from "../system/process-table.js";

/** One shell command to run in the background. Wrong values are refused with a `UserError` naming the field. */
export interface CreateInput {
  /** Run by the user's shell with `-c`. */
  command: string;
  /**
   * - `closed` (default): its stdin is empty;
   * - `open`: a pipe that stays open;
   * - `terminal`: a pseudo-terminal of 120×40, which is also its output.
   */
  stdin?: "closed" | "open" | "terminal";
  /** For people; the command's first line by default. */
  name?: string;
  tags?: readonly string[];
  /** Told together with the session's other jobs of the same group, once all have ended. */
  group?: string;
  /**
   * Ids or names of jobs: starts when each has completed, or, a process with readiness, is ready; `create` returns the
   * pending record. Its readiness is announced.
   */
  after?: readonly string[];
  /** true: not bound to a session, runs until killed or the host ends. */
  global?: boolean;
  /** Absolute path of an existing directory. */
  cwd: string;
  /** Added to the host's environment; never written to disk. */
  env?: Readonly<Record<string, string>>;
  /** Tell the session when it ends; true by default. Only recorded here. */
  notify?: boolean;
  /** JavaScript regular expression, at most 512 characters: matching lines are announced. */
  notifyPattern?: string;
  /** JavaScript regular expression: ready when a line of the output matches. */
  readyPattern?: string;
  /**
   * Ready when this TCP port accepts a connection on any address of this machine; with `readyPattern`, both must
   * hold. A port that answered before the start counts only after it has been silent.
   */
  readyPort?: number;
  /** How long `create` waits for readiness; 30 by default. The process is not ended by it. */
  readyTimeoutSeconds?: number;
  /** Ends the process (failed, timeout) after so many seconds; what the policy starts again has no new time. */
  timeoutSeconds?: number;
  /** Starts it again when it has failed, or whenever it has ended by itself; see `life-cycle.ts` for how often. */
  restart?: RestartPolicy;
  parentSessionID: string;
  rootSessionID: string;
  parentMessageID?: string;
}

/** What changes when a process is started again; what is left out stays as it was. */
export type RestartInput = Omit<Partial<CreateInput>, keyof Sessions | "restart"> & {
  /** "no": without a policy from now on. */
  restart?: RestartPolicy | "no";
};

type Sessions = Pick<CreateInput, "parentSessionID" | "rootSessionID" | "parentMessageID">;

/** How the call of `create` itself behaves; nothing of it is recorded. */
export interface CreateOptions {
  /** Aborted before the start: nothing is started. Later it stops waiting for readiness; the process goes on. */
  signal?: AbortSignal;
  /**
   * Waits so long for the end of a command that was not asked to become ready, so that a short one is answered with
   * its end; 0 by default. Such an end is announced no second time.
   */
  endWithinMilliseconds?: number;
}

/**
 * How the wait for readiness ended:
 * - `not_asked`: neither `readyPattern` nor `readyPort` was given;
 * - `ready`: every given condition holds;
 * - `ended`: the process ended first, see the job;
 * - `not_ready_yet`: time is up or the wait was aborted; `announce(job, "ready", …)` follows if it becomes ready.
 */
export type ReadinessResult = "not_asked" | "ready" | "ended" | "not_ready_yet";

/** What `create` gives: the record, and what the call found out meanwhile. */
export interface CreateResult {
  /** The record as it was when `create` returned. A command that cannot start is `failed` here. */
  job: ProcessJob;
  readiness: ReadinessResult;
  /** The last 20 lines of output, when the process has ended or is not ready yet, or can be written to. */
  lastLines?: string;
  /** For `read`: what comes after these lines, or after this answer. */
  cursor?: string;
  /** Live jobs with the same command in the same folder, oldest first. */
  sameCommand: readonly ProcessJob[];
  /** Sentences worth passing on, for example that the port answered before the process was started. */
  warnings: readonly string[];
}

/** What is to be written, and how long its effect is waited for. */
export interface WriteRequest extends WriteInput {
  /** JavaScript regular expression: until a line of the output since matches, also one that is open. */
  waitPattern?: string;
  /** At most; 2 by default. Without a pattern that is the time, but a pause of the output ends the default. */
  waitSeconds?: number;
  /** See `Allow`; by default all is allowed. */
  allow?: Allow;
  signal?: AbortSignal;
  /** See `ReadRequest`. */
  quoted?: boolean;
}

export interface WriteResult {
  job: ProcessJob;
  /** What was printed since. */
  output: ReadResult;
  /** Undefined without a `waitPattern`. */
  matched: boolean | undefined;
}

/** Why a process is ended by us. */
export type KillReason =
  "cancelled_by_agent" | "cancelled_by_user" | "session_deleted" | "host_exit" | "timeout";

/** Why `kill` ends processes, and what becomes of their records. */
export interface KillOptions {
  /** "cancelled_by_user" if left out. */
  reason?: KillReason;
  /** Also forget the record and delete the output. */
  remove?: boolean;
  /** Narrows the filter to what the caller may end; jobs it refuses are left alone and not in the report. */
  only?: (job: ProcessJob) => boolean;
}

/**
 * What became of one job that was to be ended:
 * - `killed`: ended by this call (or by one that was under way) and verified: no process of it is left but what
 *   `mayBeLeft` names;
 * - `already_ended`: had ended before, its record keeps how;
 * - `survivors`: processes are still alive after SIGKILL, see `survivors`; with an `error` there may be others;
 * - `unverified`: its process group was ended, but what else survived could not be looked up, see `error`;
 * - `error`: the kill itself failed, see `error`; the record says what is known.
 */
export interface KilledJob {
  /** As it is now; with `remove`, as it was last. */
  job: ProcessJob;
  outcome: "killed" | "already_ended" | "survivors" | "unverified" | "error";
  survivors: readonly ProcessNote[];
  /** Alive and perhaps of it, with any outcome: they hide where they came from, and were left alone. */
  mayBeLeft: readonly ProcessNote[];
  error?: string;
  /** The record and its output are gone. */
  removed: boolean;
}

/** What `kill` and `cleanupSession` give. */
export interface KillReport {
  /**
   * One entry for each job that was chosen; empty when nothing matched. Ended jobs are in it only when they were
   * asked for by id or status, or when `remove` forgets them.
   */
  jobs: readonly KilledJob[];
}
