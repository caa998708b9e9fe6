/** What the store's tests share: stores of several processes on one machine, and what they log. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseState } from "../../src/store/state-file.js";
import { JobRegistry } from "../../src/jobs/registry.js";
import type { Notice } from "../../src/notices/notice.js";
import { silentLog, type Log, type LogLevel } from "../../src/ports.js";
import { outputPath } from "../../src/store/instance-folder.js";
import type { Processes } from "../../src/store/owner.js";
import { JobStore, type JobStoreOptions } from "../../src/store/store.js";
import { FakeClock } from "../fakes/clock.js";

export interface LogLine {
  level: LogLevel;
  message: string;
  extra?: Record<string, unknown> | undefined;
}

export function recordingLog(): { log: Log; lines: LogLine[] } {
  const lines: LogLine[] = [];
  return { log: (level, message, extra) => void lines.push({ level, message, extra }), lines };
}

/** A machine whose processes are numbers: `me` asks, and those in `alive` live. */
export function fakeProcesses(me: number, alive: ReadonlySet<number>): Processes {
  return {
    self: () => ({
      identity: { pid: me, startTime: `start-${me}`, bootID: "boot" },
      host: "machine",
      pidNamespace: "pid:[1]",
    }),
    hasEnded: ({ pid }) => !alive.has(pid),
  };
}

export interface TestStore {
  store: JobStore;
  jobs: JobRegistry;
  notices: Notice[];
}

export const RETENTION = { keepEnded: 200, keepDays: 7, totalOutputLimit: 256 * 1024 * 1024 };

/** Two hours after the sample records began. */
export const NOW = Date.UTC(2026, 10, 21, 12);

/** A store with its own registry and outbox; `pid` is the process that owns it. */
export function makeStore(
  options: Partial<JobStoreOptions> & { root: string; pid?: number; alive?: ReadonlySet<number> },
): TestStore {
  const { pid = 1, alive = new Set([pid]), ...rest } = options;
  const jobs = new JobRegistry(silentLog);
  const notices: Notice[] = [];
  const store = new JobStore({
    projectID: "project",
    directory: "/project",
    clock: new FakeClock(NOW),
    log: silentLog,
    jobs,
    notices: () => notices,
    retention: RETENTION,
    processes: fakeProcesses(pid, alive),
    ...rest,
  });
  return { store, jobs, notices };
}

/** Where the output of a process of this store goes; its folder exists afterwards. */
export function outputFileOf(store: JobStore, id: string): string {
  store.outputFolder();
  return outputPath(store.folder, id);
}

/** What a manager does with what it gets: all of it into the registry and the outbox, then the commit. */
export async function adopt({ store, jobs, notices }: TestStore): Promise<string[]> {
  const claimed = await store.claim();
  for (const { job } of claimed.jobs) jobs.add(job);
  notices.push(...claimed.notices);
  await store.commitClaim();
  return claimed.jobs.map(({ job }) => job.id).sort();
}

/** What stands in an owner's folder. */
export function stateOf(instance: string) {
  const reading = parseState(readFileSync(join(instance, "jobs.json"), "utf8"));
  assert.ok(reading.kind === "read");
  return reading;
}
