/**
 * The routes of the web server. None takes a command, a folder or an environment; what changes something goes to the
 * OpenCode that owns the job. What is more than show, stop and cancel is only passed on to the OpenCode that has
 * started this server, by the way that it gave.
 */
import { Hono, type Context } from "hono";
import { streamSSE, type SSEStreamingApi } from "hono/streaming";
import { bodyLimit } from "hono/body-limit";
import { z } from "zod";
import { userAct, type UserAct } from "../control/user-acts.js";
import { outputOf } from "../cli/survey.js";
import { isTerminal } from "../jobs/status.js";
import { followOutput, type Pace } from "../output/follow.js";
import type { PatternGuard } from "../output/pattern.js";
import { readOutput } from "../output/read.js";
import { openOutput } from "../output/reader.js";
import { coerceError, UserError, type Clock } from "../ports.js";
import type { JobFeed, NumberedEvent } from "./feed.js";
import { checkOrigin, guardApi, secureHeaders, type Guarded, type GuardOptions } from "./guard.js";
import { openApiDocument } from "./openapi.js";
import type { AskOwnerOf } from "./owner-actions.js";
import { SharedRate, SteadyPace } from "./pace.js";
import {
  actionView,
  answerBody,
  jobsQuery,
  outputQuery,
  requestView,
  streamQuery,
  transcriptView,
  writeBody,
  type JobAction,
  type JobView,
  type StreamPieceView,
} from "./schemas.js";

export interface PageFile {
  type: string;
  body: Uint8Array<ArrayBuffer>;
}

/** What the OpenCode that has started this server does for its user; rejects with a `UserError`. */
export type ActForUser = (act: UserAct) => Promise<unknown>;

export interface AppOptions extends GuardOptions {
  clock: Clock;
  feed: JobFeed;
  patterns: PatternGuard;
  askOwnerOf: AskOwnerOf;
  /** Absent where the server was started by anything else. */
  actForUser?: ActForUser | undefined;
  /** By path, `/` among them. */
  page: ReadonlyMap<string, PageFile>;
}

const OWNER_ACTS = {
  stop: { method: "stop" },
  terminate: { method: "stop", remove: true },
  cancel: { method: "cancel" },
} as const;
/** A silent connection is closed by what stands between. */
const HEARTBEAT_MS = 15_000;
const POLL_MS = 250;
const LONGEST_BODY = 64 * 1_024;

