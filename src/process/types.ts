/**
 * What the process room takes and gives: the shapes of `BackgroundProcessManager`'s methods. Records themselves
 * are `ProcessJob`s of jobs/.
 */
import type { ProcessJob } from "../jobs/job.js";

/** One shell command to run in the background. Wrong values are refused with a `UserError` naming the field. */
export interface CreateInput {
  /** Run by the user's shell with `-c`; its stdin is closed. */
  command: string;
  /** For people; the command's first line by default. */
  name?: string;
  tags?: readonly string[];
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
  /** Ready when this TCP port accepts a connection on 127.0.0.1 or ::1; with `readyPattern`, both must hold. */
  readyPort?: number;
  /** How long `create` waits for readiness; 30 by default. The process is not ended by it. */
  readyTimeoutSeconds?: number;
  /** Ends the process (failed, timeout) after so many seconds. */
  timeoutSeconds?: number;
  parentSessionID: string;
  rootSessionID: string;
  parentMessageID?: string;
}

export interface CreateOptions {
  /** Aborted before the start: nothing is started. Later it stops waiting for readiness; the process goes on. */
  signal?: AbortSignal;
}

/**
 * - `not_asked`: neither `readyPattern` nor `readyPort` was given;
 * - `ready`: every given condition holds;
 * - `ended`: the process ended first, see the job;
 * - `not_ready_yet`: time is up or the wait was aborted; `announce(job, "ready", …)` follows if it becomes ready.
 */
export type ReadinessResult = "not_asked" | "ready" | "ended" | "not_ready_yet";

export interface CreateResult {
  /** The record as it was when `create` returned. A command that cannot start is `failed` here. */
  job: ProcessJob;
  readiness: ReadinessResult;
  /** The last 20 lines of output, when the process ended before it was ready or could not start. */
  lastLines?: string;
  /** Live jobs with the same command in the same folder, oldest first. */
  sameCommand: readonly ProcessJob[];
  /** Sentences worth passing on, for example that the port answered before the process was started. */
  warnings: readonly string[];
}

/** Why a process is ended by us. */
export type KillReason =
  "cancelled_by_agent" | "cancelled_by_user" | "session_deleted" | "host_exit" | "timeout";

export interface KillOptions {
  reason: KillReason;
  /** Also forget the record and delete the output. */
  remove?: boolean;
  /** Narrows the filter to what the caller may end; jobs it refuses are left alone and not in the report. */
  only?: (job: ProcessJob) => boolean;
}

/** A process by its number and command line (at most 200 characters). */
export interface ProcessNote {
  pid: number;
  command: string;
}

/**
 * - `killed`: ended by this call (or by one that was under way) and verified: nobody is left;
 * - `already_ended`: had ended before, its record keeps how;
 * - `survivors`: somebody is still alive after SIGKILL, see `survivors`; with an `error` there may be others;
 * - `unverified`: its process group was ended, but who else survived could not be looked up, see `error`;
 * - `error`: the kill itself failed, see `error`; the record says what is known.
 */
export interface KilledJob {
  /** As it is now; with `remove`, as it was last. */
  job: ProcessJob;
  outcome: "killed" | "already_ended" | "survivors" | "unverified" | "error";
  survivors: readonly ProcessNote[];
  error?: string;
  /** The record and its output are gone. */
  removed: boolean;
}

export interface KillReport {
  /**
   * One entry for each job that was chosen; empty when nothing matched. Ended jobs are in it only when they were
   * asked for by id or status, or when `remove` forgets them.
   */
  jobs: readonly KilledJob[];
}

export type OutputStream = "stdout" | "stderr";

/** What of the output is wanted. Text is UTF-8 without ANSI sequences, progress bars collapsed. */
export interface ReadRequest {
  /**
   * - `tail` (default): the last lines;
   * - `head`: the first lines;
   * - `grep`: lines that match `pattern`, each with its byte offset in front;
   * - `full`: everything from `cursor` (or the start) on, page by page.
   */
  mode?: "tail" | "head" | "grep" | "full";
  /** Lines at most (tail, head, grep); 100 by default. */
  lines?: number;
  /** For grep, which it means without `mode`: JavaScript regular expression, at most 512 characters. */
  pattern?: string;
  /** From an earlier answer (or an offset of a grep): only what came after it. Without `mode` and `pattern` the same as `full`. */
  cursor?: string;
  /** Only this stream. */
  stream?: OutputStream;
  /** Bytes of `text` at most; 7,600 by default, so that 8 KB hold it and a heading. */
  maxBytes?: number;
}

export interface ReadLine {
  /** Absent for a line of ours about what is left out. */
  stream?: OutputStream;
  text: string;
}

export interface ReadResult {
  /** Ready to show: the lines, what was left out between them, and at its end how to get the rest. */
  text: string;
  /** The same lines without the last hint, each with its stream. */
  lines: readonly ReadLine[];
  /** Where in the output this answer begins: so many bytes come before it. */
  start: number;
  /** Give it back as `cursor` to get what follows this answer. */
  cursor: string;
  /** Output after this answer that exists already. */
  more: boolean;
  /** Bytes after the cursor asked for that are lost, because the file kept only newer ones. */
  lost: number;
  /** Bytes that the process wrote in all so far, and those of them that no read returns any more. */
  bytes: number;
  dropped: number;
  /** For grep: matching lines in all, also those not shown. */
  matches?: number;
}

export interface StreamOptions {
  /** Ends the iteration. */
  signal?: AbortSignal;
  /** Start after this place; from the start of the output by default. */
  cursor?: string;
}

/** A piece of live output, as the process wrote it (ANSI sequences included), whole characters only. */
export interface StreamPiece {
  stream: OutputStream;
  text: string;
  /** Bytes before this piece that are lost because the reader was slower than the process; 0 as a rule. */
  lost: number;
}
