/** A session as people read it: what it was told, what it said, which tools it called. Pure. */
import { z } from "zod";
import { cutText } from "../text.js";
import { anyError } from "./shapes.js";
import type { TranscriptEntry } from "./host.js";

/** Longer texts are cut: the session itself has them. */
const LONGEST_TEXT = 20_001;

const message = z.object({
  info: z.object({
    role: z.enum(["user", "assistant"]),
    time: z.object({ created: z.number().min(0).max(8.64e15) }),
    error: anyError,
  }),
  parts: z.array(z.unknown()),
});

const state = z.object({
  status: z.enum(["pending", "running", "completed", "error"]),
  title: z.string().optional().catch(undefined),
  input: z.record(z.string(), z.unknown()).catch({}),
  error: z.string().optional().catch(undefined),
});

const part = z.discriminatedUnion("type", [
  z.object({ type: z.literal("text"), text: z.string(), ignored: z.boolean().nullish() }),
  z.object({ type: z.literal("reasoning"), text: z.string() }),
  z.object({ type: z.literal("tool"), tool: z.string(), state }),
]);

/** Nothing for a message of a shape that we do not know; so for its parts. */
export function transcriptOf(raw: unknown): TranscriptEntry[] {
  const { data } = message.safeParse(raw);
  if (!data) return [];
  const { role, time, error } = data.info;
  const about = { at: new Date(time.created), role };
  const entries = data.parts.flatMap((each) => {
    const known = part.safeParse(each).data;
    const entry = known && entryOf(known);
    return entry ? [{ ...about, ...entry }] : [];
  });
  if (error) {
    const text = [error.name, error.message].filter(Boolean).join(": ");
    entries.push({ ...about, kind: "error", text: cutText(text, LONGEST_TEXT) });
  }
  return entries;
}

function entryOf(found: z.infer<typeof part>): Omit<TranscriptEntry, "at" | "role"> | undefined {
  if (found.type === "tool") {
    const { tool } = found;
    const { status, title, input, error } = found.state;
    const text = error ?? (title || inputText(input));
    return { kind: "tool", tool, status, text: cutText(text, LONGEST_TEXT) };
  }
  const text = found.text.trim();
  if (text === "" || (found.type === "text" && found.ignored)) return undefined;
  return { kind: found.type, text: cutText(text, LONGEST_TEXT) };
}

/** The first text among the arguments says most: a command, a path, a pattern. */
export function inputText(input: Readonly<Record<string, unknown>>): string {
  return Object.values(input).find((value) => typeof value === "string") ?? "";
}
