/**
 * The processes of one OpenCode instance: starts shell commands in the background, captures their output into
 * bounded files, reads it, and ends them with everything that they started. Each is a `ProcessJob` in the
 * registry, which is the one place that says how it is; this class holds only those that run.
 *
 * `openBackground` gives one to a program without the plugin. Whoever constructs one calls `dispose`, and
 * `killAllNow` from `onHostExit`.
 *
 * @example
 * const { processes } = openBackground({ client, directory: "/project" });
 * const sessions = { parentSessionID: "ses_1", rootSessionID: "ses_1" };
 * const { job } = await processes.create({ command: "npm run dev", cwd: "/project", ...sessions });
 * const { text } = await processes.read(job.id, { mode: "tail" });
 * await processes.kill({ id: job.id }, { reason: "cancelled_by_user" });
 */
import { isEmptyFilter, matches, type JobFilter } from "../jobs/filter.js";
import type { ProcessJob } from "../jobs/job.js";
import { isTerminal } from "../jobs/status.js";
import { coerceError, requireID, UserError } from "../ports.js";
import { checkInput, type StartInput } from "./check-input.js";
import { killJob } from "./kill-job.js";
import type { LiveDeps } from "./live-deps.js";
import { LiveProcess } from "./live-process.js";
import { buildDeps, type ProcessManagerDeps } from "./manager-deps.js";
import { isSame, newProcessJob } from "./new-job.js";
import { lastLines, readJob, streamJob, type OutputSource } from "./output-access.js";
import { recoverJob } from "./recover-job.js";
import { outputFile } from "../output/format.js";
import { forget, prune } from "./retention.js";
import { chooseShell } from "../system/spawn.js";
import { StartWait } from "./start-wait.js";
import type { CreateInput, CreateOptions, CreateResult, KillOptions, KillReport } from "./types.js";
import type { ReadRequest, ReadResult, StreamOptions, StreamPiece } from "../output/types.js";

export type * from "./types.js";
export type { ProcessManagerDeps } from "./manager-deps.js";

export class BackgroundProcessManager {
  readonly #deps: LiveDeps;
  readonly #own: ProcessManagerDeps;
  readonly #live = new Map<string, LiveProcess>();
  /** Kills of what earlier hosts left. */
  readonly #background = new Set<Promise<void>>();
  #disposing: Promise<void> | undefined;

  constructor(own: ProcessManagerDeps) {
    this.#own = own;
    this.#deps = buildDeps(own);
  }

