/** The host port over OpenCode 1.18's HTTP API: which request each of its methods is, and what of the answer counts. */
import { z } from "zod";
import {
  unlessMissing,
  type AgentInfo,
  type Host,
  type MadeWorktree,
  type Message,
  type OpenRequest,
  type PendingRequest,
  type PromptInput,
  type RequestAnswer,
  type RunningCall,
  type SessionInfo,
  type Speaker,
  type Toast,
  type TranscriptEntry,
} from "./host.js";
import { runningCall } from "./running-call.js";
import {
  messageOf,
  pendingPermission,
  pendingQuestion,
  permissionRequest,
  questionRequest,
  rules,
} from "./shapes.js";
import { transcriptOf } from "./transcript.js";
import { Transport, type OpenCodeClient } from "./transport.js";
import { makeWorktree } from "./worktrees.js";

/** In a child session's metadata. */
const TASK_KEY = "backgroundTask";

const ignored = z.unknown();

/** The host leaves a field out in one answer and sends null for it in another. */
function maybe<T extends z.ZodType>(schema: T) {
  return schema.nullish().transform((value) => value ?? undefined);
}

const session = z
  .object({
    id: z.string(),
    parentID: maybe(z.string()),
    title: z.string(),
    agent: maybe(z.string()),
    directory: z.string(),
    permission: maybe(rules),
    metadata: maybe(z.record(z.string(), z.unknown())),
    revert: maybe(z.object({ messageID: z.string() })),
    time: z.object({ created: z.number(), archived: maybe(z.number()) }),
  })
  .transform(({ metadata, revert, time, ...info }): SessionInfo => {
    const taskID = metadata?.[TASK_KEY];
    return {
      ...info,
      permission: info.permission ?? [],
      taskID: typeof taskID === "string" ? taskID : undefined,
      createdAt: new Date(time.created),
      revertedFrom: revert?.messageID,
      archived: time.archived !== undefined,
    };
  });

const agent = z
  .object({
    name: z.string(),
    mode: z.enum(["subagent", "primary", "all"]),
    hidden: maybe(z.boolean()),
    model: maybe(z.object({ providerID: z.string(), modelID: z.string() })),
    variant: maybe(z.string()),
    permission: maybe(rules),
  })
  .transform((info): AgentInfo => ({
    ...info,
    hidden: info.hidden ?? false,
    permission: info.permission ?? [],
  }));

const providers = z.object({
  providers: z.array(z.object({ id: z.string(), models: z.record(z.string(), z.unknown()) })),
});

const config = z.object({
  tool_output: maybe(z.object({ max_lines: maybe(z.number()), max_bytes: maybe(z.number()) })),
});

/** A user's message is made by no agent: what it says of one is elsewhere in it. */
const answering = z.object({
  info: z
    .object({
      agent: z.string(),
      providerID: z.string(),
      modelID: z.string(),
      variant: maybe(z.string()),
    })
    .transform(({ agent: name, variant, ...model }): Speaker => ({ agent: name, model, variant }))
    .optional()
    .catch(undefined),
});

const sessions = z.array(session);
const agents = z.array(agent);
const statuses = z.record(z.string(), z.object({ type: z.string() }));
const messages = z.array(z.unknown());

const permissions = z.array(permissionRequest);
const questions = z.array(questionRequest);

export class OpenCodeHost implements Host {
  readonly #api: Transport;
  readonly agents: () => Promise<AgentInfo[]>;
  readonly sharedSession: (sessionID: string) => Promise<SessionInfo | undefined>;
  readonly #speaker: (url: string) => Promise<Speaker | undefined>;

