// Owns: which recordings there are, and the kinds of event that they are translated to.
import { readdirSync } from "node:fs";

export const NAMES = readdirSync(new URL("../../fixtures/recordings/", import.meta.url))
  .filter((file) => file.endsWith(".jsonl"))
  .map((file) => file.slice(0, -".jsonl".length));

export const TYPES = [
  "activity",
  "busy",
  "idle",
  "retry",
  "tool",
  "user",
  "assistant",
  "error",
  "asked",
  "answered",
  "created",
  "deleted",
  "reverted",
  "updated",
] as const;
