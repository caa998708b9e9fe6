// Owns: processes in memory, as the system shows them: a table, signals, handles with output and exit. Promises:
// a process that was told to end is out of the table at once, and its handle hears of it a moment later; a caller that
// holds a handle from before a crash hears nothing any more.
import { ChildProcess } from "node:child_process";
import { Readable } from "node:stream";
import type { LiveSystem } from "../../src/process/live-process.js";
import { JOB_MARKER, type ProcessTable } from "../../src/system/process-table.js";
import { Scanner } from "../../src/system/scan.js";
import type { SpawnFunction } from "../../src/system/spawn.js";
import type { Clock } from "../../src/ports.js";

interface Running {
  pid: number;
  jobIDs: readonly string[];
  ignoresTerm: boolean;
  child: ChildProcess;
  stdout: Readable;
}

/** A command with this word in it survives SIGTERM. */
export const STUBBORN = "stubborn";

export class Machine {
  readonly #running = new Map<number, Running>();
  /** Handles of hosts that are gone. */
  readonly #unheard: ChildProcess[] = [];
  #lastPid = 1_000;
  #looks = 0;

  readonly spawn: SpawnFunction = (_file, args, { env = {} }) => {
    const pid = ++this.#lastPid;
    const stdout = new Readable({ read: () => undefined });
    const child = Object.assign(new ChildProcess(), { pid, stdout, stderr: undefined });
    const jobIDs = (env[JOB_MARKER] ?? "").split(":");
    const ignoresTerm = args.some((each) => each.includes(STUBBORN));
    this.#running.set(pid, { pid, jobIDs, ignoresTerm, child, stdout });
    return child;
  };

  /** Numbers of those that run. */
  get pids(): number[] {
    return [...this.#running.keys()];
  }

  systemFor(clock: Clock): LiveSystem {
    const entryOf = (pid: number) =>
      this.#running.has(pid)
        ? { pid, name: "sh", parent: 1, group: pid, startTime: `start-${pid}`, dead: false }
        : undefined;
    const identify = (pid: number) =>
      this.#running.has(pid) ? { pid, startTime: `start-${pid}`, bootID: "boot" } : undefined;
    const table: ProcessTable = {
      pids: () => this.pids,
      counter: () => undefined,
      entry: entryOf,
      list: async () => this.pids.flatMap((pid) => entryOf(pid) ?? []),
      command: ({ pid }) => (this.#running.has(pid) ? "a command" : ""),
      hidesOrigin: () => false,
      jobsOf: (pid) => this.#running.get(pid)?.jobIDs ?? [],
    };
    return {
      platform: "linux",
      clock,
      env: {},
      self: { pid: 500, parent: 499 },
      run: () => Promise.resolve(),
      identify,
      hasEnded: ({ pid }) => !this.#running.has(pid),
      isAlive: ({ pid }) => this.#running.has(pid),
      kill: (pid, signal) => this.#signal(Math.abs(pid), signal),
      isOwnUser: () => true,
      table,
      scanner: this.#scannerOf(table),
    };
  }

  /** A caller looks at the processes. */
  get isLookedAt(): boolean {
    return this.#looks > 0;
  }

  #scannerOf(table: ProcessTable): Scanner {
    const scanner = new Scanner(table);
    const scan = scanner.scan.bind(scanner);
    scanner.scan = async (search) => {
      this.#looks += 1;
      await scan(search);
      this.#looks -= 1;
    };
    return scanner;
  }

  print(pid: number, text: string): void {
    this.#running.get(pid)?.stdout.emit("data", Buffer.from(text));
  }

  exit(pid: number, code: number | null, signal: NodeJS.Signals | null = null): void {
    const running = this.#running.get(pid);
    this.#running.delete(pid);
    queueMicrotask(() => {
      running?.child.emit("exit", code, signal);
      running?.child.emit("close", code, signal);
    });
  }

  /** The host is gone: no handle hears of its processes; without a watchdog they go on. */
  crash(hasWatchdog: boolean): void {
    for (const running of this.#running.values()) {
      this.#unheard.push(running.child);
      running.child = new ChildProcess();
      running.stdout.removeAllListeners();
    }
    if (hasWatchdog) this.#running.clear();
  }

  /** So that what is left of dead hosts can let go of its handles. */
  buryHandles(): void {
    for (const child of this.#unheard.splice(0)) {
      child.emit("exit", null, "SIGKILL");
      child.emit("close", null, "SIGKILL");
    }
  }

  #signal(pid: number, signal: NodeJS.Signals | 0): void {
    const running = this.#running.get(pid);
    if (!running) throw Object.assign(new Error("kill ESRCH"), { code: "ESRCH" });
    if (signal === 0) return;
    if (signal === "SIGKILL" || !running.ignoresTerm) this.exit(pid, null, signal);
  }
}
