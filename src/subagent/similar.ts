/** Which running tasks a new one seems to repeat: the same agent and nearly the same words. */
import type { SubagentJob } from "../jobs/job.js";

/** Shared words of all words, from which two prompts count as the same. */
const ALIKE = 0.8;

export function similarTasks(
  running: readonly { job: SubagentJob; prompt: string }[],
  agent: string,
  prompt: string,
): SubagentJob[] {
  const words = wordsOf(prompt);
  return running
    .filter((other) => other.job.agent === agent && likeness(wordsOf(other.prompt), words) >= ALIKE)
    .map((other) => other.job);
}

function wordsOf(text: string): Set<string> {
  return new Set(text.toLowerCase().match(/[\p{L}\p{N}]+/gu));
}

function likeness(one: ReadonlySet<string>, other: ReadonlySet<string>): number {
  if (one.size === 0 && other.size === 0) return 1;
  let shared = 0;
  for (const word of one) if (other.has(word)) shared += 1;
  return shared / (one.size + other.size - shared);
}
