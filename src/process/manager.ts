/**
 * The processes of one OpenCode instance: starts shell commands in the background, captures their output into
 * bounded files, reads it, and ends them with everything that they started. Each is a `ProcessJob` in the
 * registry, which is the one place that says how it is; this class holds only those that run.
 */
import { randomBytes } from "node:crypto";
import { isEmptyFilter, matches, type JobFilter } from "../jobs/filter.js";
import type { ProcessJob } from "../jobs/job.js";
import type { JobRegistry } from "../jobs/registry.js";
import { resolveAfter } from "../jobs/order.js";
import { isTerminal, requireReason } from "../jobs/status.js";
import type { WaitingJobs } from "../jobs/waiting.js";
import type { Notices } from "../notices/notices.js";
import type { Options } from "../options.js";
import type { OutputFs } from "../output/log.js";
import { checkPattern, PatternGuard } from "../output/pattern.js";
import type { ScreenText } from "../output/screen.js";
import type { ReadRequest, ReadResult, StreamOptions, StreamPiece } from "../output/types.js";
import { coerceError, logFailure, requireID, UserError, type Clock, type Log } from "../ports.js";
import { ControlGroups } from "../system/control-group.js";
import { isAlive } from "../system/identity.js";
import { chooseKillTree, systemForKill } from "../system/kill-tree.js";
import type { TerminalStarter } from "../system/pseudo-terminal.js";
import { chooseShell, systemSpawn, type Shell, type SpawnFunction } from "../system/spawn.js";
import { Watchdog } from "../system/watchdog.js";
import { isTrueWithin, within } from "../time.js";
import type { Announce } from "./capture.js";
import {
  checkInput,
  mergedInput,
  newProcessJob,
  recordOf,
  type StartInput,
} from "./start-input.js";
import { Foreground, type ForegroundInput } from "./foreground.js";
import { ProcessLife, type RunRequest } from "./life.js";
import type { LiveDeps, LiveSystem } from "./live-process.js";
import { ProcessOutputs } from "./outputs.js";
import { isPortTaken, type Probe, StartWait } from "./readiness.js";
import { recoverJob } from "./recover-job.js";
import { untilAnswered } from "./input/write-wait.js";
import type {
  CreateInput,
  CreateOptions,
  CreateResult,
  KilledJob,
  KillOptions,
  KillReason,
  KillReport,
  RestartInput,
  WriteRequest,
  WriteResult,
} from "./types.js";

