// Owns: how the run in each recording of a child must end: the table of the issue, with the figures of the
// recording. A root session's recording is played as a child's: the host makes no difference between them.

export interface Ending {
  name: string;
  /** "status · endReason" */
  outcome: string;
  toolCalls: number;
  /** The text that `result` gives at the end. */
  text: string;
  /** The host stored none of it: it is what was heard, in the order in which it was heard. */
  streamed?: true;
  error?: RegExp;
  /** The prompt that counts as ours; the first one by default. */
  prompt?: string;
}

const FINISHED = "completed · finished";
const ABORTED = "cancelled · cancelled_by_user";
const ANSWER = "The answer.";

export const ENDINGS: readonly Ending[] = [
  { name: "text", outcome: FINISHED, toolCalls: 0, text: ANSWER },
  { name: "untitled-root", outcome: FINISHED, toolCalls: 0, text: ANSWER },
  { name: "tools-then-text", outcome: FINISHED, toolCalls: 3, text: ANSWER },
  {
    name: "report-tool-closing",
    outcome: FINISHED,
    toolCalls: 1,
    text: `${"A finding. ".repeat(46).slice(0, 500)}\n\nDone.`,
  },
  { name: "tools-only", outcome: FINISHED, toolCalls: 1, text: "" },
  { name: "tool-error", outcome: FINISHED, toolCalls: 2, text: ANSWER },
  { name: "empty", outcome: FINISHED, toolCalls: 0, text: "" },
  { name: "length", outcome: FINISHED, toolCalls: 0, text: "The beg", error: /output limit/u },
  ...["400", "401"].map((status) => ({
    name: `error-${status}`,
    outcome: "failed · error",
    toolCalls: 0,
    text: "",
    error: new RegExp(`^scripted: HTTP ${status}: scripted ${status}$`, "u"),
  })),
  { name: "error-429-retried", outcome: FINISHED, toolCalls: 0, text: ANSWER },
  { name: "error-500-retried", outcome: FINISHED, toolCalls: 0, text: ANSWER },
  {
    name: "error-500-given-up",
    outcome: "failed · error",
    toolCalls: 0,
    text: "",
    error: /^scripted: HTTP 500: scripted 500$/u,
  },
  { name: "error-context", outcome: FINISHED, toolCalls: 0, text: ANSWER },
  {
    name: "error-after-tool",
    outcome: "failed · error",
    toolCalls: 1,
    text: "Some.",
    error: /HTTP 400/u,
  },
  { name: "cut-retried", outcome: FINISHED, toolCalls: 0, text: ANSWER },
  {
    name: "cut-given-up",
    outcome: "failed · error",
    toolCalls: 0,
    text: "The beg",
    streamed: true,
    error: /HTTP 400/u,
  },
  { name: "aborted-in-text", outcome: ABORTED, toolCalls: 0, text: "The beg" },
  { name: "aborted-in-tool", outcome: ABORTED, toolCalls: 1, text: "" },
  { name: "aborted-in-retry", outcome: ABORTED, toolCalls: 0, text: "" },
  { name: "aborted-before-answer", outcome: ABORTED, toolCalls: 0, text: "" },
  { name: "aborted-parent", outcome: FINISHED, toolCalls: 0, text: ANSWER },
  {
    name: "deleted-busy-child",
    outcome: "cancelled · session_deleted",
    toolCalls: 0,
    text: "",
  },
  {
    name: "deleted-busy-parent",
    outcome: "cancelled · session_deleted",
    toolCalls: 0,
    text: "",
  },
  { name: "no-reply", outcome: FINISHED, toolCalls: 0, text: ANSWER, prompt: "second" },
  { name: "permission-once", outcome: FINISHED, toolCalls: 1, text: ANSWER },
  { name: "permission-rejected", outcome: FINISHED, toolCalls: 1, text: "" },
  { name: "question-answered", outcome: FINISHED, toolCalls: 1, text: ANSWER },
  { name: "question-rejected", outcome: FINISHED, toolCalls: 1, text: "" },
  { name: "compaction-in-run", outcome: FINISHED, toolCalls: 1, text: ANSWER },
  { name: "task-tool", outcome: FINISHED, toolCalls: 1, text: ANSWER },
  {
    name: "unknown-agent",
    outcome: "failed · error",
    toolCalls: 0,
    text: "",
    // The second error of the recording says less; out of order it is the first.
    error: /Agent not found|UnknownError/u,
  },
];
