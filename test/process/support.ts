/**
 * What the process tests share: a manager on scratch folders whose clock, log and announcements are recorded, the
 * hostile programs, a look at who is alive, and a guard that fails a test which leaves anything behind: a
 * process, a timer, a listener, a descriptor, a file.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ProcessJob } from "../../src/jobs/job.js";
import { JobRegistry, type JobChange } from "../../src/jobs/registry.js";
import { parseOptions, type Options } from "../../src/options.js";
import { systemClock, type Clock, type Timer } from "../../src/ports.js";
import {
  BackgroundProcessManager,
  type CreateInput,
  type CreateResult,
  type ProcessManagerDeps,
} from "../../src/process/process-manager.js";

export const isLinux = process.platform === "linux";
/** The programs are for Node, also when the tests run in Bun. */
export const NODE = "bun" in process.versions ? "node" : process.execPath;

const PROGRAMS = join(import.meta.dirname, "../../fixtures/programs");

export function programFile(name: string): string {
  return join(PROGRAMS, name);
}

/** The shell command that becomes this program. */
export function program(name: string, ...args: (string | number)[]): string {
  const runner = name.endsWith(".sh") ? "bash" : `"${NODE}"`;
  return `exec ${runner} "${programFile(name)}" ${args.join(" ")}`;
}

/** The system's clock, and how many of its timers are set. */
export class CountingClock implements Clock {
  pending = 0;
  readonly now = () => Date.now();

  after(milliseconds: number, callback: () => void): Timer {
    let isSet = true;
    const done = () => {
      if (isSet) this.pending -= 1;
      isSet = false;
    };
    this.pending += 1;
    const timer = systemClock.after(milliseconds, () => {
      done();
      callback();
    });
    return {
      cancel: () => {
        done();
        timer.cancel();
      },
    };
  }
}

export interface Announcement {
  id: string;
  kind: "output" | "ready";
  text: string;
}

export interface Room {
  manager: BackgroundProcessManager;
  jobs: JobRegistry;
  clock: CountingClock;
  folder: string;
  announced: Announcement[];
  logged: { level: string; message: string }[];
  changes: JobChange[];
  /** In the environment of every process of this room. */
  marker: string;
  create(command: string, input?: Partial<CreateInput>): Promise<CreateResult>;
  /** The job when it has ended. */
  ended(id: string): Promise<ProcessJob>;
  /** The whole output, as text. */
  output(id: string): Promise<string>;
  /** Waits until the output holds this text. */
  seen(id: string, text: string): Promise<void>;
}

export interface RoomSettings {
  options?: Partial<Options>;
  deps?: Partial<ProcessManagerDeps>;
  /** The host has been told to end: `dispose` was called by the test itself. */
}

/** Runs a test with a manager of its own, then disposes of it and looks for what is left. */
export async function withRoom(
  use: (room: Room) => Promise<void>,
  settings: RoomSettings = {},
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "ocbm-process-"));
  const before = holdings();
  const room = makeRoom(folder, settings);
  try {
    await use(room);
  } finally {
    await room.manager.dispose();
    rmSync(folder, { recursive: true, force: true });
  }
  assert.deepEqual(alive(room.marker), [], "processes were left");
  assert.equal(room.clock.pending, 0, "timers were left");
  await eventually(() => {
    assert.deepEqual(newHoldings(before), [], "listeners or descriptors were left");
  });
}

