/**
 * Ends what runs when the host is gone without a word (SIGKILL, a crash, the terminal UI's worker): one small
 * shell per instance, in a session of its own, that reads a pipe from us and sees end-of-file in the moment in
 * which this process dies (see watchdog-script.ts). It is started just before the first process and ends soon after
 * the last; if it dies meanwhile it is started again once.
 *
 * Windows has no such helper: what a dead host left is found by the next start.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { ProcessIdentity } from "../jobs/job.js";
import { waysOf } from "../platform.js";
import { coerceError, type Clock, type Log, type Timer } from "../ports.js";
import { WATCHDOG_SCRIPT } from "./watchdog-script.js";
import { within } from "../time.js";

export interface WatchdogDeps {
  clock: Clock;
  log: Log;
  /** Stands in the environment of every guarded process, and in no other. */
  instanceID: string;
  platform?: NodeJS.Platform;
  env?: NodeJS.ProcessEnv;
  /** Starts the helper; its stdin is a pipe. */
  start?: (instanceID: string, env: NodeJS.ProcessEnv) => ChildProcess;
}

/** So long it stays without anything to guard: commands that follow each other share one. */
const IDLE_MILLISECONDS = 1000;
/** So long a closing instance waits for it to end. */
const CLOSE_MILLISECONDS = 1000;

export class Watchdog {
  readonly #canGuard: boolean;
  readonly #deps: WatchdogDeps;
  /** All that it was told of a job. */
  readonly #guards = new Map<string, string>();
  /** The folder of ours, once there was one. */
  #controlGroups: string | undefined;
  #helper: ChildProcess | undefined;
  #idle: Timer | undefined;
  #restarts = 0;

  constructor(deps: WatchdogDeps) {
    this.#deps = deps;
    const { hasProcessGroups, hasPosixShell } = waysOf(deps.platform);
    this.#canGuard = hasProcessGroups && hasPosixShell;
  }

  /**
   * Before a process is started: if the host dies in the next instant, the helper finds it by its mark, or in a control
   * group below this folder.
   */
  prepare(controlGroups?: string): void {
    if (!this.#canGuard) return;
    this.#idle?.cancel();
    const isNew = controlGroups !== undefined && controlGroups !== this.#controlGroups;
    if (isNew) this.#controlGroups = controlGroups;
    if (!this.#helper) this.#start();
    else if (isNew) this.#write(`groups ${controlGroups}\n`);
  }

  guard(jobID: string, identity: ProcessIdentity): void {
    if (!this.#canGuard) return;
    this.#idle?.cancel();
    const line = `guard ${jobID} ${identity.pid} ${identity.startTime}\n`;
    this.#guards.set(jobID, line);
    if (this.#helper) this.#write(line);
    else this.#start();
  }

  /** It stands, and ends this job when the host is gone. */
  isGuarding(jobID: string): boolean {
    return this.#guards.has(jobID) && this.#helper?.stdin?.writable === true;
  }

  /** These processes of a job get SIGTERM from us: they get none from it. */
  told(jobID: string, pids: readonly number[]): void {
    const lines = this.#guards.get(jobID);
    if (lines === undefined) return;
    const line = `told ${jobID} ${pids.join(" ")}\n`;
    this.#guards.set(jobID, lines + line);
    this.#write(line);
  }

  /** Also of one that could not be started. */
  release(jobID: string): void {
    if (this.#guards.delete(jobID)) this.#write(`release ${jobID}\n`);
    if (this.#guards.size > 0 || !this.#helper) return;
    this.#idle?.cancel();
    this.#idle = this.#deps.clock.after(IDLE_MILLISECONDS, () => this.#stop());
  }

  /** When nothing is guarded any more. Resolves when the helper has ended, or does not end in time. */
  async close(): Promise<void> {
    this.#idle?.cancel();
    const helper = this.#helper;
    this.#stop();
    if (!helper || helper.exitCode !== null || helper.signalCode !== null) return;
    helper.ref();
    const { clock, log } = this.#deps;
    // A handle that reports an error may never report an exit; `#start` has logged what it was.
    const isOver = once(helper, "exit").catch(() => undefined);
    if (await within(clock, CLOSE_MILLISECONDS, isOver)) return;
    log("warn", "the watchdog did not end in time", { pid: helper.pid });
    helper.unref();
  }

  #start(): void {
    const { start = startHelper, instanceID, env = process.env } = this.#deps;
    let helper: ChildProcess;
    try {
      helper = start(instanceID, env);
    } catch (thrown) {
      this.#lost(coerceError(thrown).message);
      return;
    }
    this.#helper = helper;
    helper.on("error", (error) => this.#ended(helper, error.message));
    helper.on("exit", (code, signal) => this.#ended(helper, signal ?? `exit code ${code}`));
    // EPIPE: it has died; `exit` follows and does what is to be done.
    helper.stdin?.on("error", (error) => {
      this.#deps.log("debug", "writing to the watchdog failed", { error: error.message });
    });
    release(helper);
    if (this.#controlGroups !== undefined) this.#write(`groups ${this.#controlGroups}\n`);
    for (const line of this.#guards.values()) this.#write(line);
  }

  #write(line: string): void {
    if (this.#helper?.stdin?.writable) this.#helper.stdin.write(line);
  }

  /** With nothing to guard it is dismissed: the end of its pipe alone would mean that the host is gone. */
  #stop(): void {
    if (this.#guards.size === 0) this.#write("dismiss\n");
    const helper = this.#helper;
    this.#helper = undefined;
    helper?.stdin?.end();
  }

  #ended(helper: ChildProcess, how: string): void {
    if (helper !== this.#helper) return;
    this.#helper = undefined;
    if (this.#guards.size > 0) this.#lost(how);
  }

  #lost(how: string): void {
    const { log } = this.#deps;
    this.#restarts += 1;
    const words = "processes would outlive a crash of OpenCode";
    if (this.#restarts > 1) log("error", `the watchdog ended again: ${words}`, { how });
    else {
      log("warn", "the watchdog ended and is started again", { how });
      this.#start();
    }
  }
}

function startHelper(instanceID: string, env: NodeJS.ProcessEnv): ChildProcess {
  // The program is in the environment, so that a list of processes stays readable.
  const args = ["-c", 'eval "$WATCHDOG"', "opencode-background-watchdog", instanceID];
  return spawn("/bin/sh", args, {
    cwd: "/",
    // A session of its own: no terminal's end, Ctrl-C or group kill of the host reaches it.
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
    env: {
      PATH: env["PATH"] ?? "/usr/bin:/bin",
      LC_ALL: "C",
      TZ: "UTC",
      WATCHDOG: WATCHDOG_SCRIPT,
    },
  });
}

/** Neither the helper nor the pipe to it keeps the host awake. */
function release(helper: ChildProcess): void {
  helper.unref();
  const { stdin } = helper;
  if (stdin && "unref" in stdin && typeof stdin.unref === "function") stdin.unref();
}
