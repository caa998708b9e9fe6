/**
 * Requests to OpenCode's HTTP API through the client that a plugin was given: inside the terminal UI no port
 * listens, so a client of our own could not reach the server. Both generations of the SDK keep the same kind of
 * transport in a protected field; its answers are checked here, whatever their types promise.
 */
import type { PluginInput } from "@opencode-ai/plugin";
import type { OpencodeClient } from "@opencode-ai/sdk/v2/client";
import { z } from "zod";
import { coerceError } from "../ports.js";
import { parsedJson } from "../text.js";
import { HostError } from "./host.js";

/** The client of `PluginInput`, or one made by `@opencode-ai/sdk` or `@opencode-ai/sdk/v2`. */
export type OpenCodeClient = PluginInput["client"] | OpencodeClient;

/** A request sent while the server starts may never be answered. */
const REQUEST_TIMEOUT_MS = 30_000;

export interface ApiRequest<T extends z.ZodType> {
  /** For the error: "could not <what>: …". */
  what: string;
  method: "GET" | "POST" | "PATCH";
  /** With its parameters in place, for example `/session/ses_1/abort`. */
  url: string;
  query?: Record<string, unknown>;
  body?: Record<string, unknown>;
  /** What the answer must look like; parts that are not named are dropped. */
  answer: T;
}

/** The form in which the SDK's transport takes a request. */
interface TransportRequest {
  method: string;
  url: string;
  query?: Record<string, unknown> | undefined;
  body?: Record<string, unknown> | undefined;
  headers: Record<string, string>;
  signal: AbortSignal;
  parseAs?: "stream";
}

interface SdkTransport {
  request(request: TransportRequest): Promise<unknown>;
}

const result = z.object({
  data: z.unknown(),
  error: z.unknown(),
  response: z.object({ status: z.number() }).optional(),
});

export class Transport {
  readonly #sdk: SdkTransport;

  /** Throws a TypeError for an object that is no client. */
  constructor(client: OpenCodeClient) {
    this.#sdk = transportOf(client);
  }

  /** Rejects with a HostError when the host refuses, does not answer or answers with something unknown. */
  async send<T extends z.ZodType>(request: ApiRequest<T>): Promise<z.output<T>> {
    const { what, method, url, query, body, answer } = request;
    const { data, error, response } = await this.#request(what, {
      method,
      url,
      query,
      body,
      headers: { "Content-Type": "application/json" },
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
    if (error !== undefined) {
      const status = response?.status;
      const words = [status === undefined ? "no answer" : `HTTP ${status}`, errorText(error)];
      const reason = words.filter(Boolean).join(": ");
      throw new HostError(`could not ${what}: ${reason}`, status, { cause: error });
    }
    const parsed = answer.safeParse(data);
    if (parsed.success) return parsed.data;
    throw new HostError(`could not ${what}: the answer has an unknown shape`, undefined, {
      cause: parsed.error,
    });
  }

  /**
   * The host's events as they come, parsed and unchecked. Ends, without an error, when the host or the signal ends it.
   * Rejects with a HostError when the host does not begin.
   */
  async events(url: string, signal: AbortSignal): Promise<AsyncIterable<unknown>> {
    const what = "listen to events";
    const { data, error } = await this.#request(what, {
      method: "GET",
      url,
      headers: { Accept: "text/event-stream" },
      signal,
      parseAs: "stream",
    });
    if (!(data instanceof ReadableStream)) {
      throw new HostError(`could not ${what}: ${errorText(error) || "no stream"}`);
    }
    const reader = data.getReader();
    // From now on, also while no event is asked for.
    signal.addEventListener("abort", () => void reader.cancel().catch(() => undefined));
    return eventsIn(reader, signal);
  }

  async #request(what: string, request: TransportRequest): Promise<z.infer<typeof result>> {
    try {
      return result.parse(await this.#sdk.request(request));
    } catch (thrown) {
      const error = coerceError(thrown);
      throw new HostError(`could not ${what}: ${error.message}`, undefined, { cause: error });
    }
  }
}

/** Of a stream of server-sent events, the data of each that is JSON. */
async function* eventsIn(
  reader: Pick<ReadableStreamDefaultReader<Uint8Array>, "read">,
  signal: AbortSignal,
): AsyncGenerator {
  const decoder = new TextDecoder();
  let rest = "";
  try {
    while (!signal.aborted) {
      const { done, value } = await reader.read();
      if (done) return;
      const blocks = (rest + decoder.decode(value, { stream: true })).split("\n\n");
      rest = blocks.pop() ?? "";
      for (const block of blocks) {
        const lines = block.split("\n").filter((line) => line.startsWith("data:"));
        const event = parsedJson(lines.map((line) => line.slice(5).trimStart()).join("\n"));
        // None: a comment, or a line that keeps the connection alive.
        if (event !== undefined) yield event;
      }
    }
  } catch (thrown) {
    if (!signal.aborted) throw thrown;
  }
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

/** The field is `_client` in the first generation and `client` in the second. */
function transportOf(client: OpenCodeClient): SdkTransport {
  for (const field of ["_client", "client"]) {
    const transport: unknown = Reflect.get(client, field);
    if (isTransport(transport)) return transport;
  }
  throw new TypeError(
    "Expected `client` to be OpenCode's SDK client, got an object without transport",
  );
}

function isTransport(value: unknown): value is SdkTransport {
  return typeof Reflect.get(Object(value), "request") === "function";
}