  /** Throws the `UserError` that `create` would throw for these arguments; nothing is started. */
  check(input: StartInput): void {
    const { maxProcesses } = this.#deps.options;
    if (this.#disposing) throw new UserError("OpenCode is closing: no process can be started");
    checkInput(input);
    if (this.#live.size >= maxProcesses) {
      throw new UserError(
        `${this.#live.size} background processes run already, and the option maxProcesses is ${maxProcesses}: end one first`,
      );
    }
  }

  /**
   * Starts a process. Resolves when it runs or could not be started; when readiness was asked for, see
   * `ReadinessResult`. Throws a `UserError` for wrong arguments, beyond `maxProcesses` and when `signal` is aborted
   * before the start.
   */
  async create(input: CreateInput, { signal }: CreateOptions = {}): Promise<CreateResult> {
    requireID("parentSessionID", input.parentSessionID);
    requireID("rootSessionID", input.rootSessionID);
    this.check(input);
    const { jobs, clock, env, probe, announce } = this.#deps;
    const sameCommand = this.list().filter((job) => this.#live.has(job.id) && isSame(job, input));
    const shell = chooseShell(env);
    const job = newProcessJob(input, shell.file, new Date(clock.now()));
    const wait = new StartWait(clock, input, (text) => announce(job.id, "ready", text));
    const live = new LiveProcess(
      {
        job,
        shell,
        file: outputFile(this.#own.outputFolder(), job.id),
        env: input.env ?? {},
        onReady: () => wait.ready(),
        onNotify: (text) => announce(job.id, "output", text),
      },
      this.#deps,
    );
    this.#live.set(job.id, live);
    jobs.add(job);
    this.#own.used?.(input.parentSessionID);
    const release = this.#own.hold?.([job.id]);
    let isTold = false;
    try {
      const warnings = await wait.portWarning(probe, signal);
      const isAborted = signal?.aborted === true;
      // `start` sees it and starts nothing.
      if (isAborted) void live.kill("cancelled_by_user");
      await live.start();
      void live.ended.then(() => this.#ended(live));
      // Nobody has heard of what was never started.
      isTold = isAborted;
      if (isAborted) throw new UserError("the call was aborted; nothing was started");
      const readiness = await wait.until(live.ended, signal);
      const now = this.get(job.id) ?? job;
      const last =
        readiness === "ended" ? await lastLines(this.#source(now), this.#deps.guard) : undefined;
      // What could not be started, or ended before it was ready, is told by this answer.
      const saysEnd = isTerminal(now.status) && (last !== undefined || now.identity === undefined);
      isTold = saysEnd && !signal?.aborted;
      return { job: now, readiness, lastLines: last, sameCommand, warnings };
    } finally {
      release?.(isTold);
    }
  }

  get(id: string): ProcessJob | undefined {
    return this.#deps.jobs.getProcess(id);
  }

  /** In the order in which they were started. */
  list(filter: JobFilter = {}): ProcessJob[] {
    const { jobs } = this.#deps;
    const candidates =
      filter.sessionID === undefined ? jobs.all() : jobs.byParent(filter.sessionID);
    return candidates.filter((job) => job.kind === "process").filter((job) => matches(job, filter));
  }

  /** Throws a `UserError` on an empty filter, and kills nothing. */
  async kill(filter: JobFilter, options: KillOptions): Promise<KillReport> {
    if (isEmptyFilter(filter)) {
      throw new UserError("kill: expected an id, a session, a status or tags, got no filter");
    }
    const { remove = false, only = () => true } = options;
    const withEnded = remove || filter.id !== undefined || filter.status !== undefined;
    const chosen = this.list(filter).filter(
      (job) => (withEnded || !isTerminal(job.status)) && only(job),
    );
    return this.#kill(chosen, options);
  }

  /** Throws a `UserError` for an unknown id, a wrong pattern or cursor, or a pattern that takes too long. */
  async read(id: string, request: ReadRequest = {}): Promise<ReadResult> {
    return readJob(this.#source(this.#known(id)), request, this.#deps.guard);
  }

  /**
   * The output as it comes; ends when the process has ended and all was handed over.
   * Throws a `UserError` for an unknown id or a wrong cursor.
   */
  stream(id: string, options: StreamOptions = {}): AsyncIterable<StreamPiece> {
    return streamJob(this.#source(this.#known(id)), options);
  }

  /** `session.deleted`: ends what belongs to this session or, as its root, to its tree; global ones go on. */
  async cleanupSession(sessionID: string): Promise<KillReport> {
    const { jobs } = this.#deps;
    const chosen = [...new Set([...jobs.byParent(sessionID), ...jobs.byRoot(sessionID)])]
      .filter((job) => job.kind === "process")
      .filter((job) => !job.global && !isTerminal(job.status));
    return this.#kill(chosen, { reason: "session_deleted" });
  }

  /**
   * A process record of an earlier host, already in the registry. One that ran then has failed (interrupted) at
   * once; what is left of it is listed in the record and ended.
   */
  recover(job: ProcessJob): void {
    const kill = recoverJob(job, this.#source(job).file, this.#deps);
    if (!kill) return;
    this.#background.add(kill);
    void kill.finally(() => this.#background.delete(kill));
  }

  /** Ends everything and lets go of everything. Idempotent: a second call gives the same promise. */
  dispose(): Promise<void> {
    this.#disposing ??= this.#dispose();
    return this.#disposing;
  }

  /**
   * Synchronous, for `exit` and signals: SIGTERM to every group, records ended as host_exit. The rest is done by
   * the watchdog when the host is gone, or by us if it is not.
   */
  killAllNow(): void {
    for (const live of this.#live.values()) {
      try {
        live.killNow();
      } catch (thrown) {
        const error = coerceError(thrown).message;
        this.#deps.log("error", "a process could not be ended with the host", {
          id: live.id,
          error,
        });
      }
    }
  }

  /** Removes the outputs of ended ones beyond `totalOutputLimit`, the oldest first. Done after every end. */
  prune(): void {
    prune({ ...this.#deps, outputFolder: this.#own.outputFolder });
  }

  async #dispose(): Promise<void> {
    const kills = [...this.#live.values()].map((live) => live.kill("host_exit"));
    for (const result of await Promise.allSettled(kills)) {
      if (result.status === "fulfilled") continue;
      const error = coerceError(result.reason).message;
      this.#deps.log("error", "a process could not be ended with its instance", { error });
    }
    await Promise.all(this.#background);
    await this.#deps.watchdog.close();
    this.#deps.guard.close();
  }

  async #kill(
    chosen: readonly ProcessJob[],
    options: Pick<KillOptions, "reason" | "remove">,
  ): Promise<KillReport> {
    const outputs = { ...this.#deps, outputFolder: this.#own.outputFolder };
    const deps = { jobs: this.#deps.jobs, forget: (job: ProcessJob) => forget(outputs, job) };
    const kills = chosen.map((job) => killJob(job, this.#live.get(job.id), options, deps));
    return { jobs: await Promise.all(kills) };
  }

  #ended(live: LiveProcess): void {
    this.#live.delete(live.id);
    this.prune();
  }

  #known(id: string): ProcessJob {
    const job = this.get(id);
    if (job) return job;
    throw new UserError(`no background process has the id ${JSON.stringify(id)}`);
  }

  #source(job: ProcessJob): OutputSource {
    const file = outputFile(this.#own.outputFolder(), job.id);
    return { job, file, capture: this.#live.get(job.id)?.capture };
  }
}
