/**
 * One running process, from its start to its end. What happens, in this order and once each:
 *
 * 1. `start`: the shell is spawned, guarded by the watchdog, and its record becomes running; or it cannot be,
 *    and the record becomes failed.
 * 2. Output is captured as it comes; it is never paused.
 * 3. The shell exits, by itself or because `kill` was called. A kill that comes when the shell has exited
 *    already changes nothing: the job keeps its real end.
 * 4. What is still on its way is drained, what the shell left running is listed and ended.
 * 5. The output is closed, then the record becomes terminal; `ended` resolves. Nothing is left: no process, no
 *    timer, no listener, no descriptor.
 */
import type { JobEnd, Quote } from "../jobs/registry.js";
import { waysOf } from "../platform.js";
import { coerceError, type Timer } from "../ports.js";
import { Capture } from "./capture.js";
import { Drain } from "./drain.js";
import { describeEnd } from "./end-of-job.js";
import { JobMembers } from "../system/members.js";
import {
  terminateNow,
  withUnverified,
  type KillOutcome,
  type KillTarget,
} from "../system/kill-tree.js";
import { readJob } from "./output-access.js";
import type { LiveDeps, LiveRequest } from "./live-deps.js";
import { afterLong } from "../time.js";
import { watchReadiness, type Readiness } from "./readiness.js";
import { ShellProcess } from "./shell-process.js";
import { jobEnvironment } from "../system/spawn.js";
import type { KillReason } from "./types.js";
import type { ProcessNote } from "../system/process-table.js";
import { within } from "../time.js";

/** So long the pipes may take to close, and the exit to be reported, when everybody is verified dead. */
const REPORT_MILLISECONDS = 500;

/** Of a kill that came before the start. */
const NOBODY: KillOutcome = { forced: false, survivors: [], foreign: false };

export class LiveProcess {
  readonly id: string;
  readonly capture: Capture;
  /** The record is terminal and everything is let go. */
  readonly ended: Promise<void>;
  readonly #request: LiveRequest;
  readonly #deps: LiveDeps;
  #resolveEnded: () => void = () => undefined;
  #shell: ShellProcess | undefined;
  #readiness: Readiness | undefined;
  #timeout: Timer | undefined;
  #drain: Drain | undefined;
  #quote: Quote | undefined;
  #killReason: KillReason | undefined;
  #killing: Promise<KillOutcome> | undefined;

  constructor(request: LiveRequest, deps: LiveDeps) {
    const { job, file, onNotify } = request;
    this.id = job.id;
    this.#request = request;
    this.#deps = deps;
    const onReadyLine = () => this.#readiness?.matched();
    this.capture = new Capture({ job, file, onNotify, onReadyLine }, deps);
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
  }

