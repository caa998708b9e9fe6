/**
 * The routes of the web server. None takes a command, a folder or an environment; what changes something goes to the
 * OpenCode that owns the job.
 */
import { Hono, type Context } from "hono";
import { streamSSE, type SSEStreamingApi } from "hono/streaming";
import type { z } from "zod";
import { outputOf } from "../cli/survey.js";
import { isTerminal } from "../jobs/status.js";
import { followOutput } from "../output/follow.js";
import type { PatternGuard } from "../output/pattern-guard.js";
import { readOutput } from "../output/read.js";
import { openOutput } from "../output/reader.js";
import { coerceError, UserError, type Clock } from "../ports.js";
import type { JobFeed, NumberedEvent } from "./feed.js";
import { checkOrigin, checkToken, secureHeaders, type GuardOptions } from "./guard.js";
import { openApiDocument } from "./openapi.js";
import { jobsQuery, outputQuery, type JobView, type StreamPieceView } from "./schemas.js";

export interface PageFile {
  type: string;
  body: Uint8Array<ArrayBuffer>;
}

/** What the owner of a job is asked for; resolves with what it says, rejects with a `UserError` otherwise. */
export interface OwnerActions {
  stop(job: JobView): Promise<string>;
  terminate(job: JobView): Promise<string>;
  cancel(job: JobView): Promise<string>;
}

export interface AppOptions extends GuardOptions {
  clock: Clock;
  feed: JobFeed;
  patterns: PatternGuard;
  actions: OwnerActions;
  /** By path, `/` among them. */
  page: ReadonlyMap<string, PageFile>;
}

const ACTIONS = ["stop", "terminate", "cancel"] as const;
/** A silent connection is closed by what stands between. */
const HEARTBEAT_MS = 15_000;
const POLL_MS = 250;

export function createApp(options: AppOptions): Hono {
  const { feed, page } = options;
  const app = new Hono();
  app.use(secureHeaders, checkOrigin(options));
  app.use("/api/*", checkToken(options));
  app.onError((error, context) => {
    if (error instanceof UserError) return context.json({ error: error.message }, 400);
    return context.json({ error: `the server failed: ${coerceError(error).message}` }, 500);
  });
  app.notFound((context) => context.json({ error: "there is no such address" }, 404));

  for (const [path, { type, body }] of page) {
    app.get(path, () => new Response(body, { headers: { "Content-Type": type } }));
  }

  app.get("/api/openapi.json", (context) => context.json(openApiDocument()));

  app.get("/api/jobs", async (context) => {
    const wanted = read(jobsQuery, context);
    await feed.ready;
    return context.json({ jobs: feed.all().filter((job) => matches(job, wanted)) });
  });

  app.get("/api/jobs/:id", async (context) => {
    const job = await find(feed, context);
    return job ? context.json(job.view) : missing(context);
  });

  app.get("/api/jobs/:id/output", async (context) => {
    const job = await find(feed, context);
    if (!job) return missing(context);
    if (job.entry.job.kind !== "process") return noOutput(context);
    const { offset, ...wanted } = read(outputQuery, context);
    const reader = openOutput(outputOf(job.entry));
    try {
      const { bytes: recorded, dropped } = job.entry.job.output;
      const bytes = Math.max(recorded, reader?.end() ?? 0);
      const cursor = offset === undefined ? undefined : String(offset);
      const request = { ...wanted, cursor, maxBytes: 1_024 * 1_024 };
      const {
        text,
        lines,
        start,
        cursor: next,
        more,
        matches: count,
      } = await readOutput(reader, request, { bytes, dropped }, options.patterns);
      const place = { start, next: Number(next), more, bytes, dropped, matches: count };
      return context.json({ text, lines, ...place });
    } finally {
      reader?.close();
    }
  });

  app.get("/api/jobs/:id/stream", async (context) => {
    const job = await find(feed, context);
    if (!job) return missing(context);
    if (job.entry.job.kind !== "process") return noOutput(context);
    const offset = Number(context.req.query("offset") ?? "0");
    if (!Number.isInteger(offset) || offset < 0) {
      throw new UserError(`offset: expected a byte of the output, got ${JSON.stringify(offset)}`);
    }
    const file = outputOf(job.entry);
    const { id } = job.view;
    return streamSSE(context, (stream) => follow(stream, { id, file, offset }, options));
  });

  app.get("/api/events", async (context) => {
    await feed.ready;
    const last = context.req.header("last-event-id");
    const lastID = last !== undefined && /^\d{1,16}$/u.test(last) ? Number(last) : undefined;
    return streamSSE(context, (stream) => watch(stream, lastID, options));
  });

  for (const action of ACTIONS) {
    app.post(`/api/jobs/:id/${action}`, async (context) => {
      const job = await find(feed, context);
      if (!job) return missing(context);
      const text = await options.actions[action](job.view);
      feed.refresh();
      return context.json({ text });
    });
  }
  return app;
}

