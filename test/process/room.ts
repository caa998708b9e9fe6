/**
 * What tests of the manager begin with: one on scratch folders whose clock, log and announcements are recorded,
 * and a guard that fails a test which leaves anything behind: a process, a timer, a listener, a descriptor, a file.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ProcessJob } from "../../src/jobs/job.js";
import { JobRegistry, type JobChange } from "../../src/jobs/registry.js";
import { WaitingJobs } from "../../src/jobs/waiting.js";
import { parseOptions, type Options } from "../../src/options.js";
import { systemClock, type Clock, type Timer } from "../../src/ports.js";
import type { Announce } from "../../src/process/capture.js";
import {
  BackgroundProcessManager,
  type CreateInput,
  type CreateResult,
  type ProcessManagerDeps,
} from "../../src/process/manager.js";
import { diskFiles } from "../../src/store/files.js";
import { OutputRetention } from "../../src/store/retention.js";
import { alive, eventually, holdings, newHoldings } from "./support.js";

/** The system's clock, and how many of its timers are set. */
export class CountingClock implements Clock {
  pending = 0;
  readonly now = () => Date.now();
  readonly monotonic = () => performance.now();

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
  kind: Parameters<Announce>[0];
  text: string;
}

export interface Room {
  manager: BackgroundProcessManager;
  jobs: JobRegistry;
  outputs: OutputRetention;
  clock: CountingClock;
  folder: string;
  announced: Announcement[];
  logged: { level: string; message: string }[];
  changes: JobChange[];
  /** In the environment of every process of this room. */
  marker: string;
  create: (command: string, input?: Partial<CreateInput>) => Promise<CreateResult>;
  /** The job when it has ended. */
  ended: (id: string) => Promise<ProcessJob>;
  /** The whole output, as text. */
  output(id: string): Promise<string>;
  /** Waits until the output holds this text. */
  seen(id: string, text: string): Promise<void>;
}

export interface RoomSettings {
  options?: Partial<Options>;
  deps?: Partial<ProcessManagerDeps>;
}

/** Runs a test with a manager of its own, then disposes of it and looks for what is left. */
export async function withRoom(
  use: (room: Room) => Promise<void>,
  settings: RoomSettings = {},
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "ocbm-process-"));
  const before = holdings();
  const room = makeRoom(folder, settings);
  // The plugin's timers hold no process, as its host lives on without them; so must the test, whatever it waits for.
  const host = setInterval(() => undefined, 60_000);
  try {
    await use(room);
  } finally {
    await room.manager.dispose();
    clearInterval(host);
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
  const parsed = { ...parseOptions().options, killGraceMilliseconds: 300, ...options };
  const manager = new BackgroundProcessManager({
    jobs,
    clock,
    log,
    options: parsed,
    outputFolder: () => folder,
    announce: (job, kind, text) => void announced.push({ id: job.id, kind, text }),
    env: { ...process.env, OCBM_TEST_ROOM: marker },
    waiting: new WaitingJobs(jobs, clock),
    ...deps,
  });
  // As the store does it.
  const outputs = new OutputRetention({ jobs, log, retention: parsed, folder, files: diskFiles });
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
    outputs,
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

/** The room's folder with a named pipe in it: a process can wait there for the test. */
export function fifoFolder(room: Room): string {
  const made = spawnSync("mkfifo", [join(room.folder, "fifo")]);
  assert.equal(made.status, 0);
  return room.folder;
}
