/**
 * Where the command line writes: two streams, and whether they show colour. The only part of the package that
 * prints. What comes from jobs goes through `safe` first, because a terminal obeys what it is given.
 */
import { plainLine } from "../output/plain-text.js";
import { oneLine } from "../text.js";

export interface Terminal {
  /** Standard output. */
  write(text: string): void;
  /** Standard error. */
  complain(text: string): void;
  colour: boolean;
}

/** Colour only where somebody sees it: not in a pipe, not with NO_COLOR (no-color.org), not on a dumb terminal. */
export function systemTerminal(
  { stdout, stderr }: Pick<NodeJS.Process, "stdout" | "stderr"> = process,
  env: NodeJS.ProcessEnv = process.env,
): Terminal {
  return {
    write: (text) => void stdout.write(text),
    complain: (text) => void stderr.write(text),
    colour: stdout.isTTY && !env["NO_COLOR"] && env["TERM"] !== "dumb",
  };
}

const COLOURS = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 } as const;
export type Colour = keyof typeof COLOURS;

export function paint({ colour }: Pick<Terminal, "colour">, name: Colour, text: string): string {
  return colour ? `\u001b[${COLOURS[name]}m${text}\u001b[0m` : text;
}

/** One line of at most so many characters, without anything that a terminal would obey. */
export function safe(text: string, most = 200): string {
  return oneLine(plainLine(text.replaceAll("\n", " ")), most);
}

/** Columns of equal width, two spaces between them; the last is as long as it is. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, cell.length);
  }
  const line = (row: readonly string[]): string =>
    row.map((cell, at) => (at < row.length - 1 ? cell.padEnd(widths[at] ?? 0) : cell)).join("  ");
  return rows.map((row) => `${line(row)}\n`).join("");
}

export function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
