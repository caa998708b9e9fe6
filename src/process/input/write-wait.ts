/**
 * What a write waits for: a line that matches, the end, the caller's abort or the time, whichever comes first; without
 * a pattern and a time a pause of what it printed.
 */
import type { PatternGuard } from "../../output/pattern.js";
import type { ReadRequest, ReadResult } from "../../output/types.js";
import type { Clock, Timer } from "../../ports.js";
import type { Capture } from "../capture.js";
import type { WriteRequest, WriteResult } from "../types.js";

const DEFAULT_SECONDS = 2;
const PAUSE_MILLISECONDS = 400;

interface Written {
  capture: Capture;
  /** What is printed from here on counts. */
  from: number;
  read: (request: ReadRequest) => Promise<ReadResult>;
  /** What is typed is printed. */
  hasEcho: boolean;
  ended: Promise<void>;
  clock: Clock;
  guard: PatternGuard;
}

export async function untilAnswered(
  request: WriteRequest,
  written: Written,
): Promise<Pick<WriteResult, "output" | "matched">> {
  const { waitPattern, waitSeconds, signal, quoted } = request;
  const { capture, from, read, ended, clock } = written;
  let isOver = false;
  let wake: () => void = () => undefined;
  let quiet: Timer | undefined;
  const stop = () => {
    isOver = true;
    wake();
  };
  const endsWithPause = waitPattern === undefined && waitSeconds === undefined;
  const heard = () => {
    quiet?.cancel();
    if (endsWithPause) quiet = clock.after(PAUSE_MILLISECONDS, stop);
    wake();
  };
  const limit = clock.after((waitSeconds ?? DEFAULT_SECONDS) * 1_000, stop);
  const stopListening = capture.onOutput(heard);
  signal?.addEventListener("abort", stop);
  if (signal?.aborted) stop();
  void ended.then(stop);
  try {
    let matched = waitPattern === undefined ? undefined : false;
    for (;;) {
      const seen = capture.log.bytes;
      if (waitPattern !== undefined) matched = await matches(waitPattern, request, written);
      if (matched || isOver) break;
      if (waitPattern !== undefined && capture.log.bytes > seen) continue;
      await new Promise<void>((resolve) => {
        wake = resolve;
        if (isOver) resolve();
      });
    }
    return { output: await read({ mode: "full", cursor: from, quoted }), matched };
  } finally {
    quiet?.cancel();
    limit.cancel();
    stopListening();
    signal?.removeEventListener("abort", stop);
  }
}

/** A terminal shows what is typed: the first line that ends with it is no answer. */
async function matches(
  pattern: string,
  { text = "" }: WriteRequest,
  { from, read, hasEcho, guard }: Written,
): Promise<boolean> {
  const echoes = hasEcho ? text.split(/[\r\n]+/u).filter((line) => line.trim()) : [];
  const { lines } = await read({ mode: "tail", cursor: from, maxBytes: 40_000 });
  const printed = lines
    .map((line) => line.text)
    .filter((line) => {
      const echo = echoes.findIndex((each) => line.endsWith(each));
      if (echo >= 0) echoes.splice(echo, 1);
      return echo < 0;
    });
  return (await guard.match(pattern, printed)).hits.length > 0;
}
