/**
 * The processes of one OpenCode instance: starts shell commands in the background, captures their output into
 * bounded files, reads it, and ends them with everything that they started. Each is a `ProcessJob` in the
 * registry, which is the one place that says how it is; this class holds only those that run.
 */
import { randomBytes } from "node:crypto";
import { isEmptyFilter, matches, type JobFilter } from "../jobs/filter.js";
import { newJobId } from "../jobs/id.js";
import type { ProcessJob } from "../jobs/job.js";
import type { JobRegistry } from "../jobs/registry.js";
import { isTerminal } from "../jobs/status.js";
import type { NoticePort } from "../notices/port.js";
import type { Options } from "../options.js";
import { followOutput } from "../output/follow.js";
import { outputFile } from "../output/format.js";
import type { OutputFs } from "../output/log.js";
import { PatternGuard } from "../output/pattern-guard.js";
import { readCursor, readOutput } from "../output/read.js";
import { openOutput } from "../output/reader.js";
import type { ReadRequest, ReadResult, StreamOptions, StreamPiece } from "../output/types.js";
import { coerceError, requireID, UserError, type Clock, type Log } from "../ports.js";
import { isAlive } from "../system/identity.js";
import { chooseKillTree, systemForKill } from "../system/kill-tree.js";
import { chooseShell, systemSpawn, type SpawnFunction } from "../system/spawn.js";
import { Watchdog } from "../system/watchdog.js";
import type { Announce } from "./capture.js";
import { checkInput, type StartInput } from "./check-input.js";
import { LiveProcess, type LiveDeps, type LiveSystem } from "./live-process.js";
import type { Probe } from "./readiness.js";
import { recoverJob } from "./recover-job.js";
import { StartWait } from "./start-wait.js";
import type {
  CreateInput,
  CreateOptions,
  CreateResult,
  KilledJob,
  KillOptions,
  KillReport,
} from "./types.js";

export type * from "./types.js";

/** What a `BackgroundProcessManager` is given. */
export interface ProcessManagerDeps {
  jobs: JobRegistry;
  clock: Clock;
  log: Log;
  options: Options;
  /** Absolute; made (0700) when the first output is written. Each output is `PROCESS_ID.log` in it. */
  outputFolder: () => string;
  /** Tells the job's session (see `Announce`); what it throws is logged. */
  announce: (job: ProcessJob, ...what: Parameters<Announce>) => void;
  /** See NoticePort; left out where ends are not announced. */
  hold?: NoticePort["hold"];
  /** A process is started for this session: it is in use, and may be woken. */
  used?: (sessionID: string) => void;
  /** The environment that processes inherit, and in which the shell is looked up; `process.env` by default. */
  env?: NodeJS.ProcessEnv;
  /** For tests: parts of the system. */
  spawn?: SpawnFunction;
  system?: LiveSystem;
  outputFs?: OutputFs;
  probe?: Probe;
  watchdog?: Watchdog;
}

/**
 * Starts, reads and ends the background processes of one directory. `openBackground` gives one to a program
 * without the plugin, as `processes`. If you construct one yourself, call `dispose` when you are done, and
 * `killAllNow` from `onHostExit`.
 *
 * @example
 * const { processes } = openBackground({ client, directory: "/project" });
 * const sessions = { parentSessionID: "ses_1", rootSessionID: "ses_1" };
 * const { job } = await processes.create({ command: "npm run dev", cwd: "/project", ...sessions });
 * const { text } = await processes.read(job.id, { mode: "tail" });
 * await processes.kill({ id: job.id }, { reason: "cancelled_by_user" });
 */
export class BackgroundProcessManager {
  readonly #deps: LiveDeps;
  readonly #own: Pick<ProcessManagerDeps, "announce" | "hold" | "used" | "outputFolder">;
  readonly #live = new Map<string, LiveProcess>();
  /** Kills of what earlier hosts left. */
  readonly #background = new Set<Promise<void>>();
  /** Processes that end together cost one look at all outputs. */
  #disposing: Promise<void> | undefined;

