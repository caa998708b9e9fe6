/**
 * The outputs of a process that was started again: that of its latest run is its output file, those of earlier runs
 * stand beside it, cut to their head and tail, so that all together keep to one limit.
 */
import { existsSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { ProcessJob } from "../jobs/job.js";
import type { Clock } from "../ports.js";
import { outputFile } from "./format.js";
import { OutputLog } from "./log.js";
import { openOutput } from "./reader.js";

/** The latest run and four earlier ones. */
export const MOST_RUNS = 5;

const LATEST_SHARE = 0.6;
const EARLIER_SHARE = (1 - LATEST_SHARE) / (MOST_RUNS - 1);

/** How large the output of a latest run may become, when there are earlier ones. */
export function limitBesideEarlier(limit: number): number {
  return Math.floor(limit * LATEST_SHARE);
}

/** The output of an earlier run. */
export function runFile(folder: string, id: string, run: number): string {
  return join(folder, `${id}.run${run}.log`);
}

/** The outputs of all runs of one process; a run that has printed nothing has none. */
export function outputFiles(folder: string, { id, runs = [] }: ProcessJob): string[] {
  return [outputFile(folder, id), ...runs.map(({ number }) => runFile(folder, id, number))];
}

/** The process that a file in the folder of outputs belongs to. */
export function ownerOfOutput(name: string): string {
  return name.split(".", 1)[0] ?? name;
}

/**
 * The output of run `run` becomes that of an earlier run, whose file is returned; the file of a run that is one too
 * many goes. Undefined when it has printed nothing. Throws the system's error.
 */
export function setAside(file: string, id: string, run: number): string | undefined {
  const folder = dirname(file);
  rmSync(runFile(folder, id, run - MOST_RUNS + 1), { force: true });
  if (!existsSync(file)) return undefined;
  const earlier = runFile(folder, id, run);
  renameSync(file, earlier);
  return earlier;
}

/**
 * The output of an earlier run gives up what exceeds its share of `limit`; resolves with the bytes that are not in it
 * any more, or undefined when nothing was cut. Rejects with the system's error.
 */
export async function cutToShare(
  file: string,
  limit: number,
  clock: Pick<Clock, "now" | "monotonic">,
): Promise<{ dropped: number } | undefined> {
  const share = Math.floor(limit * EARLIER_SHARE);
  if (statSync(file).size <= share) return undefined;
  const cut = `${file}.new`;
  rmSync(cut, { force: true });
  try {
    const dropped = await copy(file, new OutputLog(cut, share, clock));
    renameSync(cut, file);
    return { dropped };
  } finally {
    // What a full disk has left of it.
    rmSync(cut, { force: true });
  }
}

/** What is copied before the host gets its turn. */
const TURN_BYTES = 512 * 1024;

/** Bytes of the whole output that the copy does not hold. */
async function copy(from: string, log: OutputLog): Promise<number> {
  const reader = openOutput(from);
  if (!reader) return 0;
  try {
    const modified = statSync(from).mtimeMs;
    let left = 0;
    let waiting = 0;
    for (const { frame, gap } of reader.pieces()) {
      if (gap) {
        left += gap.bytes;
        continue;
      }
      const time = frame.at ?? modified;
      if (left > 0) log.skip(left, time);
      left = 0;
      log.append(frame.stream, frame.data, time);
      waiting += frame.data.length;
      if (waiting < TURN_BYTES) continue;
      waiting = 0;
      await nextTurn();
    }
  } finally {
    reader.close();
    log.close();
  }
  if (log.missing) throw new Error(log.missing.error);
  return log.dropped;
}
