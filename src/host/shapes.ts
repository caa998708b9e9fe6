/**
 * The parts of the host's messages and errors that we read, checked and brought into our own form. Shared by
 * the events and by the answers of the API, which carry the same objects.
 */
import { z } from "zod";
import type { AssistantInfo, Message, RunError, ToolCall } from "./host.js";

export const hostError = z.object({
  name: z.string(),
  data: z
    .looseObject({ message: z.string().optional(), statusCode: z.number().optional() })
    .optional(),
});

export function errorOf(error: z.infer<typeof hostError>): RunError {
  return {
    name: error.name,
    message: error.data?.message ?? error.name,
    status: error.data?.statusCode,
  };
}

export const assistantInfo = z
  .object({
    role: z.literal("assistant"),
    id: z.string(),
    parentID: z.string(),
    providerID: z.string().default(""),
    time: z.object({ completed: z.number().optional() }),
    finish: z.string().optional(),
    error: hostError.optional(),
    summary: z.boolean().default(false),
    cost: z.number().default(0),
    tokens: z
      .object({
        input: z.number().default(0),
        output: z.number().default(0),
        reasoning: z.number().default(0),
        cache: z.object({ read: z.number().default(0) }).default({ read: 0 }),
      })
      .default({ input: 0, output: 0, reasoning: 0, cache: { read: 0 } }),
  })
  .transform((info): AssistantInfo & { role: "assistant" } => ({
    role: info.role,
    id: info.id,
    parentID: info.parentID,
    providerID: info.providerID,
    completed: info.time.completed !== undefined,
    finish: info.finish,
    error: info.error && errorOf(info.error),
    summary: info.summary,
    usage: {
      input: info.tokens.input,
      output: info.tokens.output,
      reasoning: info.tokens.reasoning,
      cacheRead: info.tokens.cache.read,
      cost: info.cost,
    },
  }));

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
  }),
});
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
      return call ? [{ callID: call.callID, tool: call.tool, ...call.state }] : [];
    });
    return { ...message.info, text: text.trim(), tools };
  }
  const { role, id, agent, model } = message.info;
  const written = texts.filter((part) => !part.synthetic);
  return {
    role,
    id,
    agent,
    model: { providerID: model.providerID, modelID: model.modelID },
    variant: model.variant,
    text: written.map((part) => part.text).join("\n"),
    real:
      !message.parts.some((part) => part.type === "compaction") &&
      (written.length > 0 || !texts.length),
  };
}

export function permissionText(asked: { permission: string; patterns: string[] }): string {
  return `${asked.permission}: ${asked.patterns.join(", ")}`;
}

export function questionText(asked: { questions: { question: string }[] }): string {
  return asked.questions.map((question) => question.question).join(" / ");
}
