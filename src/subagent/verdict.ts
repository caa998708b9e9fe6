/**
 * How a run stands, read off the child's stored messages. Events only say when to look: they come doubled, in
 * several orders and sometimes not at all, while the messages are what really happened. Pure.
 */
import type { AssistantMessage, Message, RunError } from "../host/host.js";
import type { Quote } from "../jobs/registry.js";
import type { EndReason, TerminalStatus } from "../jobs/status.js";

interface RunFacts {
  /** All messages of the child session, oldest first. */
  messages: readonly Message[];
  /** The prompt that this run answers; what is older belongs to an earlier run. */
  promptMessageID: string;
  /** The last `session.error` of this run; some failures leave no message at all. */
  sessionError?: RunError | undefined;
}

type Verdict =
  /** Idle, yet the last step is neither finished nor failed: its end may still be written. */
  | { kind: "unfinished" }
  /** Idle and no answer to our prompt; `stored`: the prompt itself is there. */
  | { kind: "unanswered"; stored: boolean }
  | { kind: "ended"; status: TerminalStatus; reason: EndReason; error?: string };

const ABORTED: Verdict = { kind: "ended", status: "cancelled", reason: "cancelled_by_user" };

export function judge({ messages, promptMessageID, sessionError }: RunFacts): Verdict {
  const steps = stepsOf(messages, promptMessageID);
  const last = steps.at(-1);
  const answer = steps.findLast((step) => !step.summary);
  // A summary after the answer comes from a later compaction and changes nothing.
  const isOver = last !== answer && answer !== undefined && isLastWord(answer);
  if (last?.error && !isOver) return failure(last.error, last.providerID);
  if (!answer) {
    if (sessionError) return failure(sessionError, "");
    const stored = messages.some((message) => message.id === promptMessageID);
    return last ? { kind: "unfinished" } : { kind: "unanswered", stored };
  }
  // After a compaction in the middle of a run the host goes on by itself.
  const goesOn = last !== answer && !isOver;
  if (goesOn || !answer.completed) return { kind: "unfinished" };
  // Aborted while it waited to try the provider again: the host closes the step and says nothing else.
  if (answer.finish === undefined) return ABORTED;
  const cut = answer.finish === "length";
  return {
    kind: "ended",
    status: "completed",
    reason: "finished",
    ...(cut && { error: "the model reached its output limit" }),
  };
}

function isLastWord({ completed, finish, error }: AssistantMessage): boolean {
  return completed && !error && finish !== undefined && finish !== "tool-calls";
}

/**
 * The assistant's steps that answer the prompt or what was stored after it, oldest first. Ids do not tell that
 * order: a message may be stored later than one whose id is newer. They are the best guess for a prompt that is
 * not stored any more.
 */
export function stepsOf(messages: readonly Message[], promptMessageID: string): AssistantMessage[] {
  const start = messages.findIndex(({ id }) => id === promptMessageID);
  const answered = new Set(messages.slice(Math.max(start, 0)).map(({ id }) => id));
  return messages.filter(
    (message): message is AssistantMessage =>
      message.role === "assistant" &&
      (start < 0 ? message.parentID >= promptMessageID : answered.has(message.parentID)),
  );
}

/** Its newest step ended with tool calls: only a host that lives can say whether it was to go on. */
export function asksForTools(messages: readonly Message[], promptMessageID: string): boolean {
  const steps = stepsOf(messages, promptMessageID).filter((step) => !step.summary);
  return steps.at(-1)?.finish === "tool-calls";
}

/** A last text of at most so many characters may only close an answer ("Done."). */
const CLOSING_MOST = 200;
/** An earlier text of at least so many characters is a report that such a closing text does not replace. */
const REPORT_LEAST = 400;

/**
 * The result of a run: for each message that the parent sent in it (the prompt and each instruction), in order, the
 * last text that answers it. What answers a synthetic message (one of our notices, or the host's own) answers
 * the written message before it. Where that last text has at most 200 characters and an earlier one of the same
 * answer has at least 400, the latest such report stands before it. Texts are separated by an empty line.
 */
export function finalText(messages: readonly Message[], firstPromptID: string): string {
  const questions = questionsOf(messages);
  const byQuestion = new Map<string, string[]>();
  for (const { parentID, text, summary } of stepsOf(messages, firstPromptID)) {
    if (!text || summary) continue;
    const question = questions.get(parentID) ?? parentID;
    const texts = byQuestion.get(question);
    if (texts) texts.push(text);
    else byQuestion.set(question, [text]);
  }
  return [...byQuestion.values()].flatMap(answerOf).join("\n\n");
}

/** For each user message the newest one up to it that was written, by their ids. */
function questionsOf(messages: readonly Message[]): Map<string, string> {
  const questions = new Map<string, string>();
  let written: string | undefined;
  for (const message of messages) {
    if (message.role !== "user") continue;
    if (message.real) written = message.id;
    if (written !== undefined) questions.set(message.id, written);
  }
  return questions;
}

function answerOf(texts: readonly string[]): string[] {
  const last = texts.slice(-1);
  if ((last[0]?.length ?? 0) > CLOSING_MOST) return last;
  const report = texts.slice(0, -1).findLast(({ length }) => length >= REPORT_LEAST);
  return report === undefined ? last : [report, ...last];
}

/** Everything that a run said so far, step by step. */
export function textSoFar(messages: readonly Message[], promptMessageID: string): string {
  const steps = stepsOf(messages, promptMessageID).filter((step) => !step.summary);
  return steps.flatMap((step) => step.text || []).join("\n\n");
}

/** Which tool failed last, and how. */
export function lastToolError(messages: readonly Message[]): string | undefined {
  for (const message of messages.toReversed()) {
    if (message.role !== "assistant") continue;
    const failed = message.tools.findLast((call) => call.status === "error");
    if (failed) return `${failed.tool}: ${failed.error ?? "failed"}`;
  }
  return undefined;
}

/** What a notice quotes of a run: its result `text`, or what failed last in `messages` when there is none. */
export function quoteOf(text: string, messages: readonly Message[]): Quote {
  const failure = text ? undefined : lastToolError(messages);
  const words = failure ? `(no text output; its last failed tool call: ${failure})` : text;
  return { text: words, total: words.length };
}

function failure(error: RunError, providerID: string): Verdict {
  if (error.name === "MessageAbortedError") return ABORTED;
  const status = error.status === undefined ? "" : `HTTP ${error.status}`;
  const words = [providerID, status, error.message].filter(Boolean).join(": ");
  return { kind: "ended", status: "failed", reason: "error", error: words };
}