export function createApp(options: AppOptions): Hono<Guarded> {
  const { clock, feed, page } = options;
  const rate = new SharedRate(clock);
  const app = new Hono<Guarded>();
  const guard = guardApi(options);
  app.use(secureHeaders, checkOrigin(options));
  const limit = { maxSize: LONGEST_BODY, onError: tooLong };
  app.post("/api/ticket", bodyLimit(limit), guard.ticket);
  app.use("/api/*", guard.token, bodyLimit(limit));
  app.post("/api/confirm", guard.confirm);
  // Hono plays a GET for it: a stream would go on without a reader.
  app.use("/api/*", async (context, next) => {
    if (context.req.raw.method !== "HEAD") return next();
    return context.json({ error: "HEAD: expected GET or POST" }, 405);
  });
  app.onError((error, context) => {
    if (error instanceof OwnerRefusal) return context.json({ error: error.message }, 409);
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

  type Found = NonNullable<ReturnType<JobFeed["get"]>>;
  type OfJob = (context: Context<Guarded>, found: Found) => Response | Promise<Response>;
  const ofJob = (answer: OfJob) => async (context: Context<Guarded>) => {
    const found = await feed.find(context.req.param("id") ?? "");
    if (!found) return context.json({ error: "there is no such job" }, 404);
    return answer(context, found);
  };

  app.get(
    "/api/jobs/:id",
    ofJob((context, { view }) => context.json(view)),
  );

  app.get(
    "/api/jobs/:id/output",
    ofJob(async (context, { entry }) => {
      const { job } = entry;
      if (job.kind !== "process") return noOutput(context);
      const { offset, ...wanted } = read(outputQuery, context);
      const reader = openOutput(outputOf(entry));
      try {
        const { bytes: recorded, dropped } = job.output;
        const bytes = Math.max(recorded, reader?.end() ?? 0);
        const cursor = offset === undefined ? undefined : String(offset);
        const request = { ...wanted, cursor, maxBytes: 1_024 * 1_024 };
        const counts = { bytes, dropped };
        const page = await readOutput(reader, request, counts, options.patterns);
        const { text, lines, start, more, matches: count } = page;
        const place = { start, next: Number(page.cursor), more, ...counts, matches: count };
        return context.json({ text, lines, ...place });
      } finally {
        reader?.close();
      }
    }),
  );

  app.get(
    "/api/jobs/:id/stream",
    ofJob((context, { entry, view: { id, process } }) => {
      if (!process) return noOutput(context);
      const { offset = 0, most } = read(streamQuery, context);
      const pace = most === undefined ? undefined : new SteadyPace(clock, rate, most, offset);
      const wanted = { id, run: process.run, file: outputOf(entry), offset, pace };
      return streamSSE(context, (stream) => follow(stream, wanted, options));
    }),
  );

  app.get("/api/events", async (context) => {
    await feed.ready;
    const last = context.req.header("last-event-id");
    const lastID = last !== undefined && /^\d{1,16}$/u.test(last) ? Number(last) : undefined;
    return streamSSE(context, (stream) => watch(stream, lastID, options));
  });

  for (const [action, request] of Object.entries(OWNER_ACTS)) {
    const act = ofJob(async (context, { view: { id: jobID } }) => {
      const text = await byOwner(() => options.askOwnerOf({ ...request, jobID }));
      feed.refresh();
      return context.json({ text });
    });
    app.post(`/api/jobs/:id/${action}`, act);
  }

  app.get(
    "/api/jobs/:id/transcript",
    ofJob(async (context, { view: { id: jobID, kind } }) => {
      if (kind !== "subagent") {
        return context.json({ error: "a process has no session: it has output" }, 409);
      }
      const said = await byOwner(() => options.askOwnerOf({ method: "transcript", jobID }));
      const entries: unknown = JSON.parse(said);
      return context.json(transcriptView.parse({ entries }));
    }),
  );

  /** Passes an act of the user on, when this is the page that may. */
  const forUser = (
    action: JobAction,
    actOn: (view: JobView, context: Context) => UserAct | Promise<UserAct>,
  ) =>
    ofJob(async (context, { view }) => {
      const { actForUser } = options;
      if (!actForUser) return context.json({ error: NOT_HERE }, 403);
      if (!context.get("mayAct")) return context.json({ error: NOT_CONFIRMED }, 403);
      if (!view.actions.includes(action)) {
        const error = `${action} is not possible for ${view.id} from here: its state or its OpenCode is another`;
        return context.json({ error }, 409);
      }
      const act = await actOn(view, context);
      const result = await byOwner(() => actForUser(act));
      feed.refresh();
      if (act.method === "request") return context.json(requestResult.parse(result).request);
      return context.json(actionView.parse(result));
    });
  const command = ({ id: jobID, process }: JobView) => ({ jobID, command: process?.command ?? "" });

  const restart = forUser("restart", (view) => ({ method: "restart", ...command(view) }));
  const write = forUser("write", async (view, context) => {
    const body = await readBody(writeBody, context);
    return { method: "write", ...command(view), ...body };
  });
  const request = forUser("answer", ({ id }) => ({ method: "request", jobID: id }));
  const answer = forUser("answer", async ({ id }, context) => {
    const body = await readBody(answerBody, context);
    const method = "reply" in body ? ("reply" as const) : ("answer" as const);
    return userAct.parse({ method, jobID: id, ...body });
  });
  app.post("/api/jobs/:id/restart", restart).post("/api/jobs/:id/write", write);
  app.get("/api/jobs/:id/request", request).post("/api/jobs/:id/answer", answer);
  return app;
}

/** The request was right; the owner of the job has gone, or does not do it as things stand. */
class OwnerRefusal extends UserError {}

async function byOwner<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (thrown) {
    if (!(thrown instanceof UserError)) throw thrown;
    throw new OwnerRefusal(thrown.message, { cause: thrown });
  }
}

const NOT_HERE =
  "only the page that OpenCode itself has started (its option web, or its command palette) may do this";
const NOT_CONFIRMED =
  "this page does it when it was given the code that OpenCode shows, or was opened by the link there";
const requestResult = z.object({ request: requestView });

function tooLong(context: Context): Response {
  return context.json({ error: `a request has at most ${LONGEST_BODY} bytes` }, 413);
}

/** A JSON body by a schema; a wrong one is a `UserError` that names it. */
async function readBody<S extends z.ZodType>(schema: S, context: Context): Promise<z.infer<S>> {
  const body: unknown = await context.req.json().catch(() => undefined);
  return parsed(schema, body, "body");
}

function noOutput(context: Context): Response {
  return context.json({ error: "a subagent has no output: its text is in its session" }, 409);
}

/** Query parameters by a schema; a wrong one is a `UserError` that names it. */
function read<S extends z.ZodType>(schema: S, context: Context): z.infer<S> {
  return parsed(schema, context.req.query(), "query");
}

function parsed<S extends z.ZodType>(schema: S, given: unknown, where: string): z.infer<S> {
  const result = schema.safeParse(given);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const name = issue?.path.join(".") || (issue?.code === "unrecognized_keys" && issue.keys[0]);
  throw new UserError(`${name || where}: ${issue?.message ?? "wrong"}`);
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

/** What of a process is followed: one run of it, which has a file of its own. */
interface Followed {
  id: string;
  run: number;
  file: string;
  /** Bytes of the output before what is wanted. */
  offset: number;
  pace: Pace | undefined;
}

/**
 * Read from the file at the reader's pace: one that is slower than the process is told how much it missed. The stream
 * ends with the run, also when the process was started again.
 */
async function follow(
  stream: SSEStreamingApi,
  { id, run, file, offset, pace }: Followed,
  { feed, clock }: AppOptions,
): Promise<void> {
  const gone = new AbortController();
  stream.onAbort(() => gone.abort());
  const hasEnded = (): boolean => {
    const found = feed.get(id);
    if (!found || found.view.process?.run !== run) return true;
    return isTerminal(found.entry.job.status) || found.entry.fate === "interrupted";
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
  for await (const piece of followOutput(source, offset, gone.signal, pace)) {
    await send({
      type: "chunk",
      stream: piece.stream,
      text: piece.text,
      at: piece.at === undefined ? undefined : new Date(piece.at).toISOString(),
      skipped: piece.lost || undefined,
    });
  }
  if (!gone.signal.aborted) await send({ type: "end" });
}
