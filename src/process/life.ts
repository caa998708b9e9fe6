/**
 * One background process over all its runs: does what `life-cycle.ts` decides. A run is a `LiveProcess`; between two
 * runs there is only the record, which is then pending.
 */
import type { ProcessJob, ProcessRun } from "../jobs/job.js";
import type { JobEnd, ProcessPatch } from "../jobs/registry.js";
import { cutToShare, limitBesideEarlier, MOST_RUNS, setAside } from "../output/runs.js";
import { logFailure, UserError, type Timer } from "../ports.js";
import type { KillOutcome } from "../system/kill-tree.js";
import { areClosed, listeningSockets } from "../system/usage.js";
import { elapsed } from "../text.js";
import { afterLong, isTrueWithin } from "../time.js";
import type { Capture } from "./capture.js";
import type { ProcessInput } from "./input/input.js";
import { NEW_LIFE, step, type LifeAction, type LifeEvent, type RunEnd } from "./life-cycle.js";
import {
  describeKill,
  LiveProcess,
  NOTHING_LEFT,
  type LiveDeps,
  type LiveRequest,
} from "./live-process.js";
import type { KillReason } from "./types.js";

/** How a run is started: by an agent or the user, and the same again by the policy. */
export type RunRequest = Omit<
  LiveRequest,
  "job" | "file" | "outputLimit" | "wasPortTaken" | "onEnd"
>;

/** So long a socket may take to close when its processes are verified dead. */
const PORT_MILLISECONDS = 5_000;

/** What is said of a run only while it goes on. */
const NOT_RUNNING = {
  identity: undefined,
  controlGroup: undefined,
  readyAt: undefined,
  readyLine: undefined,
};

export class ProcessLife {
  readonly id: string;
  /** The job has ended and everything is let go. */
  readonly ended: Promise<void>;
  readonly #file: string;
  readonly #deps: LiveDeps;
  #state = NEW_LIFE;
  #resolveEnded: () => void = () => undefined;
  #request: RunRequest | undefined;
  #live: LiveProcess | undefined;
  /** The run before the one that is about to begin. */
  #lastRun: ProcessRun | undefined;
  #pause: Timer | undefined;
  #timeout: Timer | undefined;
  #wasReady = false;
  #stopReason: KillReason | undefined;
  #cutting: Promise<void> = Promise.resolve();

  /** Of a job that is pending, or has ended before and is about to run again. */
  constructor(job: ProcessJob, file: string, deps: LiveDeps) {
    this.id = job.id;
    this.#file = file;
    this.#deps = deps;
    if (job.status !== "pending") this.#lastRun = toRun(job);
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
  }

  /** Of its latest run; undefined before the first. */
  get capture(): Capture | undefined {
    return this.#live?.capture;
  }

  /** Of its latest run; undefined where its stdin is closed. */
  get input(): ProcessInput | undefined {
    return this.#live?.input;
  }

  /** See `LiveProcess.answer`. */
  answer(sealed: string): void {
    this.#live?.answer(sealed);
  }

  /** Earlier outputs are as short as they have to be. Never rejects. */
  get settled(): Promise<void> {
    return this.#cutting;
  }

