/**
 * What this plugin needs of its host, in our own words; `opencode-host.ts` is the only implementation. Every
 * method rejects with a HostError when the host refuses or cannot be reached: an answer is never made up.
 */
import type { ModelRef } from "../jobs/job.js";
import { harmlessLines } from "../text.js";
import type { OpenQuestion, PermissionRule } from "./shapes.js";

/** A refused or failed request; `status` is the HTTP status, absent when no answer came. */
export class HostError extends Error {
  override readonly name = "HostError";
  readonly status: number | undefined;

  constructor(message: string, status?: number, options?: ErrorOptions) {
    super(harmlessLines(message), options);
    this.status = status;
  }
}

export type { PermissionRule };

/** Undefined when the host says that what was asked for is not there. */
export async function unlessMissing<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (thrown) {
    if (thrown instanceof HostError && thrown.status === 404) return undefined;
    throw thrown;
  }
}

export interface SessionInfo {
  id: string;
  parentID?: string | undefined;
  title: string;
  /** Of its latest prompt. */
  agent?: string | undefined;
  /** The task of ours that runs in it, as `createSession` was told. */
  taskID?: string | undefined;
  createdAt: Date;
  directory: string;
  permission: PermissionRule[];
  /** The user has undone everything from this message on. */
  revertedFrom?: string | undefined;
  /** The user has put it away. */
  archived: boolean;
}

export interface AgentInfo {
  name: string;
  mode: "subagent" | "primary" | "all";
  hidden: boolean;
  model?: ModelRef | undefined;
  variant?: string | undefined;
  permission: PermissionRule[];
}

/** An error that the host stored in an assistant message or announced for a session. */
export interface RunError {
  /** The host's name of it, for example APIError, ProviderAuthError, MessageAbortedError. */
  name: string;
  message: string;
  /** HTTP status of the provider's answer. */
  status?: number | undefined;
  /** Whether the host takes it for something that may pass. */
  isRetryable?: boolean | undefined;
  /** What the provider calls it in the body of its answer: "insufficient_quota", "overloaded_error". */
  codes?: string[] | undefined;
}

export interface Usage {
  input: number;
  output: number;
  reasoning: number;
  cacheRead: number;
  /** US dollars. */
  cost: number;
}

/** An assistant message without its parts, as `message.updated` brings it. */
export interface AssistantInfo {
  id: string;
  /** The user message that it answers. */
  parentID: string;
  providerID: string;
  completed: boolean;
  /** How the model ended the step: "stop", "tool-calls", "length", … */
  finish?: string | undefined;
  error?: RunError | undefined;
  /** A compaction's summary, which is no answer. */
  summary: boolean;
  usage: Usage;
}

export interface ToolCall {
  callID: string;
  tool: string;
  status: "pending" | "running" | "completed" | "error";
  /** The error's text, when it failed. */
  error?: string | undefined;
  /** Of a call that started a job of ours: the job's id, as its answer begins with it. */
  created?: string | undefined;
}

export interface AssistantMessage extends AssistantInfo {
  role: "assistant";
  text: string;
  tools: ToolCall[];
}

/** Who answers: in whose name a message is sent, and by what an assistant's message is made. */
export interface Speaker {
  agent: string;
  model: ModelRef;
  variant?: string | undefined;
}

export interface UserMessage extends Speaker {
  role: "user";
  id: string;
  text: string;
  /** Written by a person: not synthetic or ignored throughout, and not a request to compact. */
  real: boolean;
}

export type Message = AssistantMessage | UserMessage;

export interface PromptInput {
  sessionID: string;
  /** Ours, so that the answer can be told apart; see `ids.ts`. */
  messageID: string;
  agent: string;
  model?: ModelRef | undefined;
  variant?: string | undefined;
  /** Left out: a turn is started on the stored message `messageID` and nothing is inserted. */
  text?: string;
  /** Shown to the model and not taken for the user's words. */
  synthetic?: boolean;
}

/** What is asked of the user and stops a run until it is answered. */
export interface PendingRequest {
  kind: "permission" | "question";
  requestID: string;
  sessionID: string;
  what: string;
}

