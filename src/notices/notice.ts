/**
 * One thing that a parent session has still to be told, as it is stored with the jobs until it was answered, and the
 * text from outside in it (a child's words, a process's output, names): harmless as everywhere (see `text.ts`), it can
 * neither open nor close a block, and is cut to what a notice may quote: at line ends where there are any, head and end
 * of a subagent's result, the end of a process's output, and always with the size of what is missing. Pure.
 */
import { z } from "zod";
import { date, type Job } from "../jobs/job.js";
import type { Quote } from "../jobs/registry.js";
import { endStart, harmlessLines, headEnd, oneLine, quoteLines as quote } from "../text.js";

export const notice = z.object({
  id: z.string(),
  parentSessionID: z.string(),
  jobID: z.string(),
  /**
   * `output`: lines that the process asked to be told about; `ready`: a late readiness; `failed`: of a job whose group
   * is not done yet, ahead of its end, which is told with the group; `budget`: most of what it may spend is gone, a
   * line in the next notice.
   */
  kind: z.enum(["ended", "blocked", "stalled", "ready", "output", "failed", "budget"]),
  /** Not of an end. What came from outside, not escaped yet: output lines, what is asked. */
  text: z.string().optional(),
  /** `output`: lines that follow within the next minute come together in one notice. */
  throttled: z.boolean().optional(),
  /** `ended`: the job's words. Absent in state of 0.1.0, and where nothing could be read when the job ended. */
  quote: z
    .object({
      /** At most `MOST_QUOTED` characters, not escaped. */
      text: z.string(),
      /** What `text` leaves out: characters of a subagent's result, bytes of a process's output. */
      omitted: z.number().int().nonnegative(),
      /** Where in `text` it is left out: 0 is before it. */
      omittedAt: z.number().int().nonnegative(),
      /** For getBackgroundProcess: finds the lines of errors in what is left out. */
      pattern: z.string().optional(),
    })
    .optional(),
  createdAt: date,
  /** The message that carries it to the parent; delivered is what an assistant answered. */
  carrier: z
    .object({
      messageID: z.string(),
      /** Our own prompt, or the user's message that it is attached to. */
      own: z.boolean(),
      sentAt: date,
      /** 0 while the message is prepared and not sent yet. */
      attempts: z.number().int().nonnegative(),
    })
    .optional(),
});
export type Notice = z.infer<typeof notice>;
export type Carrier = NonNullable<Notice["carrier"]>;
export type StoredQuote = NonNullable<Notice["quote"]>;

/** What is worth a message of its own; the rest rides along with the next one. */
export function isWorthSending(notices: readonly Notice[]): boolean {
  return notices.some(({ kind }) => kind !== "budget");
}

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