  /**
   * Begins a run. False when it was ended before: then nothing is started. `changes` go into the record of a job that
   * runs again.
   */
  async start(
    request: RunRequest,
    { wasPortTaken = false, changes = {} }: { wasPortTaken?: boolean; changes?: ProcessPatch } = {},
  ): Promise<boolean> {
    if (this.#take({ type: "start" }).type !== "start") return false;
    this.#request = request;
    this.#wasReady = false;
    const job = this.#nextRun({ ...changes, restarted: undefined });
    if (job?.timeoutSeconds !== undefined) this.endAfter(job.timeoutSeconds * 1000);
    await this.#begin(wasPortTaken);
    return true;
  }

  /**
   * Ends the run that goes on, if one does, so that the next can begin: it is verified dead, and what it listened on
   * is closed. Throws a `UserError` when it cannot be ended, and when the job is being ended or started again already.
   */
  async vacate(reason: KillReason): Promise<void> {
    const { phase } = this.#state;
    const { type } = this.#take({ type: "replace" });
    if (type === "refuse") {
      const what = phase === "stopping" ? "ended" : "started again";
      throw new UserError(`${this.id} is being ${what} already: it was not started again`);
    }
    this.#pause?.cancel();
    this.#timeout?.cancel();
    if (type === "end_run" && this.#live) await this.#endRun(this.#live, reason);
    if (this.isVacant) return;
    throw new UserError(`${this.id} was ended meanwhile: it was not started again`);
  }

  /** It is ended as `timeout` unless it has ended by then; in place of an earlier limit. */
  endAfter(milliseconds: number): void {
    this.#timeout?.cancel();
    const { clock } = this.#deps;
    this.#timeout = afterLong(clock, milliseconds, () => {
      this.kill("timeout").catch(this.#failed("ending it (timeout)"));
    });
  }

  /** The next run can begin. */
  get isVacant(): boolean {
    return this.#state.phase === "vacant" || this.#state.phase === "fresh";
  }

  /** It is being ended for good. */
  get isEnding(): boolean {
    return this.#state.phase === "stopping";
  }

  /** See `LiveProcess.kill`; between two runs it only ends the record. It is not started again. */
  async kill(reason: KillReason): Promise<KillOutcome | undefined> {
    if (this.#stop(reason)) return NOTHING_LEFT;
    try {
      return await this.#live?.kill(this.#stopReason ?? reason);
    } finally {
      this.#survived();
    }
  }

  /** As `kill`, for a host that goes: signals and the record's end, at once. */
  killNow(): void {
    if (!this.#stop("host_exit")) this.#live?.killNow();
  }

  #take(event: LifeEvent): LifeAction {
    const { state, action } = step(this.#state, event, this.#deps.clock.monotonic());
    this.#state = state;
    return action;
  }

  /** True: nothing of it ran, and its record is ended. */
  #stop(reason: KillReason): boolean {
    if (this.#take({ type: "stop" }).type === "end") {
      const at = new Date(this.#deps.clock.now());
      this.#endRecord({ ...describeKill(this.#job, reason), at });
      return true;
    }
    if (this.#state.phase === "stopping") this.#stopReason ??= reason;
    return false;
  }

  /** Unless it has ended, it could not be ended. */
  #survived(): void {
    if (this.#live?.hasEnded ?? true) return;
    this.#take({ type: "survived" });
    this.#stopReason = undefined;
  }

  async #endRun(live: LiveProcess, reason: KillReason): Promise<void> {
    const sockets = await this.#socketsOf(live);
    let outcome: KillOutcome | undefined;
    try {
      outcome = await live.kill(reason);
    } finally {
      this.#survived();
    }
    const { survivors = [], unverified } = outcome ?? {};
    if (survivors.length > 0 || unverified !== undefined) {
      const left = survivors.map(({ pid, command }) => `${pid} (${command})`).join(", ");
      // A shell that has survived runs on.
      if (this.isVacant) this.#stop(reason);
      throw new UserError(
        `${this.id} was not started again: ${left ? `still alive: ${left}` : `what is left of it is not known: ${unverified}`}`,
      );
    }
    const { clock } = this.#deps;
    if (await isTrueWithin(clock, PORT_MILLISECONDS, async () => areClosed(sockets))) return;
    this.#failed("waiting for its port")("what it listened on is still open");
  }

  async #socketsOf(live: LiveProcess): Promise<string[]> {
    try {
      return [...listeningSockets(await live.members()).keys()];
    } catch (thrown) {
      this.#failed("looking for what it listens on")(thrown);
      return [];
    }
  }

  async #begin(wasPortTaken: boolean): Promise<void> {
    const request = this.#request;
    if (!request) throw new Error("nothing is to be started");
    const job = this.#job;
    const { outputLimit } = this.#deps.options;
    const isFirst = (job.run ?? 1) === 1;
    const live = new LiveProcess(
      {
        ...request,
        job,
        file: this.#file,
        outputLimit: isFirst ? outputLimit : limitBesideEarlier(outputLimit),
        wasPortTaken,
        onReady: (line) => {
          // What the policy starts again is not announced.
          if (!this.#wasReady) request.onReady(line);
          this.#wasReady = true;
        },
        onEnd: (end, how) => this.#runEnded(end, how),
      },
      this.#deps,
    );
    this.#live = live;
    void live.ended.then(() => {
      if (this.#live === live && this.#state.phase === "over") this.#resolveEnded();
    });
    await live.start();
  }

  #runEnded(end: JobEnd, how: RunEnd): void {
    const policy = this.#deps.jobs.getProcess(this.id)?.restart;
    const action = this.#take({ type: "exited", end: how, policy });
    switch (action.type) {
      case "end":
        this.#endRecord(
          how === "killed" && this.#stopReason ? this.#asStopped(end, this.#stopReason) : end,
        );
        break;
      case "crash_loop":
        this.#endRecord({
          ...end,
          status: "failed",
          reason: "crash_loop",
          error: this.#loop(action),
        });
        break;
      case "wait": {
        const { clock } = this.#deps;
        this.#rest(end, new Date(clock.now() + action.milliseconds));
        this.#pause = clock.after(action.milliseconds, () => this.#due());
        break;
      }
      default:
        if (this.#state.phase === "vacant") this.#rest(end);
    }
  }

