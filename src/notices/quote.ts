/**
 * Text from outside (a child's words, a process's output, names) in a notice: harmless as everywhere (see `text.ts`), it
 * can neither open nor close a block, and is cut to what a notice may quote: at line ends where there are any, head and
 * end of a subagent's result, the end of a process's output, and always with the size of what is missing. Pure.
 */
import type { Job } from "../jobs/job.js";
import type { Quote } from "../jobs/registry.js";
import { endStart, harmlessLines, headEnd, oneLine, quoteLines as quote } from "../text.js";
import type { StoredQuote } from "./notice.js";

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

/** Characters quoted of one job. */
export const MOST_QUOTED = 6_000;

/** What the outbox keeps of what the end of a job says. */
export function storedQuote(job: Job, { text, total, gapAt = 0, pattern }: Quote): StoredQuote {
  const omitted = Math.max(0, total - text.length);
  return cutQuote(job.kind, { text, omitted, omittedAt: gapAt, pattern }, MOST_QUOTED);
}

/** The same with at most so many characters. */
export function cutQuote(kind: Job["kind"], whole: StoredQuote, most: number): StoredQuote {
  const { text, omitted, omittedAt, pattern } = whole;
  if (text.length <= most) return whole;
  // The head of a process's quote is worth something only where it holds the errors.
  const hasHead = kind === "subagent" || pattern !== undefined;
  // One that has a gap keeps it as its only one.
  const half = Math.min(Math.floor(most / 2), omittedAt || text.length);
  const head = hasHead ? headEnd(text, half) : 0;
  const end = endStart(text, Math.max(omittedAt, head, text.length - (most - head)));
  const cut = text.slice(head, end);
  const size = kind === "subagent" ? cut.length : Buffer.byteLength(cut);
  return {
    text: text.slice(0, head) + text.slice(end),
    omitted: omitted + size,
    omittedAt: head,
    pattern,
  };
}

/** Characters for each, at most `most` in all and as alike as can be: what one does not need is the others'. */
export function shares(needed: readonly number[], most: number): number[] {
  let left = most;
  for (const [place, need] of needed.toSorted((one, other) => one - other).entries()) {
    const share = Math.floor(left / (needed.length - place));
    if (need > share) return needed.map((each) => Math.min(each, share));
    left -= need;
  }
  return [...needed];
}