/** A call of a tool of ours that runs. */
export interface RunningCall {
  /** What its user sees of it until it is answered. Resolves when the host has taken it. */
  show(output: string): Promise<void>;
}

/** What a pending request asks, in full. */
export type OpenRequest =
  | {
      kind: "permission";
      requestID: string;
      permission: string;
      patterns: string[];
      /** What "always" allows, which may be more than what is asked. */
      always?: string[] | undefined;
      /** The command or the change that it is about, as the host shows it to its user. */
      detail?: string | undefined;
    }
  | { kind: "question"; requestID: string; questions: OpenQuestion[] };

export type RequestAnswer =
  | { kind: "permission"; reply: "once" | "always" | "reject"; message?: string | undefined }
  /** One list for each question; without them the question is rejected. */
  | { kind: "question"; answers?: string[][] | undefined };

/** One thing that was said or done in a session, for people. */
export interface TranscriptEntry {
  at: Date;
  role: "user" | "assistant";
  kind: "text" | "reasoning" | "tool" | "error";
  /** Of a tool: what it was called with, or its error. */
  text: string;
  tool?: string | undefined;
  status?: ToolCall["status"] | undefined;
}

export interface Toast {
  title: string;
  message: string;
  variant: "info" | "success" | "warning" | "error";
}

/** A git worktree that the host makes. */
export interface MadeWorktree {
  /** Absolute. */
  folder: string;
  branch: string;
  /** Resolves when its files are there; rejects when they could not be written, or are not there after 60 s. */
  ready: Promise<void>;
}

export interface Host {
  createSession(input: {
    parentID: string;
    /** Where it lives, if not in this instance's directory. */
    directory?: string | undefined;
    title: string;
    permission: PermissionRule[];
    /** Kept with the session, so that the task can be found when every record of it is gone. */
    taskID: string;
  }): Promise<SessionInfo>;
  /** Undefined when the host says that there is no such session. */
  session(sessionID: string): Promise<SessionInfo | undefined>;
  /**
   * The same for several calls of one message: those that ask at the same time share one answer, which may be as old
   * as the first one's request.
   */
  sharedSession(sessionID: string): Promise<SessionInfo | undefined>;
  /** Its direct children. */
  children(sessionID: string): Promise<SessionInfo[]>;
  /** Resolves when the message is stored, which says nothing about a turn. */
  prompt(input: PromptInput): Promise<void>;
  abort(sessionID: string): Promise<void>;
  /** The sessions of a directory, ours if left out, that are busy or wait to retry; others are idle or do not exist. */
  busySessions(directory?: string): Promise<ReadonlySet<string>>;
  /** Oldest first; with `limit` the newest so many. */
  messages(sessionID: string, limit?: number): Promise<Message[]>;
  /** Of an assistant's message. Undefined for another's, and when the host says that there is no such message. */
  speaker(sessionID: string, messageID: string): Promise<Speaker | undefined>;
  /** Undefined when the host knows no such call, or it runs no more. */
  runningCall(
    sessionID: string,
    messageID: string,
    callID: string,
  ): Promise<RunningCall | undefined>;
  /** From how much text on the host cuts the answer of a tool, and keeps the whole in a file. */
  answerLimits(): Promise<{ lines: number; bytes: number }>;
  agents(): Promise<AgentInfo[]>;
  /** As "provider/model", of all providers that are set up. */
  models(): Promise<string[]>;
  /** Of sessions of a directory, ours if left out; so is the next. */
  pendingRequests(directory?: string): Promise<PendingRequest[]>;
  /** Undefined when it is not open any more. */
  openRequest(requestID: string, directory?: string): Promise<OpenRequest | undefined>;
  /** In the name of the user. */
  answerRequest(requestID: string, answer: RequestAnswer, directory?: string): Promise<void>;
  /** What was said and done in a session, oldest first; of its newest `limit` messages. */
  transcript(sessionID: string, limit: number): Promise<TranscriptEntry[]>;
  /** From the commit that `directory` has checked out; a taken name gets another. */
  makeWorktree(input: { name: string; directory: string }): Promise<MadeWorktree>;
  /** Ends the instance of a directory and what runs in it; the next request for it starts another. */
  disposeInstance(directory: string): Promise<void>;
  toast(toast: Toast): Promise<void>;
}