  /** What the run's own end says of survivors stays. */
  #asStopped(end: JobEnd, reason: KillReason): JobEnd {
    const stopped = describeKill(this.#job, reason);
    return { ...end, ...stopped, error: end.error ?? stopped.error };
  }

  #loop({ ends, milliseconds }: { ends: number; milliseconds: number }): string {
    const { restart } = this.#job;
    return `it ended ${ends} times in ${elapsed(milliseconds)}, the last time with ${lastEnd(this.#job)}; restart "${restart}" has given up`;
  }

  #due(): void {
    const job = this.#job;
    if (this.#take({ type: "due" }).type !== "start") return;
    const { count = 0, last = lastEnd(job) } = job.restarted ?? {};
    this.#nextRun({ restarted: { count: count + 1, last } });
    this.#begin(false).catch(this.#failed("starting it again"));
  }

  /** The record between two runs: it says how the last one ended until the next begins. */
  #rest(end: JobEnd, nextStartAt?: Date): void {
    const job = this.#job;
    this.#lastRun = {
      ...toRun(job),
      status: end.status,
      endReason: end.reason,
      error: end.error,
      completedAt: end.at,
    };
    const { count = 0 } = job.restarted ?? {};
    this.#deps.jobs.rerun(this.id, {
      ...NOT_RUNNING,
      // Since when it waits.
      startedAt: end.at,
      nextStartAt,
      ...(nextStartAt && { restarted: { count, last: lastEnd(job) } }),
    });
  }

  /** Puts the last run, if there is one, among the earlier ones, and gives the record what the next begins with. */
  #nextRun(changes: ProcessPatch): ProcessJob | undefined {
    const last = this.#lastRun;
    const { jobs } = this.#deps;
    if (!last) return jobs.getProcess(this.id);
    this.#lastRun = undefined;
    const { runs = [] } = this.#job;
    const kept = { ...last, output: this.#setAside(last) };
    return jobs.rerun(this.id, {
      ...NOT_RUNNING,
      exitCode: undefined,
      signal: undefined,
      leftovers: undefined,
      forced: undefined,
      survivors: undefined,
      mayBeLeft: undefined,
      nextStartAt: undefined,
      output: { bytes: 0, dropped: 0 },
      ...changes,
      run: last.number + 1,
      runs: [...runs, kept].slice(1 - MOST_RUNS),
    });
  }

  #setAside({ number, output }: ProcessRun): ProcessRun["output"] {
    try {
      const file = setAside(this.#file, this.id, number);
      if (file !== undefined) {
        const failed = this.#failed("shortening the output of its earlier run");
        this.#cutting = this.#cutting.then(() => this.#cut(file, number)).catch(failed);
      }
      return output;
    } catch (thrown) {
      this.#failed("keeping the output of its earlier run")(thrown);
      return { ...output, dropped: output.bytes };
    }
  }

  async #cut(file: string, number: number): Promise<void> {
    const { options, clock, jobs } = this.#deps;
    const cut = await cutToShare(file, options.outputLimit, clock);
    if (!cut) return;
    const runs = this.#job.runs?.map((run) =>
      run.number === number ? { ...run, output: { ...run.output, dropped: cut.dropped } } : run,
    );
    jobs.updateProcess(this.id, { runs });
  }

  #endRecord(end: JobEnd): void {
    this.#pause?.cancel();
    this.#timeout?.cancel();
    this.#deps.jobs.end(this.id, end);
    if (this.#live?.hasEnded ?? true) this.#resolveEnded();
  }

  get #job(): ProcessJob {
    const job = this.#deps.jobs.getProcess(this.id);
    if (job) return job;
    throw new Error(`the record of ${this.id} is gone`);
  }

  #failed(what: string) {
    return logFailure(this.#deps.log, "warn", `process ${this.id}: ${what} failed`);
  }
}

/** What a record says of its latest run. */
function toRun(job: ProcessJob): ProcessRun {
  const { run = 1, command, startedAt, completedAt, status, endReason, error } = job;
  const { exitCode, signal, output } = job;
  return {
    number: run,
    command,
    startedAt,
    completedAt,
    status,
    endReason,
    error,
    exitCode,
    signal,
    output,
  };
}

/** "exit 1", "signal SIGKILL". */
function lastEnd({ exitCode, signal }: ProcessJob): string {
  return signal === undefined ? `exit ${exitCode ?? "unknown"}` : `signal ${signal}`;
}
