/** One thing that a parent session has still to be told, as it is stored with the jobs until it was answered. */
import { z } from "zod";

const date = z.union([z.date(), z.iso.datetime().transform((text) => new Date(text))]);

export const notice = z.object({
  id: z.string(),
  parentSessionID: z.string(),
  jobID: z.string(),
  /** `output`: lines that the process asked to be told about; `ready`: a late readiness. */
  kind: z.enum(["ended", "blocked", "stalled", "ready", "output"]),
  /** What came from outside, not escaped yet: output lines, what is asked. What an end quotes is read when it is told. */
  text: z.string().optional(),
  /** Characters that were left out of `text`. */
  omitted: z.number().int().nonnegative().optional(),
  createdAt: date,
  /** The message that carries it to the parent, once it was sent; delivered is what an assistant answered. */
  carrier: z
    .object({
      messageID: z.string(),
      /** Our own prompt, or the user's message that it rides on. */
      own: z.boolean(),
      sentAt: date,
      attempts: z.number().int().nonnegative(),
    })
    .optional(),
});
export type Notice = z.infer<typeof notice>;
