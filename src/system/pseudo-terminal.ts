/**
 * A command in a pseudo-terminal, whatever the runtime offers: the Bun of OpenCode has one (`Bun.spawn` with
 * `terminal`), Node has none and takes `node-pty` where the user has installed it. The one module that knows the
 * difference; elsewhere a command in a terminal is a `TerminalChild`.
 *
 * The command leads a session and a process group of its own, with the terminal as its controlling one. Its stdout
 * and stderr are one stream.
 */
import { readSync } from "node:fs";
import { constants } from "node:os";
import { waysOf } from "../platform.js";
import { coerceError, UserError } from "../ports.js";

export const TERMINAL_COLUMNS = 120;
export const TERMINAL_ROWS = 40;

export interface TerminalRequest {
  file: string;
  args: readonly string[];
  cwd: string;
  env: NodeJS.ProcessEnv;
  /** See `openMark`; only Bun can hand it over. */
  mark?: number | undefined;
}

export interface TerminalEvents {
  onOutput(data: Buffer): void;
  /** The command has exited; as with a `ChildProcess` one of the two is null. Once. */
  onExit(exit: { code: number | null; signal: NodeJS.Signals | null }): void;
  /** No process holds the terminal any more, or it was closed by `close`; no output follows. Once. */
  onClose(): void;
}

export interface TerminalChild {
  readonly pid: number;
  /** What the terminal cannot take at once is buffered by the runtime: call it once for each text. */
  write(text: string): void;
  /** Undefined where the runtime cannot say. */
  readonly echo: Echo | undefined;
  /** Hangs up: the kernel sends SIGHUP to the foreground process group. Idempotent. */
  close(): void;
}

/**
 * What a terminal does with what is typed:
 * - `on`: shows it;
 * - `off`: takes whole lines and shows nothing, as for a password;
 * - `keys`: hands single keys to the program, which shows them itself, or not.
 */
export type Echo = "on" | "off" | "keys";

export type TerminalStarter = (request: TerminalRequest, events: TerminalEvents) => TerminalChild;

/** What is thrown where there is neither. */
export const NO_TERMINAL =
  'stdin: "terminal" needs a pseudo-terminal, and this runtime has none: run in OpenCode itself (its Bun has one), or install the package node-pty; or use stdin: "open"';

/** For tests: another runtime. */
export interface TerminalRuntime {
  /** The global `Bun`, if any. */
  bun: unknown;
  loadNodePty: () => Promise<unknown>;
}

/** Not a literal, so that no bundler looks for a package that only some users have. */
const NODE_PTY: string = "node-pty";

const OWN_RUNTIME: TerminalRuntime = {
  bun: Reflect.get(globalThis, "Bun"),
  loadNodePty: () => import(NODE_PTY),
};

/** Rejects with a `UserError` that names both ways when there is none. */
export async function findTerminal(
  runtime: TerminalRuntime = OWN_RUNTIME,
): Promise<TerminalStarter> {
  const { bun } = runtime;
  if (isBunWithTerminal(bun)) return (request, events) => startInBun(bun, request, events);
  let pty: unknown;
  try {
    pty = await runtime.loadNodePty();
  } catch (thrown) {
    throw new UserError(NO_TERMINAL, { cause: coerceError(thrown) });
  }
  // CommonJS: what it exports is also, or only, the default.
  const exported = [pty, has(pty, "default") && pty.default].find(isNodePty);
  if (!exported) throw new UserError(NO_TERMINAL);
  return (request, events) => startInNode(exported, request, events);
}

interface BunTerminal {
  write(data: string): number;
  close(): void;
  readonly localFlags: number;
}

interface BunChild {
  readonly pid: number;
  readonly exitCode: number | null;
  readonly signalCode: NodeJS.Signals | null;
  readonly terminal?: BunTerminal;
  readonly exited: Promise<number>;
}

interface Bun {
  spawn(
    command: readonly string[],
    options: {
      cwd: string;
      env: NodeJS.ProcessEnv;
      stdio: readonly ("inherit" | number)[];
      terminal: {
        cols: number;
        rows: number;
        data: (terminal: BunTerminal, data: Uint8Array) => void;
        exit: () => void;
      };
    },
  ): BunChild;
}

function isBunWithTerminal(value: unknown): value is Bun {
  return has(value, "spawn") && "Terminal" in value;
}

/** Flags of `c_lflag`: ECHO is the same on Linux and macOS, ICANON is not. */
const ECHO = 0x8;
const ICANON = waysOf().processes === "/proc" ? 0x2 : 0x100;

