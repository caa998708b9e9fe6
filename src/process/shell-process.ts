/**
 * The shell that runs a command, as the system's handle shows it: its identity, its output, its exit (`exit`:
 * the shell itself is gone) and the closing of its pipes (`close`: every process that held them is gone, too).
 */
import type { ChildProcess } from "node:child_process";
import type { ProcessIdentity } from "../jobs/job.js";
import { STDERR, STDOUT, type StreamNumber } from "../output/format.js";
import { startCommand, type SpawnFunction, type StartRequest } from "../system/spawn.js";

/** How a shell exited, as the `exit` event says it: one of the two is null, or both when it was never reported. */
export interface ShellExit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface ShellSystem {
  identify(pid: number): ProcessIdentity | undefined;
  hasEnded(identity: ProcessIdentity): boolean;
}

export interface ShellEvents {
  onOutput(stream: StreamNumber, data: Buffer): void;
  /** Once, also when the system reports an exit that `presumeExit` had presumed. */
  onExit(exit: ShellExit): void;
  /** At once when both pipes are closed; there may be output until then, also after the exit. */
  onClose(): void;
  /** The handle or a pipe reports an error; `exit` and `close` come all the same. */
  onError(error: Error): void;
}

export class ShellProcess {
  readonly pid: number;
  /** Undefined when it had ended before it could be looked at. */
  readonly identity: ProcessIdentity | undefined;
  readonly closed: Promise<void>;
  readonly #child: ChildProcess;
  readonly #system: ShellSystem;
  readonly #events: ShellEvents;
  #exit: ShellExit | undefined;
  #isClosed = false;

  /**
   * At once, so that nothing can come between the start and the handle. Throws, or rejects with, what the system
   * says when it cannot be started.
   */
  static start(
    request: StartRequest,
    spawn: SpawnFunction,
    system: ShellSystem,
    events: ShellEvents,
  ): ShellProcess | Promise<never> {
    const child = startCommand(request, spawn);
    const { pid } = child;
    if (pid !== undefined) return new ShellProcess(child, pid, system, events);
    return new Promise((_resolve, reject) => child.once("error", reject));
  }

  private constructor(child: ChildProcess, pid: number, system: ShellSystem, events: ShellEvents) {
    this.#child = child;
    this.pid = pid;
    this.identity = system.identify(pid);
    this.#system = system;
    this.#events = events;
    child.on("error", (error) => events.onError(error));
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("error", (error) => events.onError(error));
    }
    child.stdout?.on("data", (data: Buffer) => events.onOutput(STDOUT, data));
    child.stderr?.on("data", (data: Buffer) => events.onOutput(STDERR, data));
    child.once("exit", (code, signal) => this.#setExit({ code, signal }));
    this.closed = new Promise((resolve) => {
      child.once("close", () => {
        this.#isClosed = true;
        events.onClose();
        resolve();
      });
    });
  }

  /** How it exited, as far as that was reported. */
  get exit(): ShellExit | undefined {
    return this.#exit;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** It has exited, although the report may still be on its way: a zombie is not alive. */
  hasExited(): boolean {
    if (this.#exit) return true;
    return this.identity !== undefined && this.#system.hasEnded(this.identity);
  }

  /** It is known to be gone, but nothing reported its exit: how it exited stays unknown. */
  presumeExit(): void {
    this.#setExit({ code: null, signal: null });
  }

  /** No output is wanted any more, even if other processes still hold the pipes. */
  release(): void {
    this.#child.stdout?.destroy();
    this.#child.stderr?.destroy();
  }

  #setExit(exit: ShellExit): void {
    if (this.#exit) return;
    this.#exit = exit;
    this.#events.onExit(exit);
  }
}