function makeRoom(folder: string, { options, deps }: RoomSettings): Room {
  const marker = `room-${randomBytes(8).toString("hex")}`;
  const clock = new CountingClock();
  const announced: Announcement[] = [];
  const logged: Room["logged"] = [];
  const changes: JobChange[] = [];
  const log = (level: string, message: string) => void logged.push({ level, message });
  const jobs = new JobRegistry(log);
  jobs.onChange((change) => changes.push(change));
  const manager = new BackgroundProcessManager({
    jobs,
    clock,
    log,
    options: { ...parseOptions().options, killGraceMilliseconds: 300, ...options },
    outputFolder: () => folder,
    announce: (job, kind, text) => void announced.push({ id: job.id, kind, text }),
    env: { ...process.env, OCBM_TEST_ROOM: marker },
    ...deps,
  });
  const output = async (id: string) => {
    let text = "";
    let cursor = "0";
    for (;;) {
      const page = await manager.read(id, { mode: "full", cursor });
      text += page.lines.map((line) => `${line.text}\n`).join("");
      if (!page.more) return text;
      cursor = page.cursor;
    }
  };
  return {
    manager,
    jobs,
    clock,
    folder,
    announced,
    logged,
    changes,
    marker,
    output,
    create: (command, input) =>
      manager.create({
        command,
        cwd: folder,
        parentSessionID: "ses_parent",
        rootSessionID: "ses_root",
        ...input,
      }),
    async ended(id) {
      const hasEnded = (job: ProcessJob | undefined) => job?.completedAt !== undefined;
      if (!hasEnded(manager.get(id))) {
        await new Promise<void>((resolve) => {
          const stop = jobs.onChange((change) => {
            if (change.job.id !== id || change.type !== "ended") return;
            stop();
            resolve();
          });
        });
      }
      // Whatever else belongs to the end happens in the same turn.
      await new Promise((resolve) => setImmediate(resolve));
      const job = manager.get(id);
      assert.ok(job, `${id} is gone`);
      return job;
    },
    async seen(id, text) {
      const stop = new AbortController();
      let all = "";
      for await (const piece of manager.stream(id, { signal: stop.signal })) {
        all += piece.text;
        if (all.includes(text)) return;
      }
      assert.fail(`the output ended without ${JSON.stringify(text)}: ${all.slice(-500)}`);
    },
  };
}

/** The living processes that have this text in their environment, this one excepted. */
export function alive(marker: string): { pid: number; command: string }[] {
  if (!isLinux) return [];
  const found: { pid: number; command: string }[] = [];
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    if (!proc(pid, "environ").includes(marker)) continue;
    found.push({ pid, command: proc(pid, "cmdline").replaceAll("\0", " ") });
  }
  return found;
}

/** A file of /proc, empty when the process is gone. */
export function proc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "latin1");
  } catch (error) {
    assert.ok(error instanceof Error && "code" in error, "a system error");
    return "";
  }
}

/** Neither running nor a zombie. */
export function isRunning(pid: number): boolean {
  const stat = proc(pid, "stat");
  return stat !== "" && !/\) [ZX]/.test(stat);
}

/** What this process holds, one text for each: its listeners for its own end, pipes, sockets and files. */
export function holdings(): string[] {
  const events: NodeJS.EventEmitter = process;
  const held = ["exit", "SIGTERM", "SIGINT", "SIGHUP"].flatMap((event) =>
    events.listeners(event).map(() => `listener for ${event}`),
  );
  if (!isLinux) return held;
  for (const fd of readdirSync("/proc/self/fd")) {
    const what = linkOf(`/proc/self/fd/${fd}`);
    // Not the runtime's own: its sources, and its means of waiting (each thread that ends leaves three of these
    // in Bun 1.3.14).
    if (/^(pipe|socket):|ocbm-/.test(what)) held.push(what);
  }
  return held;
}

/** What is held now and was not before. */
export function newHoldings(before: readonly string[]): string[] {
  const left = [...before];
  return holdings().filter((what) => {
    const at = left.indexOf(what);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

/** Empty when it is gone: the descriptor that lists the folder is. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch (error) {
    assert.ok(error instanceof Error && "code" in error, "a system error");
    return "";
  }
}

/**
 * Tries again until it does not throw, for at most so long; then its last error: the kernel tells nobody when a
 * stranger's process ends or begins to ignore a signal. Give `assert.ok` a message here: making
 * one up means parsing the source each time.
 */
export async function eventually(check: () => void | Promise<void>, atMost = 3000): Promise<void> {
  const end = Date.now() + atMost;
  for (;;) {
    try {
      await check();
      return;
    } catch (error) {
      if (Date.now() >= end) throw error;
    }
    await sleep(10);
  }
}
