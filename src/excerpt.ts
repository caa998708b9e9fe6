/** What a notice quotes of a job's end: a task's result, or the last lines that a process printed. */
import type { Job } from "./jobs/job.js";
import type { Excerpt } from "./notices/wording.js";
import type { BackgroundProcessManager } from "./process/manager.js";
import type { BackgroundManager } from "./subagent/manager.js";

const TAIL = { mode: "tail", lines: 40, maxBytes: 4_000 } as const;

/** Rejects when the output or the child session cannot be read. */
export async function excerptOf(
  job: Job,
  tasks: BackgroundManager,
  processes: BackgroundProcessManager,
): Promise<Excerpt> {
  if (job.kind === "process") {
    const { text: words, lines, start, bytes } = await processes.read(job.id, TAIL);
    if (bytes === 0) return { text: "", total: 0 };
    const text = lines.length > 0 ? lines.map((line) => line.text).join("\n") : words;
    return { text, total: start + Buffer.byteLength(text) };
  }
  const { text, toolError } = await tasks.result(job);
  if (text || !toolError) return { text, total: text.length };
  const words = `(no text output; its last failed tool call: ${toolError})`;
  return { text: words, total: words.length };
}
