/**
 * What the web API takes and gives. The OpenAPI document is made of these schemas, the page has its types from them,
 * and requests are checked by them.
 */
import { z } from "zod";

const time = z.iso.datetime();

export const jobAction = z.enum(["stop", "terminate", "cancel", "restart", "write", "answer"]);
export type JobAction = z.infer<typeof jobAction>;

export const jobView = z.object({
  id: z.string(),
  kind: z.enum(["subagent", "process"]),
  name: z.string(),
  /** As the record says; `fate` says what became of it since. */
  status: z.enum(["pending", "running", "completed", "failed", "cancelled"]),
  fate: z
    .enum(["active", "ended", "orphan", "interrupted", "unknown"])
    .describe(
      "active: its OpenCode lives; orphan: a process that outlived its OpenCode; interrupted: ended with it; unknown: it belongs to another machine or container",
    ),
  endReason: z.string().optional(),
  error: z.string().optional(),
  tags: z.array(z.string()),
  /** The project's folder. */
  directory: z.string(),
  projectID: z.string(),
  /** The session that started it. */
  sessionID: z.string(),
  rootSessionID: z.string(),
  createdAt: time,
  startedAt: time.optional(),
  completedAt: time.optional(),
  blockedOn: z.object({ kind: z.string(), what: z.string(), since: time }).optional(),
  stalledSince: time.optional(),
  ownerPID: z.number().int().optional(),
  unreadNotices: z.number().int(),
  /** Its session is told of its end. */
  notify: z.boolean(),
  group: z.string().optional(),
  /** Jobs that it waits for, or has waited for. */
  after: z.array(z.string()),
  actions: z
    .array(jobAction)
    .describe(
      "What can be done to it from here; restart, write and answer only from the page that its own OpenCode has started",
    ),
  process: z
    .object({
      command: z.string(),
      cwd: z.string(),
      pid: z.number().int().optional(),
      global: z.boolean(),
      exitCode: z.number().int().optional(),
      signal: z.string().optional(),
      readyAt: time.optional(),
      readyPort: z.number().int().optional(),
      outputBytes: z.number().int(),
      droppedBytes: z.number().int(),
      stdin: z.enum(["open", "terminal"]).optional(),
      /** The number of its latest run. */
      run: z.number().int(),
      restart: z.enum(["on-failure", "always"]).optional(),
    })
    .optional(),
  subagent: z
    .object({
      agent: z.string(),
      model: z.string().optional(),
      /** The child session, which OpenCode opens. */
      sessionID: z.string().optional(),
      toolCalls: z.number().int(),
      lastTool: z.string().optional(),
      runningTool: z.string().optional(),
      tokens: z.number().int(),
      /** US dollars. */
      cost: z.number(),
      runs: z.number().int(),
      resultLength: z.number().int().optional(),
      /** Of its worktree. */
      branch: z.string().optional(),
    })
    .optional(),
});
export type JobView = z.infer<typeof jobView>;

export const jobsQuery = z.strictObject({
  kind: z.enum(["subagent", "process"]).optional(),
  status: z.enum(["pending", "running", "completed", "failed", "cancelled"]).optional(),
  sessionID: z.string().optional().describe("Of the session tree that started it"),
  tag: z.string().optional(),
  directory: z.string().optional(),
});

const wholeNumber = (least: number, most: number) =>
  z
    .string()
    .regex(/^\d{1,15}$/u, `expected a whole number from ${least} to ${most}`)
    .transform(Number)
    .pipe(z.number().int().min(least).max(most));

export const outputQuery = z.strictObject({
  mode: z.enum(["tail", "head", "grep", "full"]).optional(),
  lines: wholeNumber(1, 10_000).optional(),
  pattern: z.string().max(512).optional(),
  offset: wholeNumber(0, 999_999_999_999_999).optional().describe("Byte of the output to begin at"),
});

