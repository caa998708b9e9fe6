/**
 * What can be asked of a process's captured output, and the answers: lines, a hint how to get the rest, and what is
 * known of the whole.
 */

export type OutputStream = "stdout" | "stderr";

/** What of the output is wanted. Text is UTF-8 without ANSI sequences and invisible characters, progress collapsed. */
export interface ReadRequest {
  /**
   * - `tail` (default): the last lines;
   * - `head`: the first lines;
   * - `grep`: lines that match `pattern`, numbered, with two lines of context; the newest when there are too
   *   many, or with a `cursor` the first ones after it;
   * - `full`: everything from `cursor` (or the start) on, page by page.
   */
  mode?: "tail" | "head" | "grep" | "full";
  /** Lines at most; 100 by default, 1,900 in mode `full` and in any case (an answer that is capped says so). */
  lines?: number;
  /** For grep, which it means without `mode`: JavaScript regular expression, at most 512 characters. */
  pattern?: string;
  /**
   * From an earlier answer, or any offset in bytes: only what comes after it. Without `mode` and `pattern` the same as
   * `full`.
   */
  cursor?: string | number;
  /** Only this stream. */
  stream?: OutputStream;
  /** Of a process that was started again: the number of one of its newest five runs; the latest without it. */
  run?: number;
  /** The process's own lines begin with `| `, so that none of them can pass for a line of ours; not by default. */
  quoted?: boolean;
  /** Bytes of `text` at most, 2,048 at least; 16,000 by default, 40,000 in any case. */
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
  /** When it came, in milliseconds since 1970; undefined in an output of an earlier version. */
  at?: number | undefined;
  /** Bytes before this piece that are lost because the reader was slower than the process; 0 as a rule. */
  lost: number;
}
