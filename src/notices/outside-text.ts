/**
 * Text from outside (a child's words, a process's output, names) in a notice: harmless as everywhere (see `text.ts`),
 * and it can neither open nor close a block. Pure.
 */
import { harmlessLines, oneLine, quoteLines as quote } from "../text.js";

function escapeMarkup(text: string): string {
  return text.replaceAll("<", "&lt;");
}

/** Within a line of ours: escaped first, so that what is cut is what is shown. */
export function outsideLine(text: string, most: number): string {
  return oneLine(escapeMarkup(harmlessLines(text)), most);
}

/** As lines of their own, each marked with "| ". */
export function quoteLines(text: string): string[] {
  return quote(escapeMarkup(text));
}
