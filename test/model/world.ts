// Owns: one directory's workspace over a fake host, machine and clock, with its state really on disk, through any
// number of restarts and crashes. Promises: everything that an operation sets off is done when it resolves; a
// workspace that crashed neither hears nor does anything any more.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { HostEvent } from "../../src/host/events.js";
import { isTerminal } from "../../src/jobs/status.js";
import { parseOptions } from "../../src/options.js";
import { silentLog, type Clock } from "../../src/ports.js";
import { Watchdog } from "../../src/system/watchdog.js";
import { diskFiles, type StoreFiles } from "../../src/store/files.js";
import { createTools } from "../../src/tools/index.js";
import { Workspace } from "../../src/workspace.js";
import { FakeClock, settle } from "../fakes/clock.js";
import { FakeHost } from "../fakes/host.js";
import { Machine } from "../fakes/machine.js";
import { Stage } from "../fakes/stage.js";
import { fakeProcesses } from "../store/support.js";
import type { Outcome } from "./reference.js";

export const SLOTS = 3;
export const MOST_PROCESSES = 5;

const FREE_TURNS = 20;
const MOST_TURNS = 10_000;

/** A workspace and the time it lives in. */
interface Life {
  workspace: Workspace;
  clock: FakeClock;
  dead: boolean;
  /** How often each job became terminal in it. */
  ends: Map<string, number>;
}

export class World extends Stage {
  readonly host: FakeHost;
  readonly machine = new Machine();
  readonly errors: string[] = [];
  readonly #folder = mkdtempSync(join(tmpdir(), "obm-model-"));
  readonly #lives: Life[] = [];

  private constructor() {
    super();
    const now: Clock = {
      now: () => this.#life.clock.now(),
      monotonic: () => this.#life.clock.monotonic(),
      after: (milliseconds, callback) => this.#life.clock.after(milliseconds, callback),
    };
    this.host = new FakeHost(now);
    this.host.onPrompt = ({ sessionID }) => {
      if (this.host.sessions.get(sessionID)?.info.parentID) this.busy(sessionID);
    };
    this.host.onAbort = (sessionID) => this.#aborted(sessionID);
  }

  static async start(): Promise<World> {
    const world = new World();
    await world.#begin();
    return world;
  }

  get workspace(): Workspace {
    return this.#life.workspace;
  }

  get notices(): Workspace["notices"] {
    return this.workspace.notices;
  }

  get ends(): ReadonlyMap<string, number> {
    return this.#life.ends;
  }

  /** Timers that this life still has. */
  get timers(): number {
    return this.#life.clock.pending;
  }

  event(event: HostEvent): void {
    this.workspace.onEvent(event);
  }

  /** As the agent of a session calls a tool. */
  async call(name: string, args: Record<string, unknown>, sessionID: string): Promise<void> {
    const tool = createTools(() => Promise.resolve(this.workspace))[name];
    if (!tool) throw new Error(`there is no tool ${name}`);
    const answer = tool.execute(args, {
      sessionID,
      messageID: this.host.newMessageID(),
      agent: "build",
      directory: this.#folder,
      worktree: this.#folder,
      abort: new AbortController().signal,
      metadata: () => undefined,
      ask: () => Promise.resolve(),
    });
    await this.until(answer);
  }

  outcome(id: string): Outcome {
    const job = this.workspace.jobs.get(id);
    if (!job) return "lost";
    return isTerminal(job.status) ? `${job.status} · ${job.endReason ?? ""}` : undefined;
  }

  pidOf(id: string): number {
    return this.workspace.processes.get(id)?.identity?.pid ?? 0;
  }

  async wait(milliseconds: number): Promise<void> {
    await this.#life.clock.advance(milliseconds);
    await settle();
  }

