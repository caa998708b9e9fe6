/**
 * The host port over OpenCode 1.18's HTTP API. It takes the client that a plugin is given (first or second
 * generation) and speaks the second one's types through the same transport: inside the terminal UI no port
 * listens, so a client of our own could not reach the server.
 */
import type { PluginInput } from "@opencode-ai/plugin";
import { OpencodeClient } from "@opencode-ai/sdk/v2/client";
import type { Client } from "@opencode-ai/sdk/v2/gen/client";
import type { Session } from "@opencode-ai/sdk/v2/types";
import { coerceError } from "../ports.js";
import {
  HostError,
  type AgentInfo,
  type Host,
  type Message,
  type PendingRequest,
  type PromptInput,
  type SessionInfo,
  type Toast,
} from "./host.js";
import { messageOf, permissionText, questionText } from "./shapes.js";

/** The client of `PluginInput`, or one made by `@opencode-ai/sdk/v2`. */
export type OpenCodeClient = PluginInput["client"] | OpencodeClient;

/** In a child session's metadata. */
const TASK_KEY = "backgroundTask";

/** A request sent while the server starts may never be answered. */
const REQUEST_TIMEOUT_MS = 30_000;

interface Answer<T> {
  data?: T | undefined;
  error?: unknown;
  response?: Response | undefined;
}

export class OpenCodeHost implements Host {
  readonly #api: OpencodeClient;

  constructor(client: OpenCodeClient) {
    this.#api = new OpencodeClient({ client: transportOf(client) });
  }

  async createSession({ taskID, ...input }: Parameters<Host["createSession"]>[0]) {
    const metadata = { [TASK_KEY]: taskID };
    const session = await ask("create a session", (options) =>
      this.#api.session.create({ ...input, metadata }, options),
    );
    return sessionInfo(session);
  }

  async session(sessionID: string): Promise<SessionInfo | undefined> {
    try {
      return sessionInfo(
        await ask(`read session ${sessionID}`, (options) =>
          this.#api.session.get({ sessionID }, options),
        ),
      );
    } catch (thrown) {
      if (thrown instanceof HostError && thrown.status === 404) return undefined;
      throw thrown;
    }
  }

  async children(sessionID: string): Promise<SessionInfo[]> {
    const children = await ask(`list the children of ${sessionID}`, (options) =>
      this.#api.session.children({ sessionID }, options),
    );
    return (children ?? []).map((child) => sessionInfo(child));
  }

  async prompt({ text, synthetic, ...message }: PromptInput): Promise<void> {
    const parts = text === undefined ? [] : [{ type: "text" as const, text, synthetic }];
    await ask(`prompt session ${message.sessionID}`, (options) =>
      this.#api.session.promptAsync({ ...message, parts }, options),
    );
  }

  async abort(sessionID: string): Promise<void> {
    await ask(`abort session ${sessionID}`, (options) =>
      this.#api.session.abort({ sessionID }, options),
    );
  }

  async busySessions(): Promise<ReadonlySet<string>> {
    const status = await ask("read the sessions' status", (options) =>
      this.#api.session.status({}, options),
    );
    const busy = Object.entries(status ?? {}).filter(([, { type }]) => type !== "idle");
    return new Set(busy.map(([sessionID]) => sessionID));
  }

  async messages(sessionID: string, limit?: number): Promise<Message[]> {
    const stored = await ask(`read the messages of ${sessionID}`, (options) =>
      this.#api.session.messages({ sessionID, limit }, options),
    );
    return (stored ?? []).flatMap((message) => messageOf(message) ?? []);
  }

