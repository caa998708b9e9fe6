// Owns: a host in memory: sessions, messages with ids that sort by time, who is busy, what is pending.
// Promises: every request is recorded; any method can be made to fail or to wait; nothing happens by itself.
import { deferred, type Deferred } from "../../fixtures/deferred.js";
import {
  HostError,
  type AgentInfo,
  type AssistantMessage,
  type Host,
  type MadeWorktree,
  type Message,
  type OpenRequest,
  type PendingRequest,
  type PermissionRule,
  type PromptInput,
  type RequestAnswer,
  type SessionInfo,
  type Speaker,
  type Toast,
  type TranscriptEntry,
  type UserMessage,
} from "../../src/host/host.js";
import { IdSource } from "../../src/host/ids.js";
import type { Clock } from "../../src/ports.js";

export const MODEL = { providerID: "scripted", modelID: "m1" };
const NO_USAGE = { input: 0, output: 0, reasoning: 0, cacheRead: 0, cost: 0 };

function agent(name: string, more: Partial<AgentInfo> = {}): AgentInfo {
  return { name, mode: "subagent", hidden: false, permission: [], ...more };
}

export class FakeHost implements Host {
  readonly sessions = new Map<string, { info: SessionInfo; messages: Message[] }>();
  readonly busy = new Set<string>();
  readonly prompts: PromptInput[] = [];
  readonly aborted: string[] = [];
  readonly toasts: Toast[] = [];
  /** What users saw of running calls, in order. */
  readonly shown: { callID: string; output: string }[] = [];
  /** Until when each of these is under way. */
  onShow: (callID: string) => Promise<void> = () => Promise.resolve();
  limits = { lines: 2_000, bytes: 51_200 };
  readonly asked: PendingRequest[] = [];
  /** What requests ask in full, by their ids. */
  readonly open = new Map<string, OpenRequest>();
  readonly answered: { requestID: string; answer: RequestAnswer; directory: string | undefined }[] =
    [];
  readonly transcripts = new Map<string, TranscriptEntry[]>();
  /** How often each method was called. */
  readonly calls = new Map<keyof Host, number>();
  agentList: AgentInfo[] = [
    agent("general"),
    agent("explore", { permission: [{ permission: "edit", pattern: "*", action: "deny" }] }),
    agent("build", { mode: "primary" }),
    agent("plan", {
      mode: "primary",
      permission: [{ permission: "edit", pattern: "*", action: "deny" }],
    }),
    agent("secret", { hidden: true }),
  ];
  /** By what every message of an assistant is made. */
  speaks: Speaker = { agent: "build", model: MODEL };
  modelList = ["scripted/m1", "scripted/m2", "other/m1"];
  /** Called when a prompt has been stored. */
  onPrompt: (input: PromptInput) => void = () => undefined;
  onAbort: (sessionID: string) => void = () => undefined;
  /** Makes what it gives, or refuses. */
  onWorktree: (input: { name: string; directory: string }) => Promise<MadeWorktree> = () =>
    Promise.reject(new HostError("no worktrees here"));
  readonly disposed: string[] = [];
  /** Session rules that are really stored, when a host does not take what it is given. */
  storeRules: (rules: PermissionRule[]) => PermissionRule[] = (rules) => rules;
  /** Shared with all that prompt, so that ids sort by time within a millisecond, too. */
  readonly ids: IdSource;
  readonly #failures = new Map<keyof Host, { left: number; error: Error }>();
  readonly #gates = new Map<keyof Host, Deferred<void>>();
  #sessionCount = 0;

  constructor(clock: Clock) {
    this.ids = new IdSource(() => clock.now());
  }

  /** The next so many calls of a method reject. */
  fail(
    method: keyof Host,
    times = Infinity,
    error: Error = new HostError("scripted refusal", 500),
  ) {
    this.#failures.set(method, { left: times, error });
  }

  heal(method: keyof Host): void {
    this.#failures.delete(method);
  }

