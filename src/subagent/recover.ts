/**
 * What became of a task whose host died while it was live. Its session is asked, never resumed: a finished
 * answer to our prompt is a completed task, anything else is interrupted, with whatever text there is.
 */
import type { Context } from "../context.js";
import { coerceError } from "../ports.js";
import type { SubagentJob } from "../jobs/job.js";
import type { JobEnd, Quote } from "../jobs/registry.js";
import { isTerminal } from "../jobs/status.js";
import { waitsForOthers } from "./launcher.js";
import { asksForTools, finalText, judge, quoteOf } from "./verdict.js";

/** `task` is in the registry, as it was written last; its host was alive until `at`. Never rejects. */
export async function recover(
  deps: Context & { rest: (task: SubagentJob) => void },
  task: SubagentJob,
  at: Date,
): Promise<void> {
  if (isTerminal(task.status)) return;
  // A subagent that is over starts nothing more.
  const isOfSubagent = deps.jobs.findBySession(task.parentSessionID) !== undefined;
  if (task.status === "pending" && waitsForOthers(task) && !isOfSubagent) {
    deps.rest(task);
    return;
  }
  const { promptMessageID, firstPromptMessageID } = task.runs.at(-1) ?? {};
  if (task.status === "pending" || !task.sessionID || promptMessageID === undefined) {
    const error = "OpenCode ended while the task waited for its turn";
    deps.jobs.end(task.id, { status: "failed", reason: "interrupted", error, at });
    return;
  }
  let end: JobEnd = { ...INTERRUPTED, at };
  let text = "";
  let quote: Quote | undefined;
  let partial = true;
  try {
    const messages = await deps.host.messages(task.sessionID);
    const verdict = judge({ messages, promptMessageID, busy: false });
    text = finalText(messages, firstPromptMessageID ?? promptMessageID);
    quote = quoteOf(text, messages);
    // An abort is how a host that ends stops its runs; this task was not cancelled.
    const isOver = verdict.kind === "ended" && verdict.status !== "cancelled";
    if (isOver && !asksForTools(messages, promptMessageID)) {
      const { status, reason, error } = verdict;
      end = { status, reason, error, at };
      partial = verdict.partial;
    }
  } catch (thrown) {
    const error = coerceError(thrown).message;
    deps.log("warn", "an interrupted subagent could not be looked at", { id: task.id, error });
    end = { ...end, error: `${INTERRUPTED.error}, and its session could not be read: ${error}` };
  }
  // It may have been cancelled meanwhile, and continued.
  const current = deps.jobs.getSubagent(task.id);
  if (current?.status !== "running" || current.runs !== task.runs) return;
  const ended = { status: end.status, endReason: end.reason, completedAt: at };
  const runs = task.runs.map((run, index) =>
    index === task.runs.length - 1 ? { ...run, ...ended } : run,
  );
  deps.jobs.updateSubagent(task.id, { runs, partial, resultLength: text.length });
  deps.jobs.end(task.id, { ...end, ...(quote && { quote }) });
}

const INTERRUPTED = {
  status: "failed",
  reason: "interrupted",
  error: "OpenCode ended while the task ran",
} as const;