  /** When it cannot be started its record is failed, with the system's message. */
  async start(): Promise<void> {
    if (this.#killReason) {
      this.#end();
      return;
    }
    const { clock, jobs, watchdog, probe } = this.#deps;
    try {
      watchdog.prepare();
      const shell = this.#startShell();
      // No await where it was started: a kill must find it.
      this.#shell = shell instanceof ShellProcess ? shell : await shell;
    } catch (thrown) {
      this.#end(coerceError(thrown));
      return;
    }
    const { identity } = this.#shell;
    const { timeoutSeconds } = this.#request.job;
    if (identity) watchdog.guard(this.id, identity);
    if (timeoutSeconds !== undefined)
      this.#timeout = afterLong(clock, timeoutSeconds * 1000, () => this.#killLater("timeout"));
    jobs.updateProcess(this.id, { identity });
    jobs.start(this.id, new Date(clock.now()));
    this.#readiness = watchReadiness(this.#request.job, { clock, probe }, () => {
      jobs.updateProcess(this.id, { readyAt: new Date(clock.now()) });
      this.#request.onReady();
    });
  }

  /**
   * Resolves when the job has ended, or when it cannot be ended: then the survivors are in the outcome, and the
   * next call tries again. Undefined: it had exited by itself before, or could not be started. Throws when the kill
   * was refused; then nothing was done.
   */
  async kill(reason: KillReason): Promise<KillOutcome | undefined> {
    const shell = this.#shell;
    if (!shell?.hasExited()) this.#killReason ??= reason;
    if (!shell) {
      // Not started yet: `start` sees the reason and starts nothing.
      await this.ended;
      const { status } = this.#deps.jobs.getProcess(this.id) ?? this.#request.job;
      return status === "cancelled" ? NOBODY : undefined;
    }
    if (!this.#killReason) {
      // Its own end is under way: hurry it.
      this.#drain?.finish();
      await this.#untilEnded(shell);
      return undefined;
    }
    this.#killing ??= this.#killTree();
    const outcome = await this.#killing.catch((thrown: unknown) => {
      this.#killing = undefined;
      this.#killReason = undefined;
      throw thrown;
    });
    const shellLives = !shell.exit && outcome.survivors.some(({ pid }) => pid === shell.pid);
    if (shellLives) {
      this.#killing = undefined;
      this.#deps.jobs.updateProcess(this.id, { survivors: outcome.survivors });
    } else await this.#untilEnded(shell);
    return outcome;
  }

  /** SIGTERM and the record's end, synchronously; the kill goes on if the host does. */
  killNow(): void {
    if (!this.#shell?.exit) this.#killReason ??= "host_exit";
    if (this.#shell) terminateNow(this.#deps.system, this.#target(this.#shell));
    this.#endRecord();
    this.#killLater("host_exit");
  }

  #startShell(): ShellProcess | Promise<never> {
    const { job, shell, env: own } = this.#request;
    const { instanceID, env: base, spawn, system } = this.#deps;
    const env = jobEnvironment(base, own, { jobID: this.id, instanceID });
    return ShellProcess.start({ command: job.command, cwd: job.cwd, shell, env }, spawn, system, {
      onOutput: (stream, data) => {
        this.capture.take(stream, data);
        this.#drain?.output();
      },
      onExit: () => this.#exited(),
      onClose: () => this.#drain?.finish(),
      onError: (error) => this.#warn("its handle", error),
    });
  }

  #exited(): void {
    this.#finish().catch((thrown: unknown) => {
      this.#warn("its end", thrown);
      this.#end();
    });
  }

  async #finish(): Promise<void> {
    const shell = this.#shell;
    if (!shell) return;
    const leftovers = this.#killing ? [] : await this.#endLeftovers(shell);
    const { survivors, unverified } = await this.#killed();
    if (!shell.isClosed) await within(this.#deps.clock, REPORT_MILLISECONDS, shell.closed);
    shell.release();
    await this.capture.settle();
    this.#quote = await this.#readEnd();
    this.#deps.jobs.updateProcess(this.id, {
      exitCode: shell.exit?.code ?? undefined,
      signal: shell.exit?.signal ?? undefined,
      leftovers: leftovers.length > 0 ? leftovers : undefined,
      survivors: survivors.length > 0 ? survivors : undefined,
      error: withUnverified(this.#howItEnded().error, unverified),
    });
    this.#end();
  }

  /** What the shell left running: listed, then ended. A kill that was called meanwhile is waited for instead. */
  async #endLeftovers(shell: ShellProcess): Promise<ProcessNote[]> {
    const { system, clock } = this.#deps;
    this.#drain = new Drain(clock);
    if (shell.isClosed) this.#drain.finish();
    await this.#drain.over;
    if (!waysOf(system.platform).hasProcessGroups) return [];
    const members = new JobMembers(system, this.#target(shell), true);
    const leftovers = members.notes();
    const { problem } = members;
    // The system did not say who is left: the kill asks once more.
    if (problem !== undefined) this.#warn("looking for what it left", problem);
    const isNobodyLeft = problem === undefined && leftovers.length === 0;
    if (!isNobodyLeft || !members.strike(() => undefined)) this.#killing ??= this.#killTree();
    return leftovers;
  }

  async #killed(): Promise<Pick<KillOutcome, "survivors" | "unverified">> {
    try {
      return (await this.#killing) ?? NOBODY;
    } catch (thrown) {
      this.#warn("ending what it left", thrown);
      return { survivors: [], unverified: coerceError(thrown).message };
    }
  }

  async #untilEnded(shell: ShellProcess): Promise<void> {
    const { clock } = this.#deps;
    if (!shell.exit && !(await within(clock, REPORT_MILLISECONDS, this.ended)) && !shell.exit) {
      this.#warn("its exit", "the shell is gone, but its exit was never reported");
      shell.presumeExit();
    }
    await this.ended;
  }

  /** Lets go of everything, in this order: the last bytes can be read when the end is told. */
  #end(cannotStart?: Error): void {
    this.#timeout?.cancel();
    this.#readiness?.stop();
    this.capture.close();
    this.#deps.watchdog.release(this.id);
    this.#deps.jobs.updateProcess(this.id, { output: this.capture.counters });
    this.#endRecord(cannotStart);
    this.#resolveEnded();
    this.capture.wake();
  }

  #endRecord(cannotStart?: Error): void {
    const { clock, jobs } = this.#deps;
    const failed = { status: "failed", reason: "error", error: cannotStart?.message } as const;
    const end = cannotStart ? failed : this.#howItEnded();
    const error = jobs.getProcess(this.id)?.error ?? end.error;
    jobs.end(this.id, { ...end, error, at: new Date(clock.now()), quote: this.#quote });
  }

  /** What a notice quotes. Undefined when it cannot be read. */
  async #readEnd(): Promise<Quote | undefined> {
    const { job, file } = this.#request;
    const tail = { mode: "tail", lines: 40, maxBytes: 6_000 } as const;
    try {
      const source = { job, file, capture: this.capture };
      const { text: words, lines, start, bytes } = await readJob(source, tail, this.#deps.guard);
      if (bytes === 0) return { text: "", total: 0 };
      const text = lines.length > 0 ? lines.map((line) => line.text).join("\n") : words;
      return { text, total: start + text.length };
    } catch (thrown) {
      this.#warn("reading its output's end", thrown);
      return undefined;
    }
  }

  #howItEnded(): Omit<JobEnd, "at"> {
    return describeEnd(this.#request.job, this.#shell?.exit, this.#killReason);
  }

  #target({ pid, identity }: ShellProcess): KillTarget {
    return { pid, identity, held: true, jobID: this.id };
  }

  #killTree(): Promise<KillOutcome> {
    const { killTree, options } = this.#deps;
    if (!this.#shell) throw new Error("nothing was started");
    return killTree(this.#target(this.#shell), options.killGraceMilliseconds);
  }

  #killLater(reason: KillReason): void {
    this.kill(reason).catch((thrown: unknown) => this.#warn(`ending it (${reason})`, thrown));
  }

  #warn(what: string, thrown: unknown): void {
    const error = coerceError(thrown).message;
    this.#deps.log("warn", `process ${this.id}: ${what} failed`, { error });
  }
}
