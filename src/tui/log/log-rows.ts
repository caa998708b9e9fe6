/**
 * What of a log is on the screen: rows from lines, where the window stands, what a search finds. The window is
 * tied to a line's place in the log and not to a row's number, so that it stands still when lines come, when
 * earlier ones are loaded and when the terminal's width changes. Pure.
 */
import { cells, fit, skip, wrap } from "../../cells.js";
import type { Tone } from "../describe.js";

export interface LogLine {
  /** Its place in the log; grows from line to line. */
  offset: number;
  /** Free of control characters. */
  text: string;
  tone: Tone;
}

export interface Row {
  offset: number;
  /** Which row of its line. */
  part: number;
  text: string;
  tone: Tone;
}

export interface Layout {
  width: number;
  wrap: boolean;
  /** Cells that are scrolled out at the left; only without wrap. */
  left: number;
}

export function layRows(lines: readonly LogLine[], { width, wrap: wraps, left }: Layout): Row[] {
  const rows: Row[] = [];
  for (const { offset, text, tone } of lines) {
    const parts = wraps ? wrap(text, width) : [fit(skip(text, left), width)];
    for (const [part, piece] of parts.entries()) rows.push({ offset, part, text: piece, tone });
  }
  return rows;
}

export function widest(lines: readonly LogLine[]): number {
  return lines.reduce((most, { text }) => Math.max(most, cells(text)), 0);
}

/** Where the window's first row is tied to. */
export interface Anchor {
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
  const row = rows[top];
  return row ? { offset: row.offset, part: row.part } : FOLLOW;
}

export type Direction = "forward" | "backward";

/** A search in small letters finds capitals, too. */
export function finds(query: string): (text: string) => boolean {
  if (query === "") return () => false;
  if (query !== query.toLowerCase()) return (text) => text.includes(query);
  return (text) => text.toLowerCase().includes(query);
}

/** The next line that matches after (before) a place; undefined when there is none in these lines. */
export function findLine(
  lines: readonly LogLine[],
  query: string,
  from: number,
  direction: Direction,
): LogLine | undefined {
  const isHit = finds(query);
  if (direction === "forward") return lines.find((line) => line.offset > from && isHit(line.text));
  return lines.findLast((line) => line.offset < from && isHit(line.text));
}

/** The window with this line a third below its top. */
export function around(rows: readonly Row[], offset: number, height: number): Position {
  const at = rows.findIndex((row) => row.offset === offset);
  const row = rows[Math.max(0, at - Math.floor(height / 3))];
  return row ? { offset: row.offset, part: row.part } : FOLLOW;
}
