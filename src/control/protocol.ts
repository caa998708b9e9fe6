/**
 * What is said over the control socket: one request and one answer, a line of JSON each. Any process of this user can
 * connect, also one that an agent started: so a request may show, stop and cancel jobs, and never start, write,
 * approve or restart anything. What may do that is in `user-acts.ts`.
 */
import { z } from "zod";

export const LONGEST_LINE = 64 * 1_024;
/** An answer may hold what a subagent has said. */
export const LONGEST_ANSWER = 4 * 1_024 * 1_024;

export const controlRequest = z.discriminatedUnion("method", [
  /** Is it there, and which OpenCode is it? */
  z.strictObject({ method: z.literal("ping") }),
  /** Ends a process with its descendants; `remove` also forgets record and output. */
  z.strictObject({ method: z.literal("stop"), jobID: z.string(), remove: z.boolean().optional() }),
  /** Aborts a subagent with what it started. */
  z.strictObject({ method: z.literal("cancel"), jobID: z.string() }),
  /** What was said and done in a subagent's session, as JSON: a list of `transcriptEntry`. */
  z.strictObject({ method: z.literal("transcript"), jobID: z.string() }),
]);
export type ControlRequest = z.infer<typeof controlRequest>;

export const transcriptEntry = z.object({
  at: z.iso.datetime(),
  role: z.enum(["user", "assistant"]),
  kind: z.enum(["text", "reasoning", "tool", "error"]),
  text: z.string(),
  tool: z.string().optional(),
  status: z.enum(["pending", "running", "completed", "error"]).optional(),
});

export const controlAnswer = z.union([
  z.strictObject({ ok: z.literal(true), text: z.string() }),
  z.strictObject({ ok: z.literal(false), error: z.string() }),
]);
export type ControlAnswer = z.infer<typeof controlAnswer>;