  /** Calls of a method wait until the returned promise is resolved. */
  block(method: keyof Host): Deferred<void> {
    const gate = deferred<void>();
    this.#gates.set(method, gate);
    const open = (): void => {
      if (this.#gates.get(method) === gate) this.#gates.delete(method);
    };
    gate.promise.then(open, open);
    return gate;
  }

  addSession(info: Partial<SessionInfo> = {}): string {
    const id = info.id ?? `ses_${String(++this.#sessionCount).padStart(4, "0")}`;
    const { title = "a session", createdAt = new Date(0) } = info;
    const session = {
      directory: "/project",
      permission: [],
      archived: false,
      ...info,
      title,
      createdAt,
      id,
    };
    this.sessions.set(id, { info: session, messages: [] });
    return id;
  }

  /** A session whose user has typed something. */
  addRoot(speaker: Partial<UserMessage> = {}): string {
    const id = this.addSession();
    this.addUser(id, speaker);
    return id;
  }

  addUser(sessionID: string, more: Partial<UserMessage> = {}): UserMessage {
    const message: UserMessage = {
      role: "user",
      id: this.newMessageID(),
      agent: "build",
      model: MODEL,
      text: "typed",
      real: true,
      ...more,
    };
    this.store(sessionID, message);
    return message;
  }

  /** An answer to the newest user message, finished unless told otherwise. */
  addAssistant(sessionID: string, more: Partial<AssistantMessage> = {}): AssistantMessage {
    const newest = this.#stored(sessionID).findLast(({ role }) => role === "user");
    const message: AssistantMessage = {
      role: "assistant",
      id: this.newMessageID(),
      parentID: newest?.id ?? "",
      providerID: MODEL.providerID,
      completed: true,
      finish: "stop",
      summary: false,
      usage: NO_USAGE,
      text: "",
      tools: [],
      ...more,
    };
    this.store(sessionID, message);
    return message;
  }

  newMessageID(): string {
    return this.ids.next("msg");
  }

  /** The host keeps messages in the order of their coming, whatever their ids. */
  store(sessionID: string, message: Message): void {
    this.#stored(sessionID).push(message);
  }

  async createSession(input: Parameters<Host["createSession"]>[0]) {
    await this.#call("createSession");
    const { parentID, permission, taskID, title, directory } = input;
    const id = this.addSession({
      parentID,
      ...(directory !== undefined && { directory }),
      permission: this.storeRules(permission),
      taskID,
      title,
    });
    return this.#get(id).info;
  }

  async session(sessionID: string) {
    await this.#call("session");
    return this.sessions.get(sessionID)?.info;
  }

  sharedSession(sessionID: string) {
    return this.session(sessionID);
  }

  async speaker(sessionID: string, messageID: string) {
    await this.#call("speaker");
    const isIt = ({ id }: Message) => id === messageID;
    return this.sessions.get(sessionID)?.messages.some(isIt) ? this.speaks : undefined;
  }

  async children(sessionID: string) {
    await this.#call("children");
    return [...this.sessions.values()]
      .map(({ info }) => info)
      .filter(({ parentID }) => parentID === sessionID);
  }

  async prompt(input: PromptInput) {
    await this.#call("prompt");
    this.prompts.push(input);
    const { sessionID, messageID: id, text, agent, model = MODEL, variant, synthetic } = input;
    const known = this.#stored(sessionID).some((message) => message.id === id);
    if (text !== undefined && known) throw new Error(`the parts of ${id} would be doubled`);
    if (text === undefined && !known) throw new Error(`an empty message ${id} would be inserted`);
    if (text !== undefined) {
      this.addUser(sessionID, { id, text, agent, model, variant, real: !synthetic });
    }
    this.onPrompt(input);
  }

  async abort(sessionID: string) {
    this.aborted.push(sessionID);
    await this.#call("abort");
    this.onAbort(sessionID);
  }

  async busySessions() {
    await this.#call("busySessions");
    return new Set(this.busy);
  }

  async messages(sessionID: string, limit?: number) {
    await this.#call("messages");
    const messages = this.#get(sessionID).messages;
    return limit === undefined ? [...messages] : messages.slice(-limit);
  }

  async agents() {
    await this.#call("agents");
    return this.agentList;
  }

  async runningCall(_sessionID: string, _messageID: string, callID: string) {
    await this.#call("runningCall");
    return {
      show: async (output: string) => {
        this.shown.push({ callID, output });
        await this.onShow(callID);
      },
    };
  }

  async answerLimits() {
    await this.#call("answerLimits");
    return this.limits;
  }

  async models() {
    await this.#call("models");
    return this.modelList;
  }

  async pendingRequests() {
    await this.#call("pendingRequests");
    return [...this.asked];
  }

  async openRequest(requestID: string) {
    await this.#call("openRequest");
    return this.open.get(requestID);
  }

  async answerRequest(requestID: string, answer: RequestAnswer, directory?: string) {
    await this.#call("answerRequest");
    this.answered.push({ requestID, answer, directory });
  }

  async transcript(sessionID: string) {
    await this.#call("transcript");
    return this.transcripts.get(sessionID) ?? [];
  }

  async makeWorktree(input: { name: string; directory: string }) {
    await this.#call("makeWorktree");
    return this.onWorktree(input);
  }

  async disposeInstance(directory: string) {
    await this.#call("disposeInstance");
    this.disposed.push(directory);
  }

  async toast(toast: Toast) {
    await this.#call("toast");
    this.toasts.push(toast);
  }

  async #call(method: keyof Host): Promise<void> {
    this.calls.set(method, (this.calls.get(method) ?? 0) + 1);
    await this.#gates.get(method)?.promise;
    const failure = this.#failures.get(method);
    if (!failure || failure.left <= 0) return;
    failure.left -= 1;
    throw failure.error;
  }

  #get(sessionID: string) {
    const session = this.sessions.get(sessionID);
    if (!session) throw new HostError(`Session not found: ${sessionID}`, 404);
    return session;
  }

  #stored(sessionID: string): Message[] {
    return this.#get(sessionID).messages;
  }
}
