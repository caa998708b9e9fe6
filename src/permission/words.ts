/** A word of a command, the languages that are read, and the error where text leaves the plain grammar. */

/** The language of the shell that will run the text; `posix`: sh, dash and ash. */
export type Dialect = "bash" | "zsh" | "posix";

export class Opaque extends Error {
  override readonly name = "Opaque";
}

/** @param plainly How to write the same without this construct. */
export function opaque(construct: string, plainly: string): never {
  throw new Opaque(`${construct}; ${plainly}`);
}

export interface Word {
  readonly raw: string;
  /** Without quotes; for a pattern as written; `undefined` where something is expanded. */
  readonly value: string | undefined;
  /** `pattern`: glob or braces. `one`: one word, with something expanded in quotes. `many`: any number of words. */
  readonly kind: "literal" | "pattern" | "one" | "many";
  /** Holds a command substitution. */
  readonly substitution: boolean;
}

/** A word of which nothing is known, such as the arguments that `xargs` adds. */
export const UNKNOWN: Word = { raw: "", value: undefined, kind: "many", substitution: false };

export function literalWord(raw: string): Word {
  return { raw, value: raw, kind: "literal", substitution: false };
}

/** The value of a word that is what it says, whatever files and variables there are. */
export const literal = (word?: Word) => (word?.kind === "literal" ? word.value : undefined);

/** The word as a rule would spell it: needless quotes removed, needed ones kept as they are. */
export const spell = ({ raw, value }: Word) =>
  value !== undefined && /^[\w./:=@%+,~^-]+$/.test(value) ? value : raw;

/**
 * Words for the tables of patterns: a blank and the value of each, with `'` for an odd character or an empty word.
 * What is expanded ends a word with `"` (one word) or `$` (many), a glob with `*`; `#` is `$?`, `$#` or `$$`.
 */
export const shapes = (words: readonly Word[]) => words.map((it) => ` ${shape(it)}`).join("");

function shape({ raw, value, kind }: Word): string {
  if (kind === "literal") return value?.replaceAll(/[^\w./:=@%+,~^!{};-]/gu, "'") || "'";
  if (/^"?\$(?:[?#$]|\{[?#$]\})"?$/.test(raw)) return "#";
  const start = /^"?([\w./:=@%+,~^!-]*)/.exec(raw)?.[1] ?? "";
  // Braces may be any words.
  if (kind === "pattern") return /[{'"\\]/.test(raw) ? `${start}$` : `${start}*`;
  return start + (kind === "one" ? '"' : "$");
}

/** Reads a table of lines `NAMES | CELL | …`: each name has what its line says. */
export function readTable<T>(table: string, read: (cells: string[]) => T): Map<string, T> {
  const found = new Map<string, T>();
  for (const line of table.trim().split("\n")) {
    const [names = "", ...cells] = line.split(" |").map((it) => it.trim());
    const row = read(cells);
    for (const name of names.split(" ")) found.set(name, row);
  }
  return found;
}
