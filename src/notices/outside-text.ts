/**
 * Text from outside (a child's words, a process's output, names) made safe to stand among lines of ours: it can
 * neither open nor close a block, nor hide or turn anything, nor pass for a fixed line. Pure.
 */
import { oneLine } from "../text.js";

/** Control characters, invisible ones and those that turn the writing direction have no place in a notice. */
const INVISIBLE = /(?![\n\t])[\p{Cc}\p{Default_Ignorable_Code_Point}\u2028\u2029\ufff9-\ufffb]/gu;
/** Half of a character, which no encoding can carry. */
const HALF = /\p{Surrogate}/gu;

export function escapeOutside(text: string): string {
  return text
    .replace(/\r\n?|\u2028|\u2029|\u0085/gu, "\n")
    .replace(INVISIBLE, "")
    .replace(HALF, "\ufffd")
    .replaceAll("<", "&lt;");
}

/** Within a line of ours: escaped first, for what is a line's end is known only then. */
export function outsideLine(text: string, most: number): string {
  return oneLine(escapeOutside(text), most);
}

/** As lines of their own, each marked with "| ". */
export function quoteLines(text: string): string[] {
  return escapeOutside(text)
    .split("\n")
    .map((line) => `| ${line}`);
}