  async agents(): Promise<AgentInfo[]> {
    const agents = await ask("list the agents", (options) => this.#api.app.agents({}, options));
    return (agents ?? []).map(({ name, mode, hidden, model, variant, permission }) => ({
      name,
      mode,
      hidden: hidden ?? false,
      model,
      variant,
      permission,
    }));
  }

  async models(): Promise<string[]> {
    const answer = await ask("list the models", (options) =>
      this.#api.config.providers({}, options),
    );
    return (answer?.providers ?? []).flatMap((provider) =>
      Object.keys(provider.models).map((model) => `${provider.id}/${model}`),
    );
  }

  async pendingRequests(): Promise<PendingRequest[]> {
    const [permissions, questions] = await Promise.all([
      ask("list the permission requests", (options) => this.#api.permission.list({}, options)),
      ask("list the questions", (options) => this.#api.question.list({}, options)),
    ]);
    return [
      ...(permissions ?? []).map((request) => ({
        kind: "permission" as const,
        requestID: request.id,
        sessionID: request.sessionID,
        what: permissionText(request),
      })),
      ...(questions ?? []).map((request) => ({
        kind: "question" as const,
        requestID: request.id,
        sessionID: request.sessionID,
        what: questionText(request),
      })),
    ];
  }

  async rejectPermission(requestID: string, reason: string): Promise<void> {
    await ask(`reject ${requestID}`, (options) =>
      this.#api.permission.reply({ requestID, reply: "reject", message: reason }, options),
    );
  }

  async toast(toast: Toast): Promise<void> {
    await ask("show a toast", (options) => this.#api.tui.showToast({ ...toast }, options));
  }

  /** For the log port, which must never throw. */
  writeLog(level: "debug" | "info" | "warn" | "error", message: string, extra?: object): void {
    const entry = { service: "background", level, message, extra: { ...extra } };
    this.#api.app.log(entry).then(
      () => undefined,
      () => undefined, // a log line that cannot be written has nowhere to be reported
    );
  }
}

async function ask<T>(
  what: string,
  send: (options: { signal: AbortSignal }) => Promise<Answer<T>>,
): Promise<T | undefined> {
  let answer: Answer<T>;
  try {
    answer = await send({ signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) });
  } catch (thrown) {
    const error = coerceError(thrown);
    throw new HostError(`could not ${what}: ${error.message}`, undefined, { cause: error });
  }
  if (answer.error === undefined) return answer.data;
  const status = answer.response?.status;
  const words = errorText(answer.error);
  const reason = [status === undefined ? "no answer" : `HTTP ${status}`, words].filter(Boolean);
  throw new HostError(`could not ${what}: ${reason.join(": ")}`, status, { cause: answer.error });
}

/** The host's error bodies are `{ name, data: { message } }` or `{ _tag, message }`. */
function errorText(error: unknown): string {
  if (typeof error === "string") return error;
  if (typeof error !== "object" || error === null) return "";
  const inner = "data" in error ? errorText(error.data) : "";
  if (inner) return inner;
  if ("message" in error && typeof error.message === "string") return error.message;
  return "name" in error && typeof error.name === "string" ? error.name : "";
}

function sessionInfo(session: Session | undefined): SessionInfo {
  if (!session) throw new HostError("the host answered with no session");
  const { id, parentID, title, agent, directory, permission, revert, metadata, time } = session;
  const taskID = metadata?.[TASK_KEY];
  return {
    id,
    parentID,
    title,
    agent,
    taskID: typeof taskID === "string" ? taskID : undefined,
    createdAt: new Date(time.created),
    directory,
    permission: permission ?? [],
    revertedFrom: revert?.messageID,
  };
}

/** Both generations keep their transport in a protected field, named `_client` in the first. */
function transportOf(client: OpenCodeClient): Client {
  for (const field of ["_client", "client"]) {
    const transport: unknown = Reflect.get(client, field);
    if (isTransport(transport)) return transport;
  }
  throw new TypeError(
    "Expected `client` to be OpenCode's SDK client, got an object without transport",
  );
}

function isTransport(value: unknown): value is Client {
  return (
    typeof value === "object" &&
    value !== null &&
    ["get", "post", "request"].every((name) => typeof Reflect.get(value, name) === "function")
  );
}