  /** Lets time pass until this is done. */
  async until<T>(promise: Promise<T>): Promise<T> {
    return until(this.#life.clock, promise);
  }

  /** OpenCode ends in order and starts again. */
  async restart(): Promise<void> {
    await this.until(this.workspace.dispose());
    await this.#begin();
  }

  /** OpenCode dies and starts again. */
  async crash(hasWatchdog: boolean): Promise<void> {
    this.#life.dead = true;
    this.machine.crash(hasWatchdog);
    this.host.busy.clear();
    await this.#begin();
    // What an earlier host left is ended by the new one.
    await this.wait(5_000);
  }

  /** Nothing of any life is left, in memory or on disk. */
  async end(): Promise<void> {
    this.machine.buryHandles();
    for (const { workspace, clock } of this.#lives) {
      await until(clock, workspace.dispose());
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get #life(): Life {
    const life = this.#lives.at(-1);
    if (!life) throw new Error("the world has not begun");
    return life;
  }

  async #begin(): Promise<void> {
    const pid = this.#lives.length + 1;
    const clock =
      this.#lives.length > 0 ? new FakeClock(this.#life.clock.now() + 1) : new FakeClock();
    clock.isBusy = () => this.machine.isLookedAt;
    const log: typeof silentLog = (level, message, extra) => {
      if (level === "error" && !life.dead) this.errors.push(`${message} ${JSON.stringify(extra)}`);
    };
    const ends = new Map<string, number>();
    const life: Life = {
      clock,
      ends,
      dead: false,
      workspace: new Workspace({
        host: whileAlive(this.host, () => life.dead),
        directory: this.#folder,
        projectID: "model",
        stateFolder: join(this.#folder, "state"),
        options: {
          ...parseOptions().options,
          maxRunning: SLOTS,
          concurrency: SLOTS,
          maxProcesses: MOST_PROCESSES,
          stallMinutes: 1_440,
          keepEnded: 10_000,
        },
        clock,
        log,
        system: {
          spawn: this.machine.spawn,
          system: this.machine.systemFor(clock),
          watchdog: new Watchdog({ clock, log, instanceID: "", platform: "win32" }),
          files: filesWhileAlive(() => life.dead),
          processes: fakeProcesses(pid, new Set([pid])),
        },
      }),
    };
    life.workspace.jobs.onChange(({ type, job }) => {
      if (type === "ended") ends.set(job.id, (ends.get(job.id) ?? 0) + 1);
    });
    this.#lives.push(life);
    await this.until(life.workspace.restore());
  }

  #aborted(sessionID: string): void {
    if (!this.host.busy.has(sessionID) || !this.host.sessions.has(sessionID)) return;
    const error = { name: "MessageAbortedError", message: "Aborted" };
    this.host.addAssistant(sessionID, { error });
    this.idle(sessionID);
  }
}

/** Reading from the disk takes turns of the event loop, everything else only the clock. */
async function until<T>(clock: FakeClock, promise: Promise<T>): Promise<T> {
  const state = { isDone: false };
  const watched = promise.finally(() => {
    state.isDone = true;
  });
  // The caller that is given the promise hears of its failure.
  watched.catch(() => undefined);
  for (let turn = 0; !state.isDone && turn < MOST_TURNS; turn++) {
    await settle();
    await clock.advanceUntil(() => state.isDone, 10);
    if (turn > FREE_TURNS) await clock.advance(100);
  }
  if (!state.isDone) throw new Error("it is never done");
  return watched;
}

/** What a dead host has asked for is never answered. */
function whileAlive(host: FakeHost, isDead: () => boolean): FakeHost {
  return new Proxy(host, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      return (...args: unknown[]): unknown =>
        isDead() ? new Promise(() => undefined) : Reflect.apply(value, target, args);
    },
  });
}

/** Written at once and without waiting for the disk, so that what a crash finds there is no matter of luck. */
function filesWhileAlive(isDead: () => boolean): StoreFiles {
  const files: StoreFiles = {
    ...diskFiles,
    createSync(path, text) {
      if (isDead()) throw new Error("the host is dead");
      writeFileSync(path, text, { flag: "wx", mode: 0o600 });
    },
    async create(path, text) {
      files.createSync(path, text);
    },
    rename(from, to) {
      if (isDead()) throw new Error("the host is dead");
      diskFiles.rename(from, to);
    },
  };
  return files;
}
