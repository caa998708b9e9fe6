/**
 * What an instance does for other processes of its user: from its first job on it listens at the control socket and
 * stops and cancels its jobs as their user would. Nothing here starts, writes, restarts or approves: whatever an agent
 * starts has the same user. One request per connection; a client that says nothing, too much or anything else is
 * answered and let go.
 */
import { rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import type { Job } from "../jobs/job.js";
import type { JobRegistry } from "../jobs/registry.js";
import { isTerminal } from "../jobs/status.js";
import { waysOf } from "../platform.js";
import { type Clock, coerceError, type Log, logFailure, UserError } from "../ports.js";
import { parsedJson } from "../text.js";
import type { BackgroundProcessManager } from "../process/manager.js";
import type { JobStore } from "../store/store.js";
import type { BackgroundManager } from "../subagent/manager.js";
import { withUnverified } from "../system/kill-tree.js";
import {
  type ControlAnswer,
  type ControlRequest,
  controlRequest,
  listenAlone,
  LONGEST_ANSWER,
  LONGEST_LINE,
  socketPath,
} from "./socket.js";

interface OwnerControlDeps {
  jobs: JobRegistry;
  clock: Clock;
  log: Log;
  tasks: Pick<BackgroundManager, "cancel" | "transcript">;
  processes: Pick<BackgroundProcessManager, "kill">;
  store: Pick<JobStore, "folder" | "setControl" | "flushSync">;
}

export class OwnerControl {
  readonly #deps: OwnerControlDeps;
  readonly #stopListening: () => void;
  /** With what closes it, where it could be opened. */
  #opening: Promise<(() => Promise<void>) | undefined> | undefined;
  #isClosed = false;

  constructor(deps: OwnerControlDeps) {
    this.#deps = deps;
    this.#stopListening = deps.jobs.onChange(({ type }) => {
      if (type === "added" && !this.#isClosed) this.#opening ??= this.#open();
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#stopListening();
    const close = await this.#opening;
    await close?.();
  }

  /** Never rejects: without the socket everything else goes on. */
  async #open(): Promise<(() => Promise<void>) | undefined> {
    const { clock, log, store } = this.#deps;
    // Windows has named pipes, whose rights are another matter: not offered there.
    if (!waysOf().hasProcessGroups) return undefined;
    try {
      const path = socketPath(store.folder);
      const handle = (request: ControlRequest) => this.#handle(request);
      const close = await serveControl(path, { clock, log, handle });
      store.setControl(path);
      return close;
    } catch (thrown) {
      return logFailure(log, "warn", "other processes cannot reach this OpenCode")(thrown);
    }
  }

  async #handle(request: ControlRequest): Promise<string> {
    if (request.method === "ping") return `pid ${process.pid}`;
    const job = this.#deps.jobs.get(request.jobID);
    if (!job) throw new UserError(`there is no job ${request.jobID} here`);
    if (request.method === "transcript") return this.#transcript(job);
    const { method } = request;
    const said = await (method === "cancel" ? this.#cancel(job) : this.#stop(job, request.remove));
    // Who has asked reads the records next, and they say what it was told. A write that fails is tried again.
    this.#deps.store.flushSync();
    return said;
  }

  /** The newest of it, as much as an answer may hold. */
  async #transcript(job: Job): Promise<string> {
    if (job.kind !== "subagent") throw new UserError(`${job.id} is a process: it has output`);
    const entries = await this.#deps.tasks.transcript(job);
    let room = LONGEST_ANSWER / 4;
    const fitting = entries.toReversed().filter(({ text }) => (room -= text.length + 200) > 0);
    return JSON.stringify(fitting.toReversed());
  }

  async #cancel(job: Job): Promise<string> {
    if (job.kind !== "subagent") throw new UserError(`${job.id} is a process: stop it`);
    if (isTerminal(job.status)) throw new UserError(`${job.id} has ended: ${job.status}`);
    await this.#deps.tasks.cancel([job.id], "cancelled_by_user");
    return `${job.id}: cancelled, with what it had started`;
  }

  async #stop(job: Job, remove = false): Promise<string> {
    if (job.kind !== "process") throw new UserError(`${job.id} is a subagent: cancel it`);
    if (isTerminal(job.status) && !remove) {
      throw new UserError(`${job.id} has ended: ${job.status}`);
    }
    const options = { reason: "cancelled_by_user", remove } as const;
    const { jobs } = await this.#deps.processes.kill({ id: job.id }, options);
    const [killed] = jobs;
    if (!killed) throw new UserError(`there is no job ${job.id} here any more`);
    const { outcome, survivors, error, removed } = killed;
    if (outcome === "error") throw new UserError(`${job.id}: the kill failed: ${error ?? ""}`);
    const left = survivors.map(({ pid, command }) => `${pid} (${command})`).join(", ");
    let words: string | undefined = "ended, with everything that it had started";
    if (outcome === "already_ended") words = "had ended already";
    if (outcome === "unverified") words = withUnverified("its process group was ended", error);
    if (left) words = withUnverified(`still alive after SIGKILL: ${left}`, error);
    return `${job.id}: ${words}${removed ? "; record and output removed" : ""}`;
  }
}

