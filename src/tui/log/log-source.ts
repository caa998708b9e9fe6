/** Where a log view gets its lines from; the two kinds of jobs give them in the same form. */
import type { LogLine } from "./log-rows.js";
import { searchLines, type LogSearch } from "./log-search.js";

export interface LogSource {
  /** The loaded part; a signal. */
  lines(): readonly LogLine[];
  /** More lies before (after) the loaded part; signals. */
  hasEarlier(): boolean;
  hasLater(): boolean;
  /** What to say instead of lines, or about them; a signal. */
  note(): string | undefined;
  /** Loads the part before (after) this one, overlapping with it; the start; the end. */
  earlier(): void;
  later(): void;
  toStart(): void;
  toEnd(): void;
  /** Loads the part with the line at this place. */
  toPlace(offset: number): void;
  /** The place behind the last line, loaded or not; a signal. */
  end(): number;
  /** Looks through all of it; its caller stops it. */
  search(query: string): LogSearch;
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
  const nothing = () => undefined;
  return {
    lines,
    note,
    hasEarlier: () => false,
    hasLater: () => false,
    earlier: nothing,
    later: nothing,
    toStart: nothing,
    toEnd: nothing,
    toPlace: nothing,
    end: () => lines().at(-1)?.offset ?? 0,
    search: (query) => searchLines(lines, query),
    refresh: nothing,
    close,
  };
}