export const streamQuery = z.strictObject({
  offset: outputQuery.shape.offset,
  most: wholeNumber(1_024, 1_000_000_000)
    .optional()
    .describe("Bytes a second, after the first 8 MiB: what comes faster is skipped, and told"),
});

export const outputView = z.object({
  text: z.string(),
  lines: z.array(z.object({ stream: z.enum(["stdout", "stderr"]).optional(), text: z.string() })),
  /** Where the answer begins and where the next one goes on, in bytes of the output. */
  start: z.number().int(),
  next: z.number().int(),
  more: z.boolean(),
  bytes: z.number().int(),
  dropped: z.number().int(),
  matches: z.number().int().optional(),
});

/** Events of `/api/jobs/{id}/stream`. */
export const streamPiece = z.object({
  type: z.enum(["chunk", "end"]),
  stream: z.enum(["stdout", "stderr"]).optional(),
  text: z.string().optional(),
  /** Bytes before this piece that this reader will not get: it was slower than the process. */
  skipped: z.number().int().optional(),
  /** When the process wrote it. */
  at: time.optional(),
});
export type StreamPieceView = z.infer<typeof streamPiece>;

/** Events of `/api/events`. */
export const jobEvent = z.discriminatedUnion("type", [
  z.object({ type: z.literal("job.updated"), job: jobView }),
  z.object({ type: z.literal("job.removed"), id: z.string() }),
  /** The events since `Last-Event-ID` are not kept any more: everything there is follows. */
  z.object({ type: z.literal("reset") }),
]);
export type JobEvent = z.infer<typeof jobEvent>;

/** What was said and done in a subagent's session. */
const transcriptEntry = z.object({
  at: z.iso.datetime(),
  role: z.enum(["user", "assistant"]),
  kind: z.enum(["text", "reasoning", "tool", "error"]),
  text: z.string(),
  tool: z.string().optional(),
  status: z.enum(["pending", "running", "completed", "error"]).optional(),
});

export const transcriptView = z.object({ entries: z.array(transcriptEntry) });
export type TranscriptView = z.infer<typeof transcriptView>;

export const writeBody = z.strictObject({
  text: z.string().max(32_768).optional(),
  keys: z.array(z.string().max(32)).max(100).optional().describe("After the text: Enter, C-c, Up"),
  end: z.boolean().optional().describe("Close its input"),
});
export type WriteBody = z.infer<typeof writeBody>;

/** What a subagent asks. */
export const requestView = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("permission"),
    requestID: z.string(),
    permission: z.string(),
    patterns: z.array(z.string()),
    always: z.array(z.string()).optional().describe("What the reply always allows"),
    detail: z.string().optional().describe("The command or the change that it is about"),
  }),
  z.object({
    kind: z.literal("question"),
    requestID: z.string(),
    questions: z.array(
      z.object({
        question: z.string(),
        header: z.string(),
        options: z.array(z.object({ label: z.string(), description: z.string() })),
        multiple: z.boolean(),
        custom: z.boolean(),
      }),
    ),
  }),
]);
export type RequestView = z.infer<typeof requestView>;

export const answerBody = z.union([
  z.strictObject({
    requestID: z.string(),
    reply: z.enum(["once", "always", "reject"]),
    message: z.string().max(4_096).optional(),
  }),
  z.strictObject({
    requestID: z.string(),
    answers: z
      .array(z.array(z.string().max(32_768)))
      .optional()
      .describe("One list for each question; left out, the question is rejected"),
  }),
]);
export type AnswerBody = z.infer<typeof answerBody>;

/** The link of a browser that OpenCode calls holds a ticket, which is exchanged for a token once. */
export const ticketBody = z.strictObject({ ticket: z.string().max(200) });
/** Of the ticket, as OpenCode tells it to its user. */
export const confirmBody = z.strictObject({ code: z.string().max(20) });
export const tokenView = z.object({ token: z.string() });
export type TokenView = z.infer<typeof tokenView>;

export const actionView = z.object({ text: z.string() });
export type ActionView = z.infer<typeof actionView>;
export const problemView = z.object({ error: z.string() });
