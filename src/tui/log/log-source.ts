/**
 * Where a log view gets its lines from; the two kinds of jobs give them in the same form. A search finds all places of
 * a log, looked for from its start in slices between which the screen goes on, however long the output is; what is
 * appended later is looked at, too.
 */
import { type Accessor, createMemo } from "solid-js";
import { STREAMS } from "../../output/format.js";
import { newLineReaders } from "../../output/line-reader.js";
import { plainLine } from "../../output/plain-text.js";
import { openOutput, type OutputReader } from "../../output/reader.js";
import { coerceError } from "../../ports.js";
import { finds } from "../../text.js";
import type { LogLine } from "./log-rows.js";

export interface LogSource {
  /** The loaded part; a signal. */
  lines(): readonly LogLine[];
  /** More lies before (after) the loaded part; signals. */
  hasEarlier(): boolean;
  hasLater(): boolean;
  /** What to say instead of lines, or about them; a signal. */
  note(): string | undefined;
  /** Loads the part before (after) this one, overlapping with it, or the one with this place; `Infinity`: the end. */
  load(part: "earlier" | "later" | number): void;
  /** The place behind the last line, loaded or not; a signal. */
  end(): number;
  /** Looks through all of it, as long as the view that asks is there; a signal. */
  search(query: string): Accessor<Found>;
  /** Something is said to have happened to the job: look again. */
  refresh(): void;
  /** By the view that opened it. */
  close(): void;
}

/** A log of which all lines are loaded. */
export function wholeLog(
  { lines, note }: Pick<LogSource, "lines" | "note">,
  close: () => void,
): LogSource {
  return {
    lines,
    note,
    hasEarlier: () => false,
    hasLater: () => false,
    load: () => undefined,
    end: () => lines().at(-1)?.offset ?? 0,
    search(query) {
      const isHit = finds(query);
      return createMemo(() => {
        const offsets = lines().flatMap(({ offset, text }) => (isHit(text) ? [offset] : []));
        const end = lines().at(-1)?.offset ?? 0;
        return { offsets, lookedTo: end, end, isDone: true, isFull: false };
      });
    },
    refresh: () => undefined,
    close,
  };
}

export interface Found {
  /** Of the lines that match, in order. */
  offsets: readonly number[];
  /** Up to where was looked. */
  lookedTo: number;
  /** Up to where there is something to look at; more may come. */
  end: number;
  isDone: boolean;
  /** There are more than are kept. */
  isFull: boolean;
  problem?: string;
}

export interface LogSearch {
  /** There may be more to look at. */
  goOn: () => void;
  stop: () => void;
}

export const NOTHING_FOUND: Found = {
  offsets: [],
  lookedTo: 0,
  end: 0,
  isDone: false,
  isFull: false,
};

/** So long a slice holds the screen. */
const SLICE_MILLISECONDS = 6;
/** More matches are no list to go through. */
const MOST = 100_000;
/** The log view shows no more of a line either. */
export const LONGEST_LINE = 4_000;

/** Tells after each slice all that was found until then. */
export function lookThrough(file: string, query: string, tell: (found: Found) => void): LogSearch {
  const isHit = finds(query);
  const offsets: number[] = [];
  let readers = newLineReaders(LONGEST_LINE);
  /** Where the line of each stream starts that has no end yet. */
  let openAt: [number | undefined, number | undefined] = [undefined, undefined];
  let lookedTo = 0;
  let isRunning = false;
  let isStopped = false;
  let again = false;
  let last = NOTHING_FOUND;

  const startOver = (from: number) => {
    readers = newLineReaders(LONGEST_LINE);
    openAt = [undefined, undefined];
    lookedTo = from;
  };
  const add = (lines: readonly string[], places: readonly number[]) => {
    for (const [index, line] of lines.entries()) {
      if (isHit(SPECIAL.test(line) ? plainLine(line) : line)) offsets.push(places[index] ?? 0);
    }
  };
  const publish = (end: number, isDone: boolean) => {
    const isFull = offsets.length >= MOST;
    const open = STREAMS.flatMap((stream) => {
      const start = openAt[stream];
      return start !== undefined && isHit(plainLine(readers[stream].open)) ? [start] : [];
    });
    last = { offsets: [...offsets, ...open], lookedTo, end, isDone: isDone || isFull, isFull };
    tell(last);
  };
  /** Looks until the end as it is now; gives way after each slice. */
  const look = async (reader: OutputReader) => {
    const end = reader.end();
    // Another file: the process runs again.
    if (end < lookedTo) {
      offsets.length = 0;
      startOver(0);
    }
    let until = performance.now() + SLICE_MILLISECONDS;
    for (const { frame, gap } of reader.pieces(lookedTo)) {
      if (gap) {
        startOver(gap.offset + gap.bytes);
        continue;
      }
      const batch = readers[frame.stream].push(frame.data, frame.offset);
      const newline = frame.data.lastIndexOf(10);
      lookedTo = frame.offset + frame.data.length;
      if (newline >= 0) openAt[frame.stream] = undefined;
      if (newline + 1 < frame.data.length) openAt[frame.stream] ??= frame.offset + newline + 1;
      if (batch) add(batch.lines, batch.offsets());
      if (offsets.length >= MOST) break;
      if (performance.now() < until) continue;
      publish(end, false);
      await new Promise((next) => setTimeout(next, 0));
      if (isStopped) return;
      until = performance.now() + SLICE_MILLISECONDS;
    }
    publish(end, true);
  };
  const run = async () => {
    // What comes while it looks is looked at, too.
    while (again) {
      again = false;
      const reader = openOutput(file);
      try {
        if (reader) await look(reader);
        else publish(0, true);
      } finally {
        reader?.close();
      }
      if (isStopped || offsets.length >= MOST) break;
    }
    // In the same turn as the last look at `again`, or what comes in between is missed.
    isRunning = false;
  };
  const goOn = () => {
    again = true;
    if (isRunning || isStopped || offsets.length >= MOST) return;
    isRunning = true;
    run().catch((thrown: unknown) => {
      isRunning = false;
      tell({ ...last, isDone: true, problem: coerceError(thrown).message });
    });
  };
  goOn();
  return {
    goOn,
    stop: () => {
      isStopped = true;
    },
  };
}

/** What plain text is not. */
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const SPECIAL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/u;