async function find(feed: JobFeed, context: Context): Promise<ReturnType<JobFeed["get"]>> {
  await feed.ready;
  return feed.get(context.req.param("id") ?? "");
}

function missing(context: Context): Response {
  return context.json({ error: "there is no such job" }, 404);
}

function noOutput(context: Context): Response {
  return context.json({ error: "a subagent has no output: its text is in its session" }, 409);
}

/** Query parameters by a schema; a wrong one is a `UserError` that names it. */
function read<S extends z.ZodType>(schema: S, context: Context): z.infer<S> {
  const parsed = schema.safeParse(context.req.query());
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const name = issue?.path.join(".") || (issue?.code === "unrecognized_keys" && issue.keys[0]);
  throw new UserError(`${name || "query"}: ${issue?.message ?? "wrong"}`);
}

function matches(job: JobView, wanted: z.infer<typeof jobsQuery>): boolean {
  return (
    (wanted.kind === undefined || job.kind === wanted.kind) &&
    (wanted.status === undefined || job.status === wanted.status) &&
    (wanted.tag === undefined || job.tags.includes(wanted.tag)) &&
    (wanted.directory === undefined || job.directory === wanted.directory) &&
    (wanted.sessionID === undefined ||
      job.rootSessionID === wanted.sessionID ||
      job.sessionID === wanted.sessionID)
  );
}

/** A watcher that reads slowly is told the latest state of each job, not each state in between. */
async function watch(
  stream: SSEStreamingApi,
  lastID: number | undefined,
  { feed, clock }: AppOptions,
): Promise<void> {
  const waiting = new Map<string, NumberedEvent>();
  let wake: () => void = () => undefined;
  const stop = feed.listen((numbered) => {
    const { event } = numbered;
    const key = event.type === "job.updated" ? event.job.id : `${event.type} ${numbered.id}`;
    // In the order of the newest: what was told last stands last.
    waiting.delete(key);
    waiting.set(key, numbered);
    wake();
  }, lastID);
  stream.onAbort(() => {
    stop();
    wake();
  });
  try {
    while (!stream.aborted) {
      for (const [key, { id, event }] of waiting) {
        waiting.delete(key);
        await stream.writeSSE({ id: String(id), event: event.type, data: JSON.stringify(event) });
      }
      if (waiting.size > 0 || stream.aborted) continue;
      const isIdle = await new Promise<boolean>((resolve) => {
        const timer = clock.after(HEARTBEAT_MS, () => resolve(true));
        wake = () => {
          timer.cancel();
          resolve(false);
        };
        if (stream.aborted) wake();
      });
      if (isIdle && !stream.aborted) await stream.write(": still here\n\n");
    }
  } finally {
    stop();
  }
}

/** Read from the file at the reader's pace: one that is slower than the process is told how much it missed. */
async function follow(
  stream: SSEStreamingApi,
  { id, file, offset }: { id: string; file: string; offset: number },
  { feed, clock }: AppOptions,
): Promise<void> {
  const gone = new AbortController();
  stream.onAbort(() => gone.abort());
  const hasEnded = (): boolean => {
    const found = feed.get(id);
    return !found || isTerminal(found.entry.job.status) || found.entry.fate === "interrupted";
  };
  let isOver = hasEnded();
  const source = {
    open: () => openOutput(file),
    hasEnded: () => isOver,
    // The file tells nothing by itself: looked at four times a second while someone follows it.
    onChange: (listener: () => void) => {
      let timer = clock.after(POLL_MS, look);
      function look(): void {
        isOver = hasEnded();
        listener();
        if (!isOver) timer = clock.after(POLL_MS, look);
      }
      return () => timer.cancel();
    },
  };
  const send = (piece: StreamPieceView) =>
    stream.writeSSE({ event: piece.type, data: JSON.stringify(piece) });
  for await (const piece of followOutput(source, offset, gone.signal)) {
    await send({
      type: "chunk",
      stream: piece.stream,
      text: piece.text,
      at: new Date(clock.now()).toISOString(),
      ...(piece.lost > 0 && { skipped: piece.lost }),
    });
  }
  if (!gone.signal.aborted) await send({ type: "end" });
}
