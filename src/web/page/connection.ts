/**
 * The page's way to the server: the token, the requests, and the live events. The token comes in the link's fragment,
 * is kept for this tab only and goes into the `Authorization` header, never into an address or a cookie.
 */
import { createParser } from "eventsource-parser";
import type {
  ActionView,
  AnswerBody,
  JobAction,
  JobEvent,
  JobView,
  RequestView,
  StreamPieceView,
  TokenView,
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
  const { token } =
    kind === "token" ? { token: value } : await send<TokenView>("/api/ticket", { ticket: value });
  sessionStorage.setItem(TOKEN, token);
  if (kind === "token") sessionStorage.removeItem(UNCONFIRMED);
  else sessionStorage.setItem(UNCONFIRMED, token);
  dispatchEvent(new Event(NEW_TOKEN));
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

/** Rejects with a `ServerError` for an answer that is none. */
async function request(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  headers.set("Authorization", `Bearer ${sessionStorage.getItem(TOKEN) ?? ""}`);
  const response = await fetch(path, { ...init, headers });
  if (response.ok) return response;
  const body: unknown = await response.json().catch(() => undefined);
  const isProblem = typeof body === "object" && body !== null && "error" in body;
  const text = isProblem ? String(body.error) : `the server answered ${response.status}`;
  throw new ServerError(text, response.status);
}

async function ask<T>(path: string, init?: RequestInit): Promise<T> {
  const body: T = await (await request(path, init)).json();
  return body;
}

function send<T>(path: string, body?: object): Promise<T> {
  return ask(path, {
    method: "POST",
    ...(body && { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }),
  });
}

function pathOf(id: string, what: string): string {
  return `/api/jobs/${encodeURIComponent(id)}/${what}`;
}

export function act(
  { id }: JobView,
  action: JobAction,
  body?: WriteBody | AnswerBody,
): Promise<ActionView> {
  return send(pathOf(id, action), body);
}

/** What it asks, in full. */
export function readRequest({ id }: JobView): Promise<RequestView> {
  return ask(pathOf(id, "request"));
}

export function readTranscript({ id }: JobView, signal: AbortSignal): Promise<TranscriptView> {
  return ask(pathOf(id, "transcript"), { signal });
}

/** Calls back with each event's data until the stream ends, or the signal ends it; `onHeard` when anything comes. */
async function readEvents(
  path: string,
  init: RequestInit,
  onEvent: (data: string, id: string | undefined) => void,
  onHeard: () => void = () => undefined,
): Promise<void> {
  const response = await request(path, init);
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
      const headers = new Headers(lastID === undefined ? {} : { "Last-Event-ID": lastID });
      const take = (data: string, id: string | undefined): void => {
        lastID = id;
        const event: JobEvent = JSON.parse(data);
        onEvent(event);
      };
      const either = AbortSignal.any([signal, silent.signal]);
      await readEvents("/api/events", { headers, signal: either }, take, heard);
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
  const path = `${pathOf(id, "stream")}?offset=${offset}&most=${MOST_A_SECOND}`;
  return readEvents(path, { signal }, (data) => {
    const piece: StreamPieceView = JSON.parse(data);
    onPiece(piece);
  });
}