export type * from "./types.js";
export type { StartInput } from "./start-input.js";
export type { Foreground, ForegroundEnd, ForegroundInput } from "./foreground.js";
export type { ShellExit } from "./shell-process.js";

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
  /** See `Notices`; left out where ends are not announced. */
  hold?: Notices["hold"];
  /** A process is started for this session: it is in use, and may be woken. */
  used?: (sessionID: string) => void;
  /** The environment that processes inherit, and in which the shell is looked up; `process.env` by default. */
  env?: NodeJS.ProcessEnv;
  /** `shell` of OpenCode's configuration; see `chooseShell`. */
  configuredShell?: () => string | undefined;
  /** Processes that come after other jobs wait there; without it `after` is refused. */
  waiting?: Pick<WaitingJobs, "add" | "has">;
  /** For tests: parts of the system. */
  spawn?: SpawnFunction;
  system?: LiveSystem;
  outputFs?: OutputFs;
  probe?: Probe;
  watchdog?: Watchdog;
  controlGroups?: ControlGroups;
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
  readonly #deps: LiveDeps & Pick<ProcessManagerDeps, "jobs">;
  readonly #own: ProcessManagerDeps;
  /** Those that run or will. */
  readonly #lives = new Map<string, ProcessLife>();
  /** Those whose callers wait for them: no jobs. */
  readonly #foreground = new Set<Foreground>();
  /** Whose time has come while `maxProcesses` run, in that order; each looks again when it is called. */
  readonly #due = new Map<string, () => void>();
  /** The variables that processes were given, for their next runs: nowhere but here. */
  readonly #environments = new Map<string, Readonly<Record<string, string>>>();
  readonly #outputs: ProcessOutputs;
  readonly #stopListening: () => void;
  /** Kills of what earlier hosts left. */
  readonly #background = new Set<Promise<void>>();
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
      // A system of a test's own has none.
      controlGroups:
        own.controlGroups ??
        (own.system ? undefined : new ControlGroups({ instanceID, clock, log })),
      watchdog: own.watchdog ?? new Watchdog({ clock, log, instanceID, env }),
      guard: new PatternGuard(clock),
      outputFs,
      probe,
    };
    const captureOf = (id: string) => this.#lives.get(id)?.capture;
    this.#outputs = new ProcessOutputs({
      outputFolder: own.outputFolder,
      guard: this.#deps.guard,
      captureOf,
    });
    this.#stopListening = jobs.onChange(({ type, job }) => {
      if (type === "removed") this.#environments.delete(job.id);
      if (type === "ended") this.#due.get(job.id)?.();
    });
  }

  /** Throws the `UserError` that `create` would throw for these arguments; nothing is started. */
  check(input: StartInput): void {
    // What only waits takes no place.
    this.#check(input, input.after?.length ? 0 : this.#lives.size);
  }

  /**
   * With what `restart` would start a process again. Throws the `UserError` that it would throw for these arguments;
   * nothing is ended or started.
   */
  checkRestart(id: string, changes: RestartInput = {}): StartInput {
    const job = this.#known(id);
    if (this.#waits(id)) {
      const what = this.#due.has(id) ? "a place (maxProcesses)" : job.after?.join(", ");
      throw new UserError(`${id} waits for ${what} and has not been started yet`);
    }
    const env = changes.env ?? this.#environments.get(id);
    if (job.ownEnvironment && !env) {
      throw new UserError(
        `${id} had environment variables of its own, whose values are never written to disk, and the OpenCode that knew them has ended: give env again, or start the command as a new process`,
      );
    }
    const input = { ...mergedInput(job, changes), env };
    this.#check(input, this.#lives.has(id) ? this.#lives.size - 1 : this.#lives.size);
    return input;
  }

  /**
   * Starts a process. Resolves when it runs or could not be started; when readiness was asked for, see
   * `ReadinessResult`. Throws a `UserError` for wrong arguments, beyond `maxProcesses`, for a session that was deleted and
   * when `signal` is aborted before the start.
   */
  async create(input: CreateInput, options: CreateOptions = {}): Promise<CreateResult> {
    requireID("parentSessionID", input.parentSessionID);
    requireID("rootSessionID", input.rootSessionID);
    this.check(input);
    const { jobs, clock } = this.#deps;
    const sameCommand = this.list().filter((job) => this.#lives.has(job.id) && isSame(job, input));
    const shell = this.#shell();
    // No await but for a terminal: between the check and the record nothing may change.
    const terminal = input.stdin === "terminal" ? await this.#terminal() : undefined;
    if (terminal) this.check(input);
    this.#deps.jobs.refuseDeleted(input.parentSessionID, input.rootSessionID);
    const after = this.#resolveAfter(input);
    const job = newProcessJob(input, shell.file, new Date(clock.now()), after);
    if (after.length > 0) {
      if (options.signal?.aborted) throw new UserError("the call was aborted; nothing was started");
      if (input.env) this.#environments.set(job.id, input.env);
      jobs.add(job);
      this.#own.used?.(input.parentSessionID);
      this.#own.waiting?.add(job, () => void this.#startLater(job, input, shell));
      const now = this.get(job.id) ?? job;
      return { job: now, readiness: "not_asked", sameCommand, warnings: [] };
    }
    if (input.env) this.#environments.set(job.id, input.env);
    const life = this.#addLife(job);
    jobs.add(job);
    const started = await this.#start(life, { input, shell, terminal }, options);
    // One that was being ended at the same time is none.
    const still = sameCommand.filter(({ id }) => this.#lives.get(id)?.isEnding === false);
    return { ...started, sameCommand: still };
  }

  /**
   * Runs a process again, under its id: what is left out stays as it was. One that runs is ended first, verified dead,
   * and what it listened on is closed. Who is told of it stays the same. Throws as `create` does, and when it cannot
   * be ended, or is ended by another call meanwhile; the arguments are checked before anything is ended.
   */
  async restart(
    id: string,
    changes: RestartInput,
    reason: KillReason,
    options: CreateOptions = {},
  ): Promise<CreateResult> {
    const input = this.checkRestart(id, changes);
    const before = this.#known(id);
    const shell = this.#shell();
    const terminal = input.stdin === "terminal" ? await this.#terminal() : undefined;
    // Every session of its tree may do this, of a global one every session, and the user in any case.
    if (!before.global && reason !== "cancelled_by_user") {
      this.#deps.jobs.refuseDeleted(before.rootSessionID);
    }
    const running = this.#lives.get(id);
    // No await without one: of two calls at once the second must find the life that the first has added.
    if (running) await running.vacate(reason);
    const life = running ?? this.#addLife(before);
    if (input.env) this.#environments.set(id, input.env);
    const again = {
      changes: recordOf(input, shell.file),
      patience: running ? PORT_MILLISECONDS : 0,
    };
    return {
      ...(await this.#start(life, { input, shell, terminal }, options, again)),
      sameCommand: [],
    };
  }

  /**
   * Starts a command whose caller waits for its end; it is no job until it is moved, see `Foreground`. It counts for
   * no limit: what is moved goes on beyond `maxProcesses`. Throws a `UserError` for wrong arguments and for what cannot
   * be started.
   */
  async startForeground(input: ForegroundInput): Promise<Foreground> {
    if (this.#disposing) throw new UserError("OpenCode is closing: no command can be started");
    checkInput(input);
    this.#deps.jobs.refuseDeleted(input.parentSessionID, input.rootSessionID);
    const command = new Foreground(input, {
      ...this.#deps,
      shell: this.#shell(),
      fileOf: (id) => this.#outputs.fileOf(id),
      announce: (id, what) => this.#announce(id, what),
      hold: (jobIDs) => this.#own.hold?.(jobIDs),
      onMoved: (life) => {
        this.#foreground.delete(command);
        this.#keep(life);
      },
    });
    this.#foreground.add(command);
    void command.life.ended.then(() => this.#foreground.delete(command));
    await command.start();
    return command;
  }

  #resolveAfter({ after = [], parentSessionID: sessionID, rootSessionID }: CreateInput): string[] {
    if (after.length === 0) return [];
    if (!this.#own.waiting) throw new UserError("after: expected none, as nothing can wait here");
    return resolveAfter(this.#deps.jobs, { sessionID, rootSessionID }, after);
  }

  /** Not started yet: for others, or for a place. */
  #waits(id: string): boolean {
    return this.#due.has(id) || (this.#own.waiting?.has(id) ?? false);
  }

  /** What it waited for stands, and no call waits for it any more. Never rejects. */
  async #startLater(job: ProcessJob, input: CreateInput, shell: Shell): Promise<void> {
    const { probe, log, jobs, clock } = this.#deps;
    const wait = this.#startWait(job.id, input);
    wait.announceReady();
    try {
      const terminal = input.stdin === "terminal" ? await this.#terminal() : undefined;
      const mayStart = (): boolean => !this.#disposing && this.get(job.id)?.status === "pending";
      while (mayStart() && this.#lives.size >= this.#deps.options.maxProcesses) {
        await this.#placeFor(job.id);
      }
      // The next OpenCode finds that it never began.
      if (!mayStart()) return;
      this.check({ command: input.command, cwd: input.cwd });
      const life = this.#addLife(job);
      const wasPortTaken = await isPortTaken(input.readyPort, probe);
      await life.start(this.#request(job.id, { input, shell, terminal }, wait), { wasPortTaken });
    } catch (thrown) {
      const error = coerceError(thrown).message;
      log("warn", "a process that waited could not be started", { id: job.id, error });
      jobs.end(job.id, { status: "failed", reason: "error", error, at: new Date(clock.now()) });
    }
  }

  /** Resolves when a place may be free, or the job is ended. */
  async #placeFor(id: string): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#due.set(id, () => {
        // At once: of two places that come free together each wakes another one.
        this.#due.delete(id);
        resolve();
      });
    });
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

  /** Throws a `UserError` on an empty filter and an unknown reason, and kills nothing. */
  async kill(filter: JobFilter, options: KillOptions = {}): Promise<KillReport> {
    if (isEmptyFilter(filter)) {
      throw new UserError("kill: expected an id, a session, a status or tags, got no filter");
    }
    const { reason = "cancelled_by_user", remove = false, only = () => true } = options;
    requireReason(reason);
    const withEnded = remove || filter.id !== undefined || filter.status !== undefined;
    const chosen = this.list(filter).filter(
      (job) => (withEnded || !isTerminal(job.status)) && only(job),
    );
    return this.#kill(chosen, reason, remove);
  }

  /** Throws a `UserError` for an unknown id, a wrong pattern or cursor, or a pattern that takes too long. */
  async read(id: string, request: ReadRequest = {}): Promise<ReadResult> {
    return this.#outputs.read(this.#known(id), request);
  }

  /**
   * Writes into the input of a process and answers with what it printed since. Throws a `UserError` for an unknown id
   * or key, when its stdin is closed, and what `allow` throws; then nothing was written.
   */
  async write(id: string, request: WriteRequest): Promise<WriteResult> {
    const job = this.#known(id);
    const live = this.#lives.get(id);
    const { capture, input } = live ?? {};
    if (!live || !capture || isTerminal(job.status)) {
      throw new UserError(`${id} has ended: nothing was written`);
    }
    if (!input) {
      throw new UserError(
        `${id} was started with stdin "closed": start it with stdin "open" or "terminal" to write to it`,
      );
    }
    const { allow = async () => "", waitPattern, signal } = request;
    if (waitPattern !== undefined) checkPattern("waitPattern", waitPattern);
    let from = 0;
    await input.write(request, allow, () => {
      // The question may have stood for long.
      if (signal?.aborted) throw new UserError("the call was aborted; nothing was written");
      from = capture.log.bytes;
    });
    const { clock, guard } = this.#deps;
    const read = (how: ReadRequest) => this.read(id, how);
    const { ended } = live;
    const hasEcho = input.isTerminal;
    const answer = { capture, from, read, hasEcho, ended, clock, guard };
    const { output, matched } = await untilAnswered(request, answer);
    return { job: this.get(id) ?? job, output, matched };
  }

  /**
   * Types a line that the user has given in answer to what a process asks (see `input/sealed.ts`); nothing of it is
   * kept. Throws a `UserError` when it asks nothing, or something else by now.
   */
  answer(id: string, sealed: string): void {
    const live = this.#lives.get(id);
    if (!live) throw new UserError(`${id} has ended: nothing was typed`);
    live.answer(sealed);
  }

  /**
   * Resolves when a process has ended, after `milliseconds`, or when the signal aborts; at once for an unknown one.
   * Never rejects.
   */
  async wait(id: string, milliseconds: number, signal: AbortSignal): Promise<void> {
    const { jobs, clock } = this.#deps;
    const isOver = () => isTerminal(this.get(id)?.status ?? "completed");
    if (isOver()) return;
    let stopListening: () => void = () => undefined;
    const over = new Promise<void>((resolve) => {
      stopListening = jobs.onChange(({ job }) => {
        if (job.id === id && isOver()) resolve();
      });
    });
    await within(clock, milliseconds, over, signal);
    stopListening();
  }

  /** What a terminal shows now. Throws a `UserError` for an unknown id and a process without a terminal. */
  async screen(id: string): Promise<ScreenText> {
    return this.#outputs.screen(this.#known(id));
  }

  /**
   * The output as it comes; ends when the process has ended and all was handed over.
   * Throws a `UserError` for an unknown id or a wrong cursor.
   */
  stream(id: string, options: StreamOptions = {}): AsyncIterable<StreamPiece> {
    return this.#outputs.stream(this.#known(id), options);
  }

  /**
   * `session.deleted`: ends what belongs to this session or, as its root, to its tree; global ones go on. A call of
   * theirs that comes later starts nothing.
   */
  async cleanupSession(sessionID: string): Promise<KillReport> {
    const { jobs } = this.#deps;
    jobs.sessionDeleted(sessionID);
    for (const { id, life, job } of this.#foreground) {
      if (job.parentSessionID !== sessionID && job.rootSessionID !== sessionID) continue;
      const failed = logFailure(this.#deps.log, "error", "a command could not be ended", { id });
      life.kill("session_deleted").catch(failed);
    }
    const chosen = [...new Set([...jobs.byParent(sessionID), ...jobs.byRoot(sessionID)])]
      .filter((job) => job.kind === "process")
      .filter((job) => !job.global && !isTerminal(job.status));
    return this.#kill(chosen, "session_deleted");
  }

  /**
   * A process record of an earlier host that was alive until `lastSign`, already in the registry. One that ran then has
   * failed (interrupted); what is left of it is listed in the record when this resolves, and is being ended.
   */
  async recover(job: ProcessJob, lastSign: Date): Promise<void> {
    const recovered = recoverJob(job, this.#outputs.fileOf(job.id), lastSign, this.#deps);
    const ended = recovered.then(({ ending }) => ending);
    this.#inBackground(ended);
    await recovered;
  }

  #inBackground(work: Promise<void>): void {
    this.#background.add(work);
    void work.finally(() => this.#background.delete(work));
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
    const message = "a process could not be ended with the host";
    for (const live of this.#all()) {
      try {
        live.killNow();
      } catch (thrown) {
        logFailure(this.#deps.log, "error", message, { id: live.id })(thrown);
      }
    }
  }

  async #dispose(): Promise<void> {
    for (const look of this.#due.values()) look();
    const message = "a process could not be ended with its instance";
    const failed = logFailure(this.#deps.log, "error", message);
    await Promise.all(this.#all().map((live) => live.kill("host_exit").catch(failed)));
    await Promise.allSettled(this.#background);
    await this.#deps.controlGroups?.close();
    this.#stopListening();
    this.#environments.clear();
    try {
      await this.#deps.watchdog.close();
    } finally {
      this.#deps.guard.close();
    }
  }

  async #kill(
    chosen: readonly ProcessJob[],
    reason: KillReason,
    remove = false,
  ): Promise<KillReport> {
    return { jobs: await Promise.all(chosen.map((job) => this.#killOne(job, reason, remove))) };
  }

  /** Ends one job, or finds that it has ended, and says what became of it. Never throws. */
  async #killOne(job: ProcessJob, reason: KillReason, remove: boolean): Promise<KilledJob> {
    const report: KilledJob = {
      job,
      outcome: "already_ended",
      survivors: [],
      mayBeLeft: [],
      removed: false,
    };
    try {
      if (this.#waits(job.id)) {
        const at = new Date(this.#deps.clock.now());
        this.#deps.jobs.end(job.id, { status: "cancelled", reason, at });
        report.outcome = "killed";
      }
      const killed = await this.#lives.get(job.id)?.kill(reason);
      if (killed) {
        report.survivors = killed.survivors;
        report.mayBeLeft = killed.mayBeLeft ?? [];
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

  #check(input: StartInput, running: number): void {
    const { maxProcesses } = this.#deps.options;
    if (this.#disposing) throw new UserError("OpenCode is closing: no process can be started");
    checkInput(input);
    if (running >= maxProcesses) {
      throw new UserError(
        `${running} background processes run already, and the option maxProcesses is ${maxProcesses}: end one first`,
      );
    }
  }

  #addLife(job: ProcessJob): ProcessLife {
    const life = new ProcessLife(job, this.#outputs.fileOf(job.id), this.#deps);
    this.#keep(life);
    return life;
  }

  #keep(life: ProcessLife): void {
    this.#lives.set(life.id, life);
    void life.ended.then(() => {
      if (this.#lives.get(life.id) === life) this.#lives.delete(life.id);
      // In the order in which their time came; one that finds no place waits on.
      this.#due.values().next().value?.();
      this.#inBackground(life.settled);
    });
  }

  /** Everything that runs. */
  #all(): ProcessLife[] {
    return [...this.#lives.values(), ...Array.from(this.#foreground, ({ life }) => life)];
  }

  /**
   * What a call that starts a run waits for, and its answer. `changes` go into the record of one that runs again, whose
   * port may take so much `patience` to fall silent.
   */
  async #start(
    life: ProcessLife,
    how: RunInput,
    { signal, endWithinMilliseconds = 0 }: CreateOptions,
    { changes, patience = 0 }: { changes?: Partial<ProcessJob>; patience?: number } = {},
  ): Promise<Omit<CreateResult, "sameCommand">> {
    const { clock, probe } = this.#deps;
    const { id } = life;
    const { input } = how;
    const wait = this.#startWait(id, input);
    const job = this.#known(id);
    this.#own.used?.(job.parentSessionID);
    const release = this.#own.hold?.([id]);
    let isTold = false;
    try {
      const isSilent = async () => !(await isPortTaken(input.readyPort, probe, signal));
      const wasPortTaken = !(await isTrueWithin(clock, patience, isSilent));
      const isAborted = signal?.aborted === true;
      // `start` sees it and starts nothing.
      if (isAborted) void life.kill("cancelled_by_user");
      const isStarted = await life.start(this.#request(id, how, wait), { wasPortTaken, changes });
      // No id was given out, so no notice may follow.
      isTold = isAborted;
      if (isAborted) throw new UserError("the call was aborted; nothing was started");
      if (!isStarted && changes) {
        throw new UserError(`${id} was ended meanwhile: it was not started again`);
      }
      const readiness = await wait.until(life.ended, signal);
      if (readiness === "not_asked" && endWithinMilliseconds > 0) {
        await within(clock, endWithinMilliseconds, life.ended, signal);
      }
      const now = this.get(id) ?? job;
      const hasEnded = isTerminal(now.status);
      // What is typed answers to what it has printed.
      const isTalk = readiness === "not_asked" && (input.stdin ?? "closed") !== "closed";
      const shows = hasEnded || readiness === "ended" || readiness === "not_ready_yet" || isTalk;
      const last = shows
        ? await this.#outputs.lastLines(now)
        : { cursor: String(life.capture?.log.bytes ?? 0) };
      // The answer says its end.
      isTold = hasEnded && !signal?.aborted;
      const taken = `Port ${input.readyPort} was answering before the start: another process has it, so its answers are not taken for readiness.`;
      const warnings = wasPortTaken ? [taken] : [];
      return { job: now, readiness, ...last, warnings };
    } finally {
      release?.(isTold);
    }
  }

  #startWait(id: string, input: StartInput): StartWait {
    return new StartWait(this.#deps.clock, input, (text) => this.#announce(id, ["ready", text]));
  }

  #request(id: string, { input, shell, terminal }: RunInput, wait: StartWait): RunRequest {
    return {
      shell,
      terminal,
      env: { ...shownAtOnce(this.#deps.env), ...input.env },
      onReady: (line) => wait.ready(line),
      announce: (...what) => this.#announce(id, what),
    };
  }

  /** Loaded for the first terminal; throws a `UserError` where this runtime has none. */
  async #terminal(): Promise<TerminalStarter> {
    const { findTerminal } = await import("../system/pseudo-terminal.js");
    return findTerminal();
  }

  #shell(): Shell {
    return chooseShell(this.#deps.env, undefined, undefined, this.#own.configuredShell?.());
  }

  #known(id: string): ProcessJob {
    const job = this.get(id);
    if (job) return job;
    throw new UserError(`no background process has the id ${JSON.stringify(id)}`);
  }

  #announce(id: string, what: Parameters<Announce>): void {
    const job = this.get(id);
    if (!job) return;
    try {
      this.#own.announce(job, ...what);
    } catch (thrown) {
      logFailure(this.#deps.log, "error", "a line of output could not be announced", { id })(
        thrown,
      );
    }
  }
}

/** So long the port of one that was ended may answer before it counts as another process's. */
const PORT_MILLISECONDS = 5_000;

/** Whether this job already runs what is to be started. */
function isSame(job: ProcessJob, { command, cwd }: CreateInput): boolean {
  return job.command === command && job.cwd === cwd && !isTerminal(job.status);
}

/** What a run begins with. */
interface RunInput {
  input: StartInput;
  shell: Shell;
  terminal: TerminalStarter | undefined;
}

/**
 * Python keeps what it prints back in a pipe, some 8 KB of it: its output, the lines that it asks to tell and those that
 * make it ready would come late or, from a server, never. What the user has set stays, also to nothing.
 */
function shownAtOnce(env: NodeJS.ProcessEnv): Readonly<Record<string, string>> {
  const isSet = env["PYTHONUNBUFFERED"] !== undefined;
  return isSet ? {} : { PYTHONUNBUFFERED: "1" };
}