/** So long a client may take to send its line. */
export const PATIENCE_MS = 5_000;
const MOST_CONNECTIONS = 32;

interface ControlServerDeps {
  clock: Clock;
  log: Log;
  /** Does what is asked; its text is for people. What it throws is the answer's error. */
  handle: (request: ControlRequest) => Promise<string>;
}

/**
 * Resolves when it listens on `path`, with the function that ends all connections and removes the socket, once or more
 * often. Rejects with the system's error, or when the folder is not ours.
 */
export async function serveControl(
  path: string,
  deps: ControlServerDeps,
): Promise<() => Promise<void>> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    serve(socket, deps);
  });
  server.maxConnections = MOST_CONNECTIONS;
  server.unref();
  await listenAlone(server, path);
  server.on("error", logFailure(deps.log, "warn", "the control socket failed"));
  return () => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => {
      // Its only error is that it is closed already.
      server.close(() => {
        rmSync(path, { force: true });
        resolve();
      });
    });
  };
}

function serve(socket: Socket, deps: ControlServerDeps): void {
  socket.unref();
  socket.setEncoding("utf8");
  const timer = deps.clock.after(PATIENCE_MS, () => {
    answer(socket, { ok: false, error: `no request came within ${PATIENCE_MS / 1000} s` });
  });
  socket.once("close", () => timer.cancel());
  // ECONNRESET, EPIPE: the client has gone, and its answer is not waited for.
  socket.on("error", logFailure(deps.log, "debug", "a control client went away"));
  let text = "";
  const listen = (piece: string): void => {
    text += piece;
    const end = text.indexOf("\n");
    if (end < 0 && text.length <= LONGEST_LINE) return;
    timer.cancel();
    socket.off("data", listen);
    const line = end < 0 || end > LONGEST_LINE ? undefined : text.slice(0, end);
    void answerTo(line, deps).then((said) => answer(socket, said));
  };
  socket.on("data", listen);
}

async function answerTo(
  line: string | undefined,
  { handle }: ControlServerDeps,
): Promise<ControlAnswer> {
  if (line === undefined) {
    return { ok: false, error: `expected one line of at most ${LONGEST_LINE} characters` };
  }
  const request = controlRequest.safeParse(parsedJson(line)).data;
  if (!request) {
    // Whatever it was, it is shown to its sender, who may be anything.
    const methods = controlRequest.options.map((option) => option.shape.method.value).join(", ");
    return { ok: false, error: `expected {"method": one of ${methods}, …}` };
  }
  try {
    return { ok: true, text: await handle(request) };
  } catch (thrown) {
    return { ok: false, error: coerceError(thrown).message };
  }
}

function answer(socket: Socket, said: ControlAnswer): void {
  socket.end(`${JSON.stringify(said)}\n`);
}
