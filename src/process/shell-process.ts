/**
 * The shell that runs a command, as the system's handle shows it: its identity, its output, its exit (`exit`:
 * the shell itself is gone) and the closing of its pipes (`close`: every process that held them is gone, too).
 */
import type { ChildProcess } from "node:child_process";
import type { ProcessIdentity } from "../jobs/job.js";
import { STDERR, STDOUT, type StreamNumber } from "../output/format.js";
import type { Clock, Timer } from "../ports.js";
import type { KillSystem } from "../system/kill-tree.js";
import type { Echo, TerminalStarter } from "../system/pseudo-terminal.js";
import {
  commandLine,
  type SpawnFunction,
  startCommand,
  type StartRequest,
} from "../system/spawn.js";

/** How a shell exited, as the `exit` event says it: one of the two is null, or both when it was never reported. */
export interface ShellExit {
  code: number | null;
  signal: string | null;
}

type ShellSystem = Pick<KillSystem, "identify" | "hasEnded">;

export interface ShellEvents {
  onOutput(stream: StreamNumber, data: Buffer): void;
  /** Once, also when the system reports an exit that `presumeExit` had presumed. */
  onExit(exit: ShellExit): void;
  /** The handle or a pipe reports an error; `exit` and `close` come all the same. */
  onError(error: Error): void;
}

interface HandleEvents extends ShellEvents {
  onClose(): void;
}

/** What the system started: a child with pipes, or one in a terminal. */
interface ShellHandle {
  pid: number;
  /** Undefined: its input is closed. */
  write: ((text: string) => void) | undefined;
  endInput(): void;
  echo(): Echo | undefined;
  release(): void;
}

export class ShellProcess {
  readonly pid: number;
  /** Undefined when it had ended before it could be looked at. */
  readonly identity: ProcessIdentity | undefined;
  /** Both pipes are closed; there may be output until then, also after the exit. */
  readonly closed: Promise<void>;
  readonly #handle: ShellHandle;
  readonly #system: ShellSystem;
  readonly #events: ShellEvents;
  #exit: ShellExit | undefined;

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
    if (pid !== undefined) {
      return new ShellProcess((on) => withPipes(child, pid, on), system, events);
    }
    return new Promise((_resolve, reject) => child.once("error", reject));
  }

  /** The same in a terminal of its own. Throws what the system says when it cannot be started. */
  static startInTerminal(
    request: StartRequest,
    start: TerminalStarter,
    system: ShellSystem,
    events: ShellEvents,
  ): ShellProcess {
    const { cwd, env, mark } = request;
    const [file, ...args] = commandLine(request);
    const inside = { file, args, cwd, env, mark };
    return new ShellProcess((on) => inTerminal(start, inside, on), system, events);
  }

  private constructor(
    connect: (on: HandleEvents) => ShellHandle,
    system: ShellSystem,
    events: ShellEvents,
  ) {
    this.#system = system;
    this.#events = events;
    let close: () => void = () => undefined;
    this.closed = new Promise((resolve) => {
      close = resolve;
    });
    this.#handle = connect({ ...events, onExit: (exit) => this.#setExit(exit), onClose: close });
    this.pid = this.#handle.pid;
    this.identity = system.identify(this.pid);
  }

  /** False when its input is closed: nothing was written. */
  write(text: string): boolean {
    this.#handle.write?.(text);
    return this.#handle.write !== undefined;
  }

  /** Of a pipe; a terminal has no end of input but C-d. */
  endInput(): void {
    this.#handle.endInput();
  }

  /** Undefined for a pipe, and where the runtime cannot say. */
  get echo(): Echo | undefined {
    return this.#handle.echo();
  }

  /** How it exited, as far as that was reported. */
  get exit(): ShellExit | undefined {
    return this.#exit;
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
    this.#handle.release();
  }

  #setExit(exit: ShellExit): void {
    if (this.#exit) return;
    this.#exit = exit;
    this.#events.onExit(exit);
  }
}

function withPipes(child: ChildProcess, pid: number, on: HandleEvents): ShellHandle {
  const { stdin, stdout, stderr } = child;
  const handle: ShellHandle = {
    pid,
    write: stdin ? (text) => void stdin.write(text) : undefined,
    endInput: () => {
      handle.write = undefined;
      stdin?.end();
    },
    echo: () => undefined,
    release: () => {
      for (const stream of [stdin, stdout, stderr]) stream?.destroy();
    },
  };
  child.on("error", (error) => on.onError(error));
  // A process that has closed its input, or has ended, is written to no more.
  stdin?.on("error", () => {
    handle.write = undefined;
  });
  for (const stream of [stdout, stderr]) stream?.on("error", (error) => on.onError(error));
  stdout?.on("data", (data: Buffer) => on.onOutput(STDOUT, data));
  stderr?.on("data", (data: Buffer) => on.onOutput(STDERR, data));
  child.once("exit", (code, signal) => {
    handle.write = undefined;
    // A pipe that is still open keeps `close` from coming.
    stdin?.destroy();
    on.onExit({ code, signal });
  });
  child.once("close", () => on.onClose());
  return handle;
}

function inTerminal(
  start: TerminalStarter,
  request: Parameters<TerminalStarter>[0],
  on: HandleEvents,
): ShellHandle {
  const child = start(request, {
    onOutput: (data) => on.onOutput(STDOUT, data),
    onExit: (exit) => {
      handle.write = undefined;
      on.onExit(exit);
    },
    onClose: () => on.onClose(),
  });
  const handle: ShellHandle = {
    pid: child.pid,
    write: (text) => child.write(text),
    endInput: () => undefined,
    echo: () => child.echo,
    release: () => child.close(),
  };
  return handle;
}

const QUIET_MILLISECONDS = 250;
const LONGEST_MILLISECONDS = 2000;

/**
 * The time between a shell's exit and the end of its job: output may still be on its way, and a child of the
 * shell may hold the pipe for as long as it lives. Over when both pipes are closed, when nothing came for
 * 250 ms, after 2 s, or when it is told to finish.
 */
export class Drain {
  readonly over: Promise<void>;
  readonly #clock: Clock;
  readonly #until: number;
  #resolve: () => void = () => undefined;
  #timer: Timer | undefined;
  #lastOutput: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#lastOutput = clock.monotonic();
    this.#until = this.#lastOutput + LONGEST_MILLISECONDS;
    this.over = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#wait();
  }

  /** Output came. */
  output(): void {
    this.#lastOutput = this.#clock.monotonic();
  }

  finish(): void {
    this.#timer?.cancel();
    this.#resolve();
  }

  #wait(): void {
    const left =
      Math.min(this.#lastOutput + QUIET_MILLISECONDS, this.#until) - this.#clock.monotonic();
    if (left <= 0) this.finish();
    else this.#timer = this.#clock.after(left, () => this.#wait());
  }
}
