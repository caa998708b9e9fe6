/**
 * Where the command line writes: two streams, and whether they show colour. The only part of the package that
 * prints. What comes from jobs goes through `safe` first, because a terminal obeys what it is given.
 */
import { cells, clean, fit, pad } from "../cells.js";
import { escapeUnseen, oneLine } from "../text.js";

export interface Terminal {
  /** Standard output. */
  write(text: string): void;
  /** Standard error. */
  complain(text: string): void;
  colour: boolean;
  /** Of the window; undefined in a pipe or a file: nothing is cut then. */
  columns: number | undefined;
}

/** Colour only where a person sees it: not in a pipe, not with NO_COLOR (no-color.org), not on a dumb terminal. */
export function systemTerminal(
  { stdout, stderr }: Pick<NodeJS.Process, "stdout" | "stderr"> = process,
  env: NodeJS.ProcessEnv = process.env,
): Terminal {
  return {
    write: (text) => void stdout.write(text),
    complain: (text) => void stderr.write(text),
    colour: stdout.isTTY && !env["NO_COLOR"] && env["TERM"] !== "dumb",
    columns: stdout.isTTY ? stdout.columns : undefined,
  };
}

const COLOURS = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 } as const;
export type Colour = keyof typeof COLOURS;

export function paint({ colour }: Pick<Terminal, "colour">, name: Colour, text: string): string {
  return colour ? `\u001b[${COLOURS[name]}m${text}\u001b[0m` : text;
}

/** One line of at most so many characters, without anything that a terminal would obey or that cannot be seen. */
export function safe(text: string, most = 200): string {
  return oneLine(clean(text), most);
}

/** The last column needs so much of a narrow window; the column before it gives way. */
const LAST_COLUMN = 24;

/** A column that is cut to less is hardly read. */
const CUT_COLUMN = 16;

/** Whether the last column can be read, with the one before it cut to what can be read. */
export function leavesRoom(rows: readonly (readonly string[])[], columns?: number): boolean {
  if (columns === undefined) return true;
  const widths = widthsOf(rows);
  const wide = widths.at(-2) ?? 0;
  const before = widths.slice(0, -2).reduce((sum, width) => sum + width + 2, 0);
  return before + Math.min(wide, CUT_COLUMN) + 2 + LAST_COLUMN <= columns;
}

/** Of the columns; all rows have the same ones. */
function widthsOf(rows: readonly (readonly string[])[]): number[] {
  const [first = []] = rows;
  return first.map((_, at) =>
    rows.reduce((widest, row) => Math.max(widest, cells(row[at] ?? "")), 0),
  );
}

/**
 * Columns of equal width, two spaces between them; the last is as long as it is. In a window of `columns` cells the
 * last column is cut, and so is the one before it as far as the last would be left with less than 24 cells.
 */
export function table(rows: readonly (readonly string[])[], columns?: number): string {
  const widths = widthsOf(rows);
  const last = widths.length - 1;
  const before = widths.slice(0, last).reduce((sum, width) => sum + width + 2, 0);
  let room = Number.POSITIVE_INFINITY;
  if (columns !== undefined) {
    const missing = Math.max(0, before + Math.min(LAST_COLUMN, widths[last] ?? 0) - columns);
    const wide = widths[last - 1] ?? 0;
    // A column that is only a mark says nothing.
    const narrow = Math.min(wide, Math.max(8, wide - missing));
    if (last > 0) widths[last - 1] = narrow;
    room = Math.max(8, columns - before + wide - narrow);
  }
  const line = (row: readonly string[]): string =>
    row
      .map((cell, at) => (at < last ? pad(cell, widths[at] ?? 0) : fit(cell, room)))
      .join("  ")
      .trimEnd();
  return rows.map((row) => `${line(row)}\n`).join("");
}

/** Over several lines, or in one. */
export function json(value: unknown, indent: 0 | 2 = 2): string {
  return `${escapeUnseen(JSON.stringify(value, undefined, indent))}\n`;
}
