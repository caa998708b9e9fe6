/** Reading the output of a job, live or ended. */
import type { ProcessJob } from "../jobs/job.js";
import type { Capture } from "./capture.js";
import { followOutput } from "../output/follow.js";
import { openOutput } from "../output/reader.js";
import type { PatternGuard } from "../output/pattern-guard.js";
import { readCursor, readOutput } from "../output/read.js";
import type { ReadRequest, ReadResult, StreamOptions, StreamPiece } from "../output/types.js";

export interface OutputSource {
  job: ProcessJob;
  file: string;
  /** While the process runs. */
  capture: Capture | undefined;
}

export async function readJob(
  { job, file, capture }: OutputSource,
  request: ReadRequest,
  guard: PatternGuard,
): Promise<ReadResult> {
  // What a full disk kept in memory is written now, if it can be.
  capture?.log.retry();
  const { bytes, dropped } = capture?.log ?? job.output;
  const reader = openOutput(file);
  try {
    return await readOutput(reader, request, { bytes, dropped }, guard);
  } finally {
    reader?.close();
  }
}

export function streamJob(
  { job, file, capture }: OutputSource,
  { signal, cursor }: StreamOptions,
): AsyncIterable<StreamPiece> {
  const { bytes } = capture?.log ?? job.output;
  return followOutput(
    {
      open: () => openOutput(file),
      hasEnded: () => capture?.isClosed ?? true,
      onChange: (listener) => capture?.onOutput(listener) ?? (() => undefined),
    },
    readCursor(cursor, bytes),
    signal,
  );
}

/** What a start that failed shows. */
export async function lastLines(source: OutputSource, guard: PatternGuard): Promise<string> {
  const request: ReadRequest = { mode: "tail", lines: 20, maxBytes: 4096 };
  const { lines } = await readJob(source, request, guard);
  return lines.map(({ text }) => text).join("\n");
}
