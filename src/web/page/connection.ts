/**
 * The page's way to the server: the token, the requests, and the live events. The token comes in the link's fragment,
 * is kept for this tab only and goes into the `Authorization` header, never into an address or a cookie.
 */
import { createParser } from "eventsource-parser";
import type {
  AnswerBody,
  JobEvent,
  JobView,
  RequestView,
  StreamPieceView,
  TranscriptView,
  WriteBody,
} from "../schemas.js";

const TOKEN = "token";
/** Of a token from a ticket, until its code was given. */
const UNCONFIRMED = "unconfirmed";
/** An event of the window: another link was opened in this tab, or its code was given. */
export const NEW_TOKEN = "new-token";
const RETRY_MS = 1_000;
/** The server says something every 15 s; one that has stopped says nothing, and closes nothing. */
const SILENCE_MS = 40_000;
/** More is no reading, and the page stays quick. */
const MOST_A_SECOND = 1_000_000;

export class ServerError extends Error {
  override readonly name = "ServerError";
  readonly status: number;

  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

/**
 * Takes the token out of the address, so that it is not shown, copied or bookmarked. A link that a browser was called
 * with has a ticket, which is exchanged for one. Rejects with what the server says of it.
 */
export async function takeToken(): Promise<void> {
  const [, kind, value] = /^#(token|ticket)=([\w-]+)$/u.exec(location.hash) ?? [];
  if (value === undefined) return;
  history.replaceState(undefined, "", location.pathname);
  const token = kind === "token" ? value : (await exchange(value)).token;
  sessionStorage.setItem(TOKEN, token);
  if (kind === "token") sessionStorage.removeItem(UNCONFIRMED);
  else sessionStorage.setItem(UNCONFIRMED, token);
  dispatchEvent(new Event(NEW_TOKEN));
}

function exchange(ticket: string): Promise<{ token: string }> {
  return send("/api/ticket", { ticket });
}

export function needsCode(): boolean {
  return sessionStorage.getItem(UNCONFIRMED) !== null;
}

/** Rejects with what the server says of a code that is wrong. */
export async function confirm(code: string): Promise<void> {
  await send("/api/confirm", { code });
  sessionStorage.removeItem(UNCONFIRMED);
  dispatchEvent(new Event(NEW_TOKEN));
}

function headers(more: Record<string, string> = {}): Record<string, string> {
  return { Authorization: `Bearer ${sessionStorage.getItem(TOKEN) ?? ""}`, ...more };
}

async function problemOf(response: Response): Promise<ServerError> {
  const body: unknown = await response.json().catch(() => undefined);
  const isProblem = typeof body === "object" && body !== null && "error" in body;
  const text = isProblem ? String(body.error) : `the server answered ${response.status}`;
  return new ServerError(text, response.status);
}

async function ask<T>(path: string, init: RequestInit = {}): Promise<T> {
  const more = Object.fromEntries(new Headers(init.headers));
  const response = await fetch(path, { ...init, headers: headers(more) });
  if (!response.ok) throw await problemOf(response);
  const body: T = await response.json();
  return body;
}

function send<T>(path: string, body?: object): Promise<T> {
  return ask(path, {
    method: "POST",
    ...(body && { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }),
  });
}

function pathOf(job: JobView, what: string): string {
  return `/api/jobs/${encodeURIComponent(job.id)}/${what}`;
}

export type Action = "stop" | "terminate" | "cancel" | "restart";

export function act(job: JobView, action: Action): Promise<{ text: string }> {
  return send(pathOf(job, action));
}

export function write(job: JobView, body: WriteBody): Promise<{ text: string }> {
  return send(pathOf(job, "write"), body);
}

/** What it asks, in full. */
export function readRequest(job: JobView): Promise<RequestView> {
  return ask(pathOf(job, "request"));
}

export function answer(job: JobView, body: AnswerBody): Promise<{ text: string }> {
  return send(pathOf(job, "answer"), body);
}

export function readTranscript(job: JobView, signal: AbortSignal): Promise<TranscriptView> {
  return ask(pathOf(job, "transcript"), { signal });
}

/** Calls back with each event's data until the stream ends, or the signal ends it; `onHeard` when anything comes. */
async function readEvents(
  path: string,
  more: Record<string, string>,
  signal: AbortSignal,
  onEvent: (data: string, id: string | undefined) => void,
  onHeard: () => void = () => undefined,
): Promise<void> {
  const response = await fetch(path, { headers: headers(more), signal });
  if (!response.ok) throw await problemOf(response);
  onHeard();
  const parser = createParser({ onEvent: ({ data, id }) => onEvent(data, id) });
  const decoder = new TextDecoder();
  const reader = response.body?.getReader();
  if (!reader) return;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    onHeard();
    parser.feed(decoder.decode(value, { stream: true }));
  }
}

interface Watcher {
  onEvent: (event: JobEvent) => void;
  onConnected: () => void;
  onProblem: (problem: Error) => void;
}

/** Its token is no more, or its name: a server that was started anew has others. */
export function isOldLink(problem: unknown): boolean {
  return problem instanceof ServerError && (problem.status === 401 || problem.status === 421);
}

/** Follows all jobs; a lost server is looked for until it is found, and goes on where it was. */
export async function watchJobs(
  { onEvent, onConnected, onProblem }: Watcher,
  signal: AbortSignal,
): Promise<void> {
  let lastID: string | undefined;
  while (!signal.aborted) {
    const silent = new AbortController();
    let timer = 0;
    let isConnected = false;
    const wait = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => silent.abort(), SILENCE_MS);
    };
    const heard = (): void => {
      wait();
      if (!isConnected) onConnected();
      isConnected = true;
    };
    try {
      wait();
      const more: Record<string, string> = lastID === undefined ? {} : { "Last-Event-ID": lastID };
      const take = (data: string, id: string | undefined): void => {
        lastID = id;
        const event: JobEvent = JSON.parse(data);
        onEvent(event);
      };
      const either = AbortSignal.any([signal, silent.signal]);
      await readEvents("/api/events", more, either, take, heard);
      onProblem(new Error("the server ended"));
    } catch (thrown) {
      if (signal.aborted) return;
      // Of an end by us the browser says its own words.
      const problem = silent.signal.aborted ? new Error("it is silent") : thrown;
      onProblem(problem instanceof Error ? problem : new Error(String(problem)));
      // A new server has new events and a new token.
      if (thrown instanceof ServerError) lastID = undefined;
      // An old token gets no better by being sent again, and ten of them close the API for a while.
      if (isOldLink(thrown)) {
        await new Promise((resolve) => addEventListener(NEW_TOKEN, resolve, { once: true }));
        continue;
      }
    } finally {
      clearTimeout(timer);
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

export function followOutput(
  id: string,
  offset: number,
  signal: AbortSignal,
  onPiece: (piece: StreamPieceView) => void,
): Promise<void> {
  const path = `/api/jobs/${encodeURIComponent(id)}/stream?offset=${offset}&most=${MOST_A_SECOND}`;
  return readEvents(path, {}, signal, (data) => {
    const piece: StreamPieceView = JSON.parse(data);
    onPiece(piece);
  });
}
