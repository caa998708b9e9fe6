/**
 * How a run stands, read off the child's stored messages. Events only say when to look: they come doubled, in
 * several orders and sometimes not at all, while the messages are what really happened. Pure.
 */
import type { AssistantMessage, Message, RunError } from "../host/host.js";
import type { EndReason, TerminalStatus } from "../jobs/status.js";

export interface RunFacts {
  /** All messages of the child session, oldest first. */
  messages: readonly Message[];
  /** The prompt that this run answers; what is older belongs to an earlier run. */
  promptMessageID: string;
  /** The host says that the session works or waits to try again. */
  busy: boolean;
  /** The last `session.error` of this run; some failures leave no message at all. */
  sessionError?: RunError | undefined;
}

export type Verdict =
  | { kind: "running" }
  /** Idle, yet the last step is neither finished nor failed: its end may still be written. */
  | { kind: "unfinished" }
  /** Idle and no answer to our prompt; `stored`: the prompt itself is there. */
  | { kind: "unanswered"; stored: boolean }
  | { kind: "ended"; status: TerminalStatus; reason: EndReason; error?: string; partial: boolean };

const ABORTED: Verdict = {
  kind: "ended",
  status: "cancelled",
  reason: "cancelled_by_user",
  partial: true,
};

export function judge({ messages, promptMessageID, busy, sessionError }: RunFacts): Verdict {
  if (busy) return { kind: "running" };
  const steps = stepsOf(messages, promptMessageID);
  const last = steps.at(-1);
  if (last?.error) return failure(last.error, last.providerID);
  if (!steps.some((step) => !step.summary)) {
    if (sessionError) return failure(sessionError, "");
    const stored = messages.some((message) => message.id === promptMessageID);
    return last ? { kind: "running" } : { kind: "unanswered", stored };
  }
  // A compaction in the middle of a run goes idle with its summary as the last word.
  if (last?.summary) return { kind: "running" };
  if (!last?.completed) return { kind: "unfinished" };
  // Aborted while it waited to try the provider again: the host closes the step and says nothing else.
  if (last.finish === undefined) return ABORTED;
  const cut = last.finish === "length";
  return {
    kind: "ended",
    status: "completed",
    reason: "finished",
    ...(cut && { error: "the model reached its output limit" }),
    partial: cut,
  };
}

/** The assistant's steps that answer the prompt or what followed it, oldest first; ids sort by time. */
export function stepsOf(messages: readonly Message[], promptMessageID: string): AssistantMessage[] {
  return messages.filter(
    (message): message is AssistantMessage =>
      message.role === "assistant" &&
      message.id > promptMessageID &&
      message.parentID >= promptMessageID,
  );
}

/** The last words of a run: the text of its newest step that has any. */
export function finalText(messages: readonly Message[], promptMessageID: string): string {
  const spoken = stepsOf(messages, promptMessageID).filter((step) => step.text && !step.summary);
  return spoken.at(-1)?.text ?? "";
}

/** Everything that a run said so far, step by step. */
export function textSoFar(messages: readonly Message[], promptMessageID: string): string {
  const steps = stepsOf(messages, promptMessageID).filter((step) => !step.summary);
  return steps.flatMap((step) => step.text || []).join("\n\n");
}

function failure(error: RunError, providerID: string): Verdict {
  if (error.name === "MessageAbortedError") {
    return ABORTED;
  }
  const status = error.status === undefined ? "" : `HTTP ${error.status}`;
  const words = [providerID, status, error.message].filter(Boolean).join(": ");
  return { kind: "ended", status: "failed", reason: "error", error: words, partial: true };
}
