/** What the store's tests share: time and disk that can be steered, sample records. */
import type { Job, ProcessJob, SubagentJob } from "../../src/jobs/job.js";
import { JobRegistry } from "../../src/jobs/registry.js";
import type { Notice } from "../../src/notices/notice.js";
import { silentLog, type Clock, type Log, type LogLevel, type Timer } from "../../src/ports.js";
import { diskFiles, type StoreFiles } from "../../src/store/files.js";
import type { Processes } from "../../src/store/owner.js";
import { JobStore, type JobStoreOptions } from "../../src/store/store.js";

export class FakeClock implements Clock {
  /** Timers follow the time that passed, not the date, as the real ones do. */
  #passed = 0;
  #date: number;
  readonly #timers = new Set<{ due: number; callback: () => void }>();

  constructor(now = Date.UTC(2026, 10, 21, 12)) {
    this.#date = now;
  }

  now(): number {
    return this.#date + this.#passed;
  }

  after(milliseconds: number, callback: () => void): Timer {
    const timer = { due: this.#passed + milliseconds, callback };
    this.#timers.add(timer);
    return { cancel: () => this.#timers.delete(timer) };
  }

  /** Timers that would still fire. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Somebody sets the date. */
  set(now: number): void {
    this.#date = now - this.#passed;
  }

  /** Lets time pass, timer by timer; after each the asynchronous work that it began is done. */
  async advance(milliseconds: number): Promise<void> {
    const end = this.#passed + milliseconds;
    for (;;) {
      const [next] = [...this.#timers].sort((a, b) => a.due - b.due);
      if (!next || next.due > end) break;
      this.#timers.delete(next);
      this.#passed = Math.max(this.#passed, next.due);
      next.callback();
      await settle();
    }
    this.#passed = end;
  }
}

/** For fakes whose promises are resolved already: some turns of the event loop. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) {
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }
}

export type Step = "open" | "write" | "sync" | "close" | "rename" | "remove" | "folder";
export const WRITE_STEPS: readonly Step[] = ["open", "write", "sync", "close", "rename"];

/** The disk (or another file system) with a word before each step: what `before` throws is the step's error. */
export function watched(before: (step: Step) => void, files: StoreFiles = diskFiles): StoreFiles {
  return {
    async create(path) {
      before("open");
      const file = await files.create(path);
      return {
        async write(text) {
          before("write");
          await file.write(text);
        },
        async sync() {
          before("sync");
          await file.sync();
        },
        async close() {
          await file.close();
          before("close");
        },
      };
    },
    createSync(path) {
      before("open");
      const file = files.createSync(path);
      return {
        write(text) {
          before("write");
          file.write(text);
        },
        sync() {
          before("sync");
          file.sync();
        },
        close() {
          file.close();
          before("close");
        },
      };
    },
    rename(from, to) {
      before("rename");
      files.rename(from, to);
    },
    remove(path) {
      before("remove");
      files.remove(path);
    },
    makeFolder(path) {
      before("folder");
      files.makeFolder(path);
    },
  };
}

export class SystemError extends Error {
  readonly code: string;
  constructor(code: string) {
    super(`${code}: injected`);
    this.code = code;
  }
}

/** Files in a map: promises resolve at once, so that a fake clock is all the time there is. */
export class MemoryFiles implements StoreFiles {
  readonly texts = new Map<string, string>();

  async create(path: string) {
    const file = this.createSync(path);
    return {
      write: async (text: string) => file.write(text),
      sync: async () => file.sync(),
      close: async () => file.close(),
    };
  }

  createSync(path: string) {
    if (this.texts.has(path)) throw new SystemError("EEXIST");
    this.texts.set(path, "");
    return {
      write: (text: string) => void this.texts.set(path, text),
      sync: () => undefined,
      close: () => undefined,
    };
  }

  rename(from: string, to: string): void {
    const text = this.texts.get(from);
    if (text === undefined) throw new SystemError("ENOENT");
    this.texts.delete(from);
    this.texts.set(to, text);
  }

  remove(path: string): void {
    this.texts.delete(path);
  }

  makeFolder(): void {
    // A map needs none.
  }
}

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
    isAlive: ({ pid }) => alive.has(pid),
  };
}

const WHEN = new Date("2026-11-21T10:00:00.000Z");

export function subagent(id: string, changes: Partial<SubagentJob> = {}): SubagentJob {
  return {
    kind: "subagent",
    id,
    name: `task ${id}`,
    status: "running",
    tags: ["a"],
    parentSessionID: "ses_parent",
    rootSessionID: "ses_root",
    notify: true,
    createdAt: WHEN,
    startedAt: WHEN,
    agent: "explore",
    depth: 1,
    runs: [{ promptMessageID: "msg_1", startedAt: WHEN, status: "running" }],
    progress: { toolCalls: 3, lastTool: "read", lastUpdate: WHEN },
    tokens: { input: 1, output: 2, reasoning: 0, cacheRead: 4 },
    cost: 0.25,
    ...changes,
  };
}

export function processJob(id: string, changes: Partial<ProcessJob> = {}): ProcessJob {
  return {
    kind: "process",
    id,
    name: `process ${id}`,
    status: "running",
    tags: [],
    parentSessionID: "ses_parent",
    rootSessionID: "ses_root",
    notify: false,
    createdAt: WHEN,
    startedAt: WHEN,
    command: "npm run dev",
    cwd: "/project",
    shell: "/bin/sh",
    global: false,
    identity: { pid: 4321, startTime: "777", bootID: "boot" },
    output: { bytes: 10, dropped: 0 },
    ...changes,
  };
}

export function ended(job: SubagentJob, at: Date): SubagentJob {
  return { ...job, status: "completed", endReason: "finished", completedAt: at };
}

export function noticeOf(job: Job, id = `note_${job.id}`): Notice {
  return {
    id,
    parentSessionID: job.parentSessionID,
    jobID: job.id,
    kind: "ended",
    text: "done",
    createdAt: WHEN,
  };
}

export interface TestStore {
  store: JobStore;
  jobs: JobRegistry;
  notices: Notice[];
}

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
    pluginVersion: "0.0.0",
    clock: new FakeClock(),
    log: silentLog,
    jobs,
    notices: () => notices,
    retention: { keepEnded: 200, keepDays: 7 },
    processes: fakeProcesses(pid, alive),
    ...rest,
  });
  return { store, jobs, notices };
}

/** What a manager does with what it gets: all of it into the registry and the outbox, then the commit. */
export async function adopt({ store, jobs, notices }: TestStore): Promise<string[]> {
  const claimed = await store.claim();
  for (const job of claimed.jobs) jobs.add(job);
  notices.push(...claimed.notices);
  await store.commitClaim();
  return claimed.jobs.map((job) => job.id).sort();
}
