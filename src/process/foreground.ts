/**
 * A command whose caller waits for it. It runs as a background process does, guarded by the watchdog and ended with all
 * its descendants, but no list, notice or stored state knows it. It becomes a job like any other when it is moved, or
 * when its shell has exited and has left something running.
 *
 * `over` resolves once, with the first of these: it has ended (`ended`), its shell has left something (`left`). Both
 * may come after it was moved.
 */
import { rmSync } from "node:fs";
import type { ProcessJob } from "../jobs/job.js";
import { JobRegistry, type ProcessRecords } from "../jobs/registry.js";
import { isTerminal } from "../jobs/status.js";
import type { Release } from "../notices/outbox.js";
import { logFailure, UserError } from "../ports.js";
import type { ProcessNote } from "../system/process-table.js";
import type { Shell } from "../system/spawn.js";
import type { Announce } from "./capture.js";
import { ProcessLife } from "./life.js";
import type { LiveDeps } from "./live-process.js";
import type { ShellExit } from "./shell-process.js";
import { firstLine, newProcessJob } from "./start-input.js";
import type { CreateInput } from "./types.js";

/** What its caller starts. */
export interface ForegroundInput extends Pick<
  CreateInput,
  "command" | "cwd" | "parentSessionID" | "rootSessionID" | "parentMessageID"
> {
  /** Whether its caller's session is told of the end of what its shell leaves running. */
  tellsLeft: boolean;
  /** Each piece of its output as it comes, until the caller lets go of it. */
  onOutput: (data: Buffer) => void;
}

export type ForegroundEnd =
  | { type: "ended"; exit: ShellExit }
  | { type: "left"; exit: ShellExit; leftovers: readonly ProcessNote[] };

export interface ForegroundDeps extends Omit<LiveDeps, "jobs"> {
  jobs: JobRegistry;
  shell: Shell;
  /** Where its output goes. */
  fileOf: (id: string) => string;
  announce: (id: string, what: Parameters<Announce>) => void;
  hold: (jobIDs: readonly string[]) => Release | undefined;
  /** It is a job from here on. */
  onMoved: (life: ProcessLife) => void;
}

export class Foreground {
  readonly id: string;
  readonly life: ProcessLife;
  readonly over: Promise<ForegroundEnd>;
  readonly #input: ForegroundInput;
  readonly #deps: ForegroundDeps;
  /** In which its record is: one of its own until it is moved. */
  #jobs: JobRegistry;
  readonly #file: string;
  readonly #startedAt: number;
  #leave: (end: ForegroundEnd) => void = () => undefined;
  #onOutput: ((data: Buffer) => void) | undefined;
  #isMoved = false;
  #release: Release | undefined;

  constructor(input: ForegroundInput, deps: ForegroundDeps) {
    const { clock, log, shell, fileOf } = deps;
    const job = newProcessJob(input, shell.file, new Date(clock.now()), []);
    this.id = job.id;
    this.#input = input;
    this.#deps = deps;
    this.#startedAt = clock.monotonic();
    this.#onOutput = input.onOutput;
    this.#jobs = new JobRegistry(log);
    this.#jobs.add(job);
    this.#file = fileOf(job.id);
    const records = recordsOf(() => this.#jobs);
    this.life = new ProcessLife(job, this.#file, { ...deps, jobs: records });
    const left = new Promise<ForegroundEnd>((resolve) => {
      this.#leave = resolve;
    });
    const ended = this.life.ended.then((): ForegroundEnd => {
      const { exitCode = null, signal = null } = this.#jobs.getProcess(this.id) ?? {};
      return { type: "ended", exit: { code: exitCode, signal } };
    });
    this.over = Promise.race([left, ended]);
    void ended.then(() => this.#forget());
  }

  /** Throws a `UserError` with the system's words when it cannot be started. */
  async start(): Promise<void> {
    const { shell, announce } = this.#deps;
    await this.life.start({
      shell,
      env: {},
      onReady: () => undefined,
      announce: (...what) => announce(this.id, what),
      onOutput: (data) => this.#onOutput?.(data),
      adopt: (exit, leftovers) => this.#adopt(exit, leftovers),
    });
    const { status, exitCode, signal, error } = this.job;
    const isStarted = status !== "failed" || exitCode !== undefined || signal !== undefined;
    if (!isStarted) throw new UserError(error ?? "it could not be started");
  }

  /** Its record as it is now, whether it was moved or not. */
  get job(): ProcessJob {
    const job = this.#jobs.getProcess(this.id);
    if (job) return job;
    throw new Error(`the record of ${this.id} is gone`);
  }

  /**
   * Makes it a job, whose end is held back until `answered`; ended as `timeout` so many seconds after its start. False
   * when it has ended or was moved before.
   */
  move(timeoutSeconds: number): boolean {
    if (this.#isMoved || isTerminal(this.job.status)) return false;
    const { clock } = this.#deps;
    this.#becomeJob({ timeoutSeconds, fromBash: "moved" });
    const ran = clock.monotonic() - this.#startedAt;
    this.life.endAfter(Math.max(0, timeoutSeconds * 1000 - ran));
    return true;
  }

  /** Its caller has answered, and with that told its end or not; output is handed to it no more. */
  answered(isTold: boolean): void {
    this.#onOutput = undefined;
    this.#release?.(isTold);
    this.#release = undefined;
  }

  #adopt(exit: ShellExit, leftovers: readonly ProcessNote[]): boolean {
    if (this.#isMoved) return false;
    const { command, tellsLeft } = this.#input;
    const name = firstLine(leftovers[0]?.command ?? command);
    this.#becomeJob({ name, notify: tellsLeft, fromBash: "left" });
    this.#leave({ type: "left", exit, leftovers });
    return true;
  }

  #becomeJob(changes: Partial<ProcessJob>): void {
    const { jobs, hold, onMoved } = this.#deps;
    this.#isMoved = true;
    this.#release = hold([this.id]);
    const job = { ...this.job, ...changes };
    this.#jobs = jobs;
    jobs.add(job);
    onMoved(this.life);
  }

  /** What nothing knows of leaves no file. */
  #forget(): void {
    if (this.#isMoved) return;
    try {
      rmSync(this.#file, { force: true });
    } catch (thrown) {
      const { log } = this.#deps;
      logFailure(log, "warn", "an output could not be removed", { id: this.id })(thrown);
    }
  }
}

/** The records of whichever registry holds the process at the time. */
function recordsOf(jobs: () => JobRegistry): ProcessRecords {
  return {
    getProcess: (id) => jobs().getProcess(id),
    updateProcess: (id, patch) => jobs().updateProcess(id, patch),
    start: (id, at) => jobs().start(id, at),
    end: (id, end) => jobs().end(id, end),
    rerun: (id, patch) => jobs().rerun(id, patch),
  };
}