function startInBun(bun: Bun, request: TerminalRequest, events: TerminalEvents): TerminalChild {
  const { file, args, cwd, env, mark } = request;
  let hasEnded = false;
  // Given inline: a terminal made before it would not become the controlling one.
  const child = bun.spawn([file, ...args], {
    cwd,
    env: { ...env, TERM: "xterm-256color" },
    // The terminal takes the place of the first three.
    stdio: ["inherit", "inherit", "inherit", ...(mark === undefined ? [] : [mark])],
    terminal: {
      cols: TERMINAL_COLUMNS,
      rows: TERMINAL_ROWS,
      data: (_terminal, data) => events.onOutput(Buffer.from(data)),
      // Called at end-of-file, and once more by `close`.
      exit: () => {
        if (hasEnded) return;
        hasEnded = true;
        events.onClose();
      },
    },
  });
  const { terminal } = child;
  let isClosed = false;
  // `exited` may come before the last bytes do: the terminal's own end is told by `exit` above.
  void child.exited.then(
    () => events.onExit({ code: child.exitCode, signal: child.signalCode }),
    () => events.onExit({ code: null, signal: null }),
  );
  return {
    pid: child.pid,
    write: (text) => void terminal?.write(text),
    get echo() {
      if (!terminal || isClosed) return undefined;
      const flags = terminal.localFlags;
      if ((flags & ECHO) !== 0) return "on";
      return (flags & ICANON) === 0 ? "keys" : "off";
    },
    close: () => {
      if (isClosed) return;
      isClosed = true;
      terminal?.close();
    },
  };
}

interface NodePtyChild {
  readonly pid: number;
  write(data: string): void;
  kill(signal?: string): void;
  onData(listener: (data: Uint8Array | string) => void): unknown;
  onExit(listener: (exit: { exitCode: number; signal?: number | undefined }) => void): unknown;
}

interface NodePty {
  spawn(file: string, args: string[], options: object): NodePtyChild;
}

/** Those that end a command in a terminal; any other is told as unknown. */
const SIGNALS = [
  ...(["SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE"] as const),
  ...(["SIGKILL", "SIGUSR1", "SIGSEGV", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM"] as const),
];

function has<Name extends string>(value: unknown, name: Name): value is Record<Name, unknown> {
  return typeof value === "object" && value !== null && name in value;
}

function isNodePty(value: unknown): value is NodePty {
  return has(value, "spawn") && typeof value.spawn === "function";
}

function startInNode(
  pty: NodePty,
  request: TerminalRequest,
  events: TerminalEvents,
): TerminalChild {
  const { file, args, cwd, env } = request;
  const child = pty.spawn(file, [...args], {
    name: "xterm-256color",
    cols: TERMINAL_COLUMNS,
    rows: TERMINAL_ROWS,
    cwd,
    env,
    encoding: null,
  });
  let isClosed = false;
  child.onData((data) => events.onOutput(Buffer.from(data)));
  readToEnd(child, (data) => events.onOutput(data));
  // node-pty tells the exit once the terminal has been read to its end, or was destroyed.
  child.onExit(({ exitCode, signal }) => {
    isClosed = true;
    events.onExit(
      signal ? { code: null, signal: signalName(signal) } : { code: exitCode, signal: null },
    );
    events.onClose();
  });
  return {
    pid: child.pid,
    write: (text) => child.write(text),
    echo: undefined,
    close: () => {
      if (isClosed) return;
      isClosed = true;
      child.kill("SIGHUP");
    },
  };
}

/** What a terminal holds when its last process is gone is less; more comes from one that goes on. */
const MOST_LEFT = 1 << 20;

/**
 * Before node-pty destroys a terminal, what is still in it is read: 200 ms after the exit it does so whatever there is,
 * and Node takes a short read of a terminal that was hung up for its end. A node-pty that has its socket elsewhere does
 * as it did.
 */
function readToEnd(child: NodePtyChild, take: (data: Buffer) => void): void {
  const socket: unknown = Reflect.get(child, "_socket");
  const descriptor: unknown = Reflect.get(child, "fd");
  if (typeof descriptor !== "number" || !isDestroyable(socket)) return;
  const destroy = socket.destroy.bind(socket);
  let isRead = false;
  socket.destroy = (error?: Error) => {
    if (!isRead) readLeft(descriptor, take);
    isRead = true;
    return destroy(error);
  };
}

/** It does not block. */
function readLeft(descriptor: number, take: (data: Buffer) => void): void {
  for (let left = MOST_LEFT; left > 0;) {
    const piece = Buffer.alloc(65_536);
    let bytes = 0;
    try {
      bytes = readSync(descriptor, piece);
    } catch {
      // EIO: its end. EAGAIN: nothing now, of one that others hold.
    }
    if (bytes === 0) return;
    left -= bytes;
    take(piece.subarray(0, bytes));
  }
}

function isDestroyable(value: unknown): value is { destroy: (error?: Error) => unknown } {
  return has(value, "destroy") && typeof value.destroy === "function";
}

function signalName(wanted: number): NodeJS.Signals | null {
  for (const name of SIGNALS) if (constants.signals[name] === wanted) return name;
  return null;
}