  constructor(client: OpenCodeClient) {
    this.#api = new Transport(client);
    // Several calls of one message ask for these at once.
    const listAgents = sharedWhileAsked(() => this.#get("list the agents", "/agent", agents));
    this.agents = () => listAgents("");
    this.sharedSession = sharedWhileAsked((sessionID) => this.session(sessionID));
    this.#speaker = sharedWhileAsked(async (url) => {
      return (await unlessMissing(this.#get("read who answers", url, answering)))?.info;
    });
  }

  createSession(input: Parameters<Host["createSession"]>[0]): Promise<SessionInfo> {
    const { taskID, directory, ...given } = input;
    const body = { ...given, metadata: { [TASK_KEY]: taskID } };
    return this.#post("create a session", "/session", body, session, directory);
  }

  session(sessionID: string): Promise<SessionInfo | undefined> {
    const url = path`/session/${sessionID}`;
    return unlessMissing(this.#get(`read session ${sessionID}`, url, session));
  }

  speaker(sessionID: string, messageID: string): Promise<Speaker | undefined> {
    return this.#speaker(path`/session/${sessionID}/message/${messageID}`);
  }

  children(sessionID: string): Promise<SessionInfo[]> {
    const url = path`/session/${sessionID}/children`;
    return this.#get(`list the children of ${sessionID}`, url, sessions);
  }

  async prompt({ sessionID, text, synthetic, ...message }: PromptInput): Promise<void> {
    const parts = text === undefined ? [] : [{ type: "text", text, synthetic }];
    const url = path`/session/${sessionID}/prompt_async`;
    await this.#post(`prompt session ${sessionID}`, url, { ...message, parts }, ignored);
  }

  async abort(sessionID: string): Promise<void> {
    await this.#post(`abort session ${sessionID}`, path`/session/${sessionID}/abort`, {}, ignored);
  }

  async busySessions(directory?: string): Promise<ReadonlySet<string>> {
    const what = "read the sessions' status";
    const known = await this.#get(what, "/session/status", statuses, { directory });
    const busy = Object.entries(known).filter(([, { type }]) => type !== "idle");
    return new Set(busy.map(([sessionID]) => sessionID));
  }

  async messages(sessionID: string, limit?: number): Promise<Message[]> {
    return (await this.#stored(sessionID, limit)).flatMap((message) => messageOf(message) ?? []);
  }

  runningCall(
    sessionID: string,
    messageID: string,
    callID: string,
  ): Promise<RunningCall | undefined> {
    return runningCall(this.#api, path`/session/${sessionID}/message/${messageID}`, callID);
  }

  async answerLimits(): Promise<{ lines: number; bytes: number }> {
    const { tool_output: set } = await this.#get("read the configuration", "/config", config);
    return { lines: set?.max_lines ?? 2_000, bytes: set?.max_bytes ?? 51_200 };
  }

  async models(): Promise<string[]> {
    const answer = await this.#get("list the models", "/config/providers", providers);
    return answer.providers.flatMap(({ id, models }) =>
      Object.keys(models).map((model) => `${id}/${model}`),
    );
  }

  async pendingRequests(directory?: string): Promise<PendingRequest[]> {
    const [allowed, answered] = await Promise.all([
      this.#get("list the permission requests", "/permission", permissions, { directory }),
      this.#get("list the questions", "/question", questions, { directory }),
    ]);
    return [...allowed.map(pendingPermission), ...answered.map(pendingQuestion)];
  }

  async openRequest(requestID: string, directory?: string): Promise<OpenRequest | undefined> {
    const isAsked = ({ id }: { id: string }) => id === requestID;
    const what = `read the request ${requestID}`;
    const open = await this.#get(what, "/permission", permissions, { directory });
    const asked = open.find(isAsked);
    if (asked) {
      const { permission, patterns, always, metadata } = asked;
      const detail = detailOf(metadata);
      return { kind: "permission", requestID, permission, patterns, always, detail };
    }
    const question = (await this.#get(what, "/question", questions, { directory })).find(isAsked);
    return question && { kind: "question", requestID, questions: question.questions };
  }

  async answerRequest(requestID: string, answer: RequestAnswer, directory?: string): Promise<void> {
    const { kind, ...body } = answer;
    const isReply = answer.kind === "permission" || answer.answers !== undefined;
    const url = path`/${kind}/${requestID}/${isReply ? "reply" : "reject"}`;
    await this.#post(`answer ${requestID}`, url, body, ignored, directory);
  }

  async transcript(sessionID: string, limit: number): Promise<TranscriptEntry[]> {
    return (await this.#stored(sessionID, limit)).flatMap(transcriptOf);
  }

  makeWorktree(input: { name: string; directory: string }): Promise<MadeWorktree> {
    return makeWorktree(this.#api, input);
  }

  async disposeInstance(directory: string): Promise<void> {
    await this.#post("dispose of an instance", "/instance/dispose", {}, ignored, directory);
  }

  async toast(toast: Toast): Promise<void> {
    await this.#post("show a toast", "/tui/show-toast", { ...toast }, ignored);
  }

  /** For the log port, which must never throw. */
  writeLog(level: "debug" | "info" | "warn" | "error", message: string, extra?: object): void {
    const entry = { service: "background", level, message, extra: { ...extra } };
    // A log line that cannot be written has nowhere to be reported.
    void this.#post("write to the log", "/log", entry, ignored).catch(() => undefined);
  }

  #stored(sessionID: string, limit: number | undefined): Promise<unknown[]> {
    const url = path`/session/${sessionID}/message`;
    return this.#get(`read the messages of ${sessionID}`, url, messages, { limit });
  }

  #get<T extends z.ZodType>(
    what: string,
    url: string,
    answer: T,
    query?: { directory?: string | undefined; limit?: number | undefined },
  ): Promise<z.output<T>> {
    return this.#api.send({ what, method: "GET", url, query, answer });
  }

  #post<T extends z.ZodType>(
    what: string,
    url: string,
    body: Record<string, unknown>,
    answer: T,
    directory?: string,
  ): Promise<z.output<T>> {
    return this.#api.send({ what, method: "POST", url, query: { directory }, body, answer });
  }
}

/** Calls with the same key while one of them is under way get its answer; the next one asks anew. */
function sharedWhileAsked<T>(ask: (key: string) => Promise<T>): (key: string) => Promise<T> {
  const underWay = new Map<string, Promise<T>>();
  return (key) => {
    const asked = underWay.get(key) ?? ask(key).finally(() => underWay.delete(key));
    underWay.set(key, asked);
    return asked;
  };
}

/** A long change is cut: the host's own view has all of it. */
const LONGEST_DETAIL = 20_000;

function detailOf({ command, diff }: Readonly<Record<string, unknown>>): string | undefined {
  const detail = typeof command === "string" ? command : diff;
  return typeof detail === "string" ? detail.slice(0, LONGEST_DETAIL) : undefined;
}

/** An id may come from the model: it stays one segment of the path. */
function path(fixed: TemplateStringsArray, ...ids: string[]): string {
  return String.raw({ raw: fixed }, ...ids.map((id) => encodeURIComponent(id)));
}
