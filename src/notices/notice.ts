/** One thing that a parent session has still to be told, as it is stored with the jobs until it was answered. */
import { z } from "zod";

const date = z.union([z.date(), z.iso.datetime().transform((text) => new Date(text))]);

export const notice = z.object({
  id: z.string(),
  parentSessionID: z.string(),
  jobID: z.string(),
  /**
   * `output`: lines that the process asked to be told about; `ready`: a late readiness; `failed`: of a job whose group
   * is not done yet, ahead of its end, which is told with the group; `budget`: most of what it may spend is gone, a line
   * in the next notice.
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
