/**
 * What of a log is on the screen: rows from lines, where the window stands, what a search finds. The window is
 * tied to a line's place in the log and not to a row's number, so that it stands still when lines come, when
 * earlier ones are loaded and when the terminal's width changes. Pure.
 */
import { cells, fit, pad, skip, wrap } from "../../cells.js";
import type { OutputStream } from "../../output/types.js";
import type { Tone } from "../../looks.js";
import type { Painted } from "./colours.js";

export interface LogLine {
  /** Its place in the log; grows from line to line. */
  offset: number;
  /** Free of control characters. */
  text: string;
  tone: Tone;
  /** Parts of the text in colours of their own. */
  painted?: readonly Painted[];
  /** When it came, in milliseconds since 1970, where that is known. */
  at?: number | undefined;
  stream?: OutputStream | undefined;
}

export interface Row {
  offset: number;
  /** Which row of its line. */
  part: number;
  text: string;
  /** Stands before the text. */
  label: string;
  /** Where in its line's text it begins. */
  start: number;
  line: LogLine;
}

/** What is shown before each line. */
export interface Labels {
  time: boolean;
  stream: boolean;
}

/** Of equal width for all lines; times in the time zone of who reads it. */
export function labelOf({ time, stream }: Labels): (line: LogLine) => string {
  return (line) => {
    const parts = [
      ...(time
        ? [pad(line.at === undefined ? "" : new Date(line.at).toTimeString().slice(0, 8), 8)]
        : []),
      ...(stream ? [pad({ stdout: "out", stderr: "err" }[line.stream ?? "stdout"], 3)] : []),
    ];
    return parts.length > 0 ? `${parts.join(" ")} ` : "";
  };
}

export interface Layout {
  width: number;
  wrap: boolean;
  /** Cells that are scrolled out at the left; only without wrap. */
  left: number;
  label?: (line: LogLine) => string;
}

export function layRows(lines: readonly LogLine[], layout: Layout): Row[] {
  const { width, wrap: wraps, left, label: labelOfLine = () => "" } = layout;
  const rows: Row[] = [];
  for (const line of lines) {
    const { offset, text } = line;
    const label = labelOfLine(line);
    const room = Math.max(1, width - label.length);
    const rest = wraps ? text : skip(text, left);
    const parts = wraps ? wrap(text, room) : [fit(rest, room)];
    let start = text.length - rest.length;
    for (const [part, piece] of parts.entries()) {
      // What a line is about stands before its first row only.
      const own = part === 0 ? label : " ".repeat(label.length);
      rows.push({ offset, part, text: piece, label: own, start, line });
      start += piece.length;
    }
  }
  return rows;
}

export function widest(lines: readonly LogLine[]): number {
  return lines.reduce((most, { text }) => Math.max(most, cells(text)), 0);
}

/** Where the window's first row is tied to. */
interface Anchor {
  offset: number;
  part: number;
}

/** The end of the log, wherever that will be. */
export const FOLLOW = "follow";
export type Position = Anchor | typeof FOLLOW;

export function topOf(rows: readonly Row[], position: Position, height: number): number {
  const last = Math.max(0, rows.length - height);
  if (position === FOLLOW) return last;
  const { offset, part } = position;
  // Lines of two streams stand in the order of their ends, so places do not always grow: the same one first.
  const same = rows.findIndex((row) => row.offset === offset && row.part === part);
  const at = same < 0 ? rows.findIndex((row) => row.offset >= offset) : same;
  return Math.min(last, at < 0 ? last : at);
}

/** The window moved by so many rows. The end is not `FOLLOW`: following is asked for. */
export function moved(
  rows: readonly Row[],
  position: Position,
  height: number,
  by: number,
): Position {
  const last = Math.max(0, rows.length - height);
  const top = Math.min(last, Math.max(0, topOf(rows, position, height) + by));
  return rows[top] ?? FOLLOW;
}

export type Direction = "forward" | "backward";

/** Where in a text a query is found. */
export function hitsIn(text: string, query: string): { from: number; to: number }[] {
  if (query === "") return [];
  // In small letters a few characters are longer than in capitals: such a line has no exact places.
  const small = text.toLowerCase();
  const isExact = query !== query.toLowerCase() || small.length !== text.length;
  const where = isExact ? text : small;
  const hits: { from: number; to: number }[] = [];
  for (let at = where.indexOf(query); at >= 0; at = where.indexOf(query, at + query.length)) {
    hits.push({ from: at, to: at + query.length });
  }
  return hits;
}

/** The window with this line a third below its top. */
export function around(rows: readonly Row[], offset: number, height: number): Position {
  const at = rows.findIndex((row) => row.offset === offset);
  return rows[Math.max(0, at - Math.floor(height / 3))] ?? FOLLOW;
}
