/**
 * The host's events as the few of ours that matter. Fields are checked before they are used: an event of an
 * unknown shape is no event, and never an exception. `message.part.delta` comes for every streamed token of
 * every session, so it is answered first and without a schema.
 */
import { z } from "zod";
import type { AssistantInfo, PendingRequest, RunError } from "./host.js";
import {
  anyError,
  assistantInfo,
  pendingPermission,
  pendingQuestion,
  permissionRequest,
  questionRequest,
} from "./shapes.js";

export type HostEvent =
  /** `text`: a streamed piece of an answer, which the host stores only when the stream ends well. */
  | { type: "activity"; sessionID: string; text?: { partID: string; piece: string } }
  | { type: "busy"; sessionID: string }
  /** The end of a run, or one of several signs of it: `session.status` idle and `session.idle`, often twice. */
  | { type: "idle"; sessionID: string }
  | { type: "retry"; sessionID: string; attempt: number; message: string; nextAt: Date }
  | {
      type: "tool";
      sessionID: string;
      messageID: string;
      callID: string;
      tool: string;
      status: string;
    }
  | { type: "user"; sessionID: string; messageID: string }
  | { type: "assistant"; sessionID: string; message: AssistantInfo }
  | { type: "error"; sessionID: string; error: RunError }
  | ({ type: "asked" } & PendingRequest)
  | { type: "answered"; sessionID: string; requestID: string }
  | { type: "created"; sessionID: string; parentID: string | undefined }
  | { type: "deleted"; sessionID: string }
  | { type: "reverted"; sessionID: string; messageID: string }
  /** Something else of the session changed: nothing is undone in it. */
  | { type: "updated"; sessionID: string; archived: boolean };

const envelope = z.object({
  type: z.string(),
  properties: z.looseObject({ sessionID: z.string() }),
});

const sessionInfo = z.object({
  id: z.string(),
  parentID: z.string().optional(),
  revert: z.object({ messageID: z.string() }).nullish(),
  time: z.object({ archived: z.number().nullish() }).optional().catch(undefined),
});

const shapes = {
  status: z.object({
    status: z.discriminatedUnion("type", [
      z.object({ type: z.literal("busy") }),
      z.object({ type: z.literal("idle") }),
      z.object({
        type: z.literal("retry"),
        attempt: z.number().int().nonnegative(),
        message: z.string(),
        // The last moment that a Date can name.
        next: z.number().min(0).max(8.64e15),
      }),
    ]),
  }),
  part: z.object({
    part: z.discriminatedUnion("type", [
      z.object({
        type: z.literal("tool"),
        messageID: z.string(),
        callID: z.string(),
        tool: z.string(),
        state: z.object({ status: z.string() }),
      }),
    ]),
  }),
  message: z.object({
    info: z.discriminatedUnion("role", [
      z.object({ role: z.literal("user"), id: z.string() }),
      assistantInfo,
    ]),
  }),
  session: z.object({ info: sessionInfo }),
  error: z.object({ error: anyError }),
  answer: z.object({ requestID: z.string() }),
};

/** Undefined for everything that is none of our business. */
export function translateEvent(raw: unknown): HostEvent | undefined {
  const piece = streamedPiece(raw);
  if (piece) return piece;
  const event = envelope.safeParse(raw);
  if (!event.success) return undefined;
  const { type, properties } = event.data;
  const { sessionID } = properties;
  switch (type) {
    case "message.part.updated": {
      const part = shapes.part.safeParse(properties).data?.part;
      if (!part) return { type: "activity", sessionID };
      const { messageID, callID, tool, state } = part;
      return { type: "tool", sessionID, messageID, callID, tool, status: state.status };
    }
    case "message.updated": {
      const info = shapes.message.safeParse(properties).data?.info;
      if (!info) return undefined;
      if (info.role === "user") return { type: "user", sessionID, messageID: info.id };
      const { role: _, ...message } = info;
      return { type: "assistant", sessionID, message };
    }
    case "session.status": {
      const status = shapes.status.safeParse(properties).data?.status;
      if (status?.type !== "retry") return status && { type: status.type, sessionID };
      const { attempt, message, next } = status;
      return { type: "retry", sessionID, attempt, message, nextAt: new Date(next) };
    }
    case "session.idle":
      return { type: "idle", sessionID };
    case "session.error": {
      const error = shapes.error.safeParse(properties).data?.error;
      return error && { type: "error", sessionID, error };
    }
    case "session.created": {
      const info = shapes.session.safeParse(properties).data?.info;
      return info && { type: "created", sessionID, parentID: info.parentID };
    }
    case "session.updated": {
      const info = shapes.session.safeParse(properties).data?.info;
      if (!info) return undefined;
      const { revert, time } = info;
      if (revert) return { type: "reverted", sessionID, messageID: revert.messageID };
      return { type: "updated", sessionID, archived: typeof time?.archived === "number" };
    }
    case "session.deleted":
      return { type: "deleted", sessionID };
    case "permission.asked": {
      const asked = permissionRequest.safeParse(properties).data;
      return asked && { type: "asked", ...pendingPermission(asked) };
    }
    case "question.asked": {
      const asked = questionRequest.safeParse(properties).data;
      return asked && { type: "asked", ...pendingQuestion(asked) };
    }
    case "permission.replied":
    case "question.replied":
    case "question.rejected": {
      const answer = shapes.answer.safeParse(properties).data;
      return answer && { type: "answered", sessionID, requestID: answer.requestID };
    }
    default:
      return undefined;
  }
}

function streamedPiece(raw: unknown): HostEvent | undefined {
  if (!isObject(raw) || raw["type"] !== "message.part.delta") return undefined;
  const { properties } = raw;
  if (!isObject(properties)) return undefined;
  const { sessionID, partID, field, delta } = properties;
  if (typeof sessionID !== "string") return undefined;
  if (field !== "text" || typeof partID !== "string" || typeof delta !== "string") {
    return { type: "activity", sessionID };
  }
  return { type: "activity", sessionID, text: { partID, piece: delta } };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
