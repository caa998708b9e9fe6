/**
 * What an instance does for other processes of its user: it listens from its first job on, and ends jobs as their
 * user would. Nothing here starts, writes, restarts or approves: whatever an agent starts has the same user.
 */
import type { Job } from "../jobs/job.js";
import type { JobRegistry } from "../jobs/registry.js";
import { isTerminal } from "../jobs/status.js";
import { waysOf } from "../platform.js";
import { logFailure, UserError, type Clock, type Log } from "../ports.js";
import type { BackgroundProcessManager } from "../process/manager.js";
import type { JobStore } from "../store/store.js";
import type { BackgroundManager } from "../subagent/manager.js";
import { withUnverified } from "../system/kill-tree.js";
import { socketPath } from "./address.js";
import { LONGEST_ANSWER, type ControlRequest } from "./protocol.js";
import { ControlServer } from "./server.js";

export interface OwnerControlDeps {
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
  #opening: Promise<ControlServer | undefined> | undefined;
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
    await (await this.#opening)?.close();
  }

  /** Never rejects: without the socket everything else goes on. */
  async #open(): Promise<ControlServer | undefined> {
    const { clock, log, store } = this.#deps;
    // Windows has named pipes, whose rights are another matter: not offered there.
    if (!waysOf().hasProcessGroups) return undefined;
    try {
      const path = socketPath(store.folder);
      const handle = (request: ControlRequest) => this.#handle(request);
      const server = await ControlServer.listen(path, { clock, log, handle });
      store.setControl(path);
      return server;
    } catch (thrown) {
      logFailure(log, "warn", "other processes cannot reach this OpenCode")(thrown);
      return undefined;
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