  constructor(own: ProcessManagerDeps) {
    this.#own = own;
    const { jobs, clock, log, options, outputFs, probe, env = process.env } = own;
    const instanceID = randomBytes(8).toString("hex");
    const system: LiveSystem = own.system ?? { ...systemForKill(clock), isAlive };
    this.#deps = {
      jobs,
      clock,
      log,
      options,
      env,
      instanceID,
      spawn: own.spawn ?? systemSpawn,
      system,
      killTree: chooseKillTree(system),
      watchdog: own.watchdog ?? new Watchdog({ clock, log, instanceID, env }),
      guard: new PatternGuard(clock),
      outputFs,
      probe,
    };
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
  async create(
    input: CreateInput,
    { signal, endWithinMilliseconds = 0 }: CreateOptions = {},
  ): Promise<CreateResult> {
    requireID("parentSessionID", input.parentSessionID);
    requireID("rootSessionID", input.rootSessionID);
    this.check(input);
    const { jobs, clock, env, probe } = this.#deps;
    const same = this.list().filter((job) => this.#live.has(job.id) && isSame(job, input));
    const shell = chooseShell(env);
    const job = newProcessJob(input, shell.file, new Date(clock.now()));
    const announce: Announce = (...what) => this.#announce(job.id, what);
    const wait = new StartWait(clock, input, (text) => announce("ready", text));
    const live = new LiveProcess(
      {
        job,
        shell,
        file: this.#fileOf(job.id),
        env: input.env ?? {},
        onReady: (line) => wait.ready(line),
        announce,
      },
      this.#deps,
    );
    this.#live.set(job.id, live);
    jobs.add(job);
    this.#own.used?.(input.parentSessionID);
    const release = this.#own.hold?.([job.id]);
    let isTold = false;
    try {
      const wasPortTaken = await wait.isPortTaken(probe, signal);
      const isAborted = signal?.aborted === true;
      // `start` sees it and starts nothing.
      if (isAborted) void live.kill("cancelled_by_user");
      await live.start({ wasPortTaken });
      void live.ended.then(() => this.#live.delete(live.id));
      // No id was given out, so no notice may follow.
      isTold = isAborted;
      if (isAborted) throw new UserError("the call was aborted; nothing was started");
      const readiness = await wait.until(live.ended, signal);
      if (readiness === "not_asked") await wait.forEnd(live.ended, endWithinMilliseconds, signal);
      const now = this.get(job.id) ?? job;
      const hasEnded = isTerminal(now.status);
      const shows = hasEnded || readiness === "ended" || readiness === "not_ready_yet";
      const last = shows ? await this.#lastLines(now) : undefined;
      // The answer says its end.
      isTold = hasEnded && !signal?.aborted;
      const warnings = wasPortTaken ? [takenWarning(input.readyPort)] : [];
      // One that was being ended at the same time is none.
      const sameCommand = same.filter(({ id }) => this.#live.get(id)?.isEnding === false);
      return { job: now, readiness, ...last, sameCommand, warnings };
    } finally {
      release?.(isTold);
    }
  }

  /** The record as it is now; undefined for an unknown id, also for that of a subagent. */
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
    return this.#read(this.#known(id), request);
  }

  /**
   * The output as it comes; ends when the process has ended and all was handed over.
   * Throws a `UserError` for an unknown id or a wrong cursor.
   */
  stream(id: string, { signal, cursor }: StreamOptions = {}): AsyncIterable<StreamPiece> {
    const job = this.#known(id);
    const capture = this.#live.get(id)?.capture;
    const { bytes } = capture?.log ?? job.output;
    return followOutput(
      {
        open: () => openOutput(this.#fileOf(id)),
        hasEnded: () => capture?.isClosed ?? true,
        onChange: (listener) => capture?.onOutput(listener) ?? (() => undefined),
      },
      readCursor(cursor, bytes),
      signal,
    );
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
   * A process record of an earlier host that was alive until `lastSign`, already in the registry. One that ran then has
   * failed (interrupted); what is left of it is listed in the record when this resolves, and is being ended.
   */
  async recover(job: ProcessJob, lastSign: Date): Promise<void> {
    const recovered = recoverJob(job, this.#fileOf(job.id), lastSign, this.#deps);
    const ended = recovered.then(({ ending }) => ending);
    this.#background.add(ended);
    void ended.finally(() => this.#background.delete(ended));
    await recovered;
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

  async #dispose(): Promise<void> {
    const kills = [...this.#live.values()].map((live) => live.kill("host_exit"));
    for (const result of await Promise.allSettled(kills)) {
      if (result.status === "fulfilled") continue;
      const error = coerceError(result.reason).message;
      this.#deps.log("error", "a process could not be ended with its instance", { error });
    }
    await Promise.allSettled(this.#background);
    try {
      await this.#deps.watchdog.close();
    } finally {
      this.#deps.guard.close();
    }
  }

  async #kill(
    chosen: readonly ProcessJob[],
    options: Pick<KillOptions, "reason" | "remove">,
  ): Promise<KillReport> {
    return { jobs: await Promise.all(chosen.map((job) => this.#killOne(job, options))) };
  }

  /** Ends one job, or finds that it has ended, and says what became of it. Never throws. */
  async #killOne(
    job: ProcessJob,
    { reason, remove = false }: Pick<KillOptions, "reason" | "remove">,
  ): Promise<KilledJob> {
    const report: KilledJob = { job, outcome: "already_ended", survivors: [], removed: false };
    try {
      const killed = await this.#live.get(job.id)?.kill(reason);
      if (killed) {
        report.survivors = killed.survivors;
        report.outcome = killed.unverified === undefined ? "killed" : "unverified";
        if (killed.survivors.length > 0) report.outcome = "survivors";
        report.error = killed.unverified;
      }
    } catch (thrown) {
      report.outcome = "error";
      report.error = coerceError(thrown).message;
    }
    report.job = this.get(job.id) ?? job;
    if (remove && isTerminal(report.job.status)) {
      // Its output goes with its record; see `store/retention.ts`.
      this.#deps.jobs.remove(job.id);
      report.removed = true;
    }
    return report;
  }

  #known(id: string): ProcessJob {
    const job = this.get(id);
    if (job) return job;
    throw new UserError(`no background process has the id ${JSON.stringify(id)}`);
  }

  #fileOf(id: string): string {
    return outputFile(this.#own.outputFolder(), id);
  }

  async #read(job: ProcessJob, request: ReadRequest): Promise<ReadResult> {
    const log = this.#live.get(job.id)?.capture.log;
    // What a full disk kept in memory is written now, if it can be.
    log?.retry();
    const { bytes, dropped } = log ?? job.output;
    const reader = openOutput(this.#fileOf(job.id));
    try {
      return await readOutput(reader, request, { bytes, dropped }, this.#deps.guard);
    } finally {
      reader?.close();
    }
  }

  /** What the answer of a start shows. */
  async #lastLines(job: ProcessJob): Promise<Pick<CreateResult, "lastLines" | "cursor">> {
    const { lines, cursor } = await this.#read(job, { mode: "tail", lines: 20, maxBytes: 4096 });
    return { lastLines: lines.map(({ text }) => text).join("\n"), cursor };
  }

  #announce(id: string, what: Parameters<Announce>): void {
    const job = this.get(id);
    if (!job) return;
    try {
      this.#own.announce(job, ...what);
    } catch (thrown) {
      const error = coerceError(thrown).message;
      this.#deps.log("error", "a line of output could not be announced", { id, error });
    }
  }
}

function takenWarning(port: number | undefined): string {
  return `Port ${port} was answering before the start: another process has it, so its answers are not taken for readiness.`;
}

const LONGEST_NAME = 60;

/** The record of a process that is about to be started. Its environment is not in it: it may hold secrets. */
function newProcessJob(input: CreateInput, shell: string, createdAt: Date): ProcessJob {
  return {
    kind: "process",
    id: newJobId("proc"),
    name: input.name ?? firstLine(input.command),
    status: "pending",
    tags: [...(input.tags ?? [])],
    group: input.group,
    parentSessionID: input.parentSessionID,
    parentMessageID: input.parentMessageID,
    rootSessionID: input.rootSessionID,
    notify: input.notify ?? true,
    createdAt,
    command: input.command,
    cwd: input.cwd,
    shell,
    global: input.global ?? false,
    output: { bytes: 0, dropped: 0 },
    readyPattern: input.readyPattern,
    readyPort: input.readyPort,
    notifyPattern: input.notifyPattern,
    timeoutSeconds: input.timeoutSeconds,
  };
}

/** Whether this job already runs what is to be started. */
function isSame(job: ProcessJob, { command, cwd }: CreateInput): boolean {
  return job.command === command && job.cwd === cwd && !isTerminal(job.status);
}

function firstLine(command: string): string {
  const line = command.trim().split("\n", 1)[0] ?? "";
  return line.length > LONGEST_NAME ? `${line.slice(0, LONGEST_NAME - 1)}…` : line;
}
