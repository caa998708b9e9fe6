/**
 * The parts of the host's messages and errors that we read, checked and brought into our own form. Shared by
 * the events and by the answers of the API, which carry the same objects.
 */
import { z } from "zod";
import type { AssistantInfo, Message, PendingRequest, RunError, ToolCall } from "./host.js";
import { parsedJson } from "../text.js";
import { isWritten } from "./written.js";

const hostError = z.object({
  name: z.string(),
  data: z
    .looseObject({
      message: z.string().optional(),
      statusCode: z.number().optional(),
      isRetryable: z.boolean().optional().catch(undefined),
      responseBody: z.string().optional().catch(undefined),
    })
    .optional(),
});

/** How providers name an error in its body; the type of the envelope ("error") is none of theirs. */
const errorBody = z.object({
  error: z.looseObject({
    code: z.string().nullish().catch(undefined),
    type: z.string().nullish().catch(undefined),
  }),
});

/** None where it is no JSON: a gateway answers with a page of HTML. */
function codesIn(body = ""): string[] {
  const error = errorBody.safeParse(parsedJson(body)).data?.error;
  return [error?.code ?? [], error?.type ?? []].flat();
}

/** An error of a form that we do not know is an error all the same. */
export const anyError = z.unknown().transform((error): RunError | undefined => {
  if (error === undefined || error === null) return undefined;
  const known = hostError.safeParse(error).data;
  if (!known) {
    const message = typeof error === "string" ? error : "an error of an unknown form";
    return { name: "UnknownError", message };
  }
  const { name, data } = known;
  const codes = codesIn(data?.responseBody);
  return {
    name,
    message: data?.message ?? name,
    status: data?.statusCode,
    isRetryable: data?.isRetryable,
    ...(codes.length > 0 && { codes }),
  };
});

/** A figure that is missing or makes no sense costs the figure, not the message. */
const count = z.number().nonnegative().transform(Math.round).catch(0);
const usage = z.object({
  input: count,
  output: count,
  reasoning: count,
  cache: z.object({ read: count }).catch({ read: 0 }),
});

export const assistantInfo = z
  .object({
    role: z.literal("assistant"),
    id: z.string(),
    parentID: z.string(),
    providerID: z.string().catch(""),
    time: z.object({ completed: z.number().nullish() }),
    finish: z.string().optional().catch(undefined),
    error: anyError,
    summary: z.boolean().catch(false),
    cost: z.number().nonnegative().catch(0),
    tokens: usage.catch({ input: 0, output: 0, reasoning: 0, cache: { read: 0 } }),
  })
  .transform(
    ({
      time,
      cost,
      tokens: { cache, ...used },
      ...info
    }): AssistantInfo & { role: "assistant" } => ({
      ...info,
      completed: typeof time.completed === "number",
      usage: { ...used, cacheRead: cache.read, cost },
    }),
  );

const userInfo = z.object({
  role: z.literal("user"),
  id: z.string(),
  agent: z.string(),
  model: z.object({
    providerID: z.string(),
    modelID: z.string(),
    variant: z.string().optional(),
  }),
});

const toolPart = z.object({
  type: z.literal("tool"),
  callID: z.string(),
  tool: z.string(),
  state: z.object({
    status: z.enum(["pending", "running", "completed", "error"]),
    error: z.string().optional(),
    output: z.string().optional(),
    metadata: z.object({ processId: z.string() }).optional().catch(undefined),
  }),
});
/** The tools of ours whose answers begin with the id of a new job. */
const CREATE_TOOLS = ["createBackgroundTask", "createBackgroundProcess"];
const JOB_ID = /^(?:bg|proc)_\w+/u;
const textPart = z.object({
  type: z.literal("text"),
  text: z.string(),
  synthetic: z.boolean().optional(),
  ignored: z.boolean().optional(),
});

const stored = z.object({
  info: z.union([assistantInfo, userInfo]),
  parts: z.array(z.looseObject({ type: z.string() })),
});

/** Undefined when the host's message has a shape that we do not know. */
export function messageOf(raw: unknown): Message | undefined {
  const message = stored.safeParse(raw).data;
  if (!message) return undefined;
  const texts = message.parts.flatMap((part) => textPart.safeParse(part).data ?? []);
  if (message.info.role === "assistant") {
    const text = texts.map((part) => part.text).join("\n");
    const tools = message.parts.flatMap((part): ToolCall[] => {
      const call = toolPart.safeParse(part).data;
      return call ? [toolCallOf(call)] : [];
    });
    return { ...message.info, text: text.trim(), tools };
  }
  const { variant, ...model } = message.info.model;
  const written = texts.filter(isWritten);
  return {
    ...message.info,
    model,
    variant,
    text: written.map((part) => part.text).join("\n"),
    real:
      !message.parts.some((part) => part.type === "compaction") &&
      (message.parts.length === 0 || message.parts.some(isWritten)),
  };
}

function toolCallOf({ callID, tool, state }: z.output<typeof toolPart>): ToolCall {
  const { output, metadata, ...rest } = state;
  // What a command prints may look like an id: of bash only what we have said beside it counts.
  const says = tool === "bash" ? metadata?.processId : CREATE_TOOLS.includes(tool) ? output : "";
  const created = JOB_ID.exec(says ?? "")?.[0];
  return { callID, tool, ...rest, ...(created === undefined ? {} : { created }) };
}

const rule = z.object({
  permission: z.string(),
  pattern: z.string(),
  action: z.enum(["allow", "deny", "ask"]),
});
export type PermissionRule = z.output<typeof rule>;
export const rules = z.array(rule);

const asked = { id: z.string(), sessionID: z.string() };

export const permissionRequest = z.object({
  ...asked,
  permission: z.string(),
  patterns: z.array(z.string()),
  always: z.array(z.string()).optional().catch(undefined),
  metadata: z.record(z.string(), z.unknown()).catch({}),
});

const question = z.object({
  question: z.string(),
  header: z.string().catch(""),
  options: z.array(z.object({ label: z.string(), description: z.string().catch("") })).catch([]),
  /** More than one option may be chosen. */
  multiple: z.boolean().catch(false),
  /** Words of one's own may be the answer. */
  custom: z.boolean().catch(true),
});
export type OpenQuestion = z.output<typeof question>;

export const questionRequest = z.object({ ...asked, questions: z.array(question) });

export function pendingPermission(request: z.output<typeof permissionRequest>): PendingRequest {
  const { id: requestID, sessionID, permission, patterns } = request;
  return {
    kind: "permission",
    requestID,
    sessionID,
    what: `${permission}: ${patterns.join(", ")}`,
  };
}

export function pendingQuestion(request: z.output<typeof questionRequest>): PendingRequest {
  const { id: requestID, sessionID, questions } = request;
  const what = questions.map((each) => each.question).join(" / ");
  return { kind: "question", requestID, sessionID, what };
}
