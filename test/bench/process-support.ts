/** What the process benchmarks share: a manager on a scratch folder, pairs that take turns, figures as text. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { JobRegistry } from "../../src/jobs/registry.js";
import { parseOptions } from "../../src/options.js";
import { silentLog, systemClock } from "../../src/ports.js";
import { BackgroundProcessManager } from "../../src/process/process-manager.js";

export interface Bench {
  manager: BackgroundProcessManager;
  jobs: JobRegistry;
  folder: string;
  /** Starts a command and resolves with its id when it has ended. */
  run(command: string): Promise<string>;
  close(): Promise<void>;
}

export function openBench(options: Record<string, unknown> = {}): Bench {
  const folder = mkdtempSync(join(tmpdir(), "ocbm-bench-"));
  const jobs = new JobRegistry(silentLog);
  const manager = new BackgroundProcessManager({
    jobs,
    clock: systemClock,
    log: silentLog,
    options: parseOptions({ maxProcesses: 1000, ...options }).options,
    outputFolder: () => join(folder, "output"),
    announce: () => undefined,
  });
  return {
    manager,
    jobs,
    folder,
    async run(command) {
      const ended = new Promise<string>((resolve) => {
        const stop = jobs.onChange((change) => {
          if (change.type !== "ended") return;
          stop();
          resolve(change.job.id);
        });
      });
      await manager.create({ command, cwd: folder, parentSessionID: "s", rootSessionID: "s" });
      return ended;
    },
    async close() {
      await manager.dispose();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Milliseconds. */
export async function timed(work: () => unknown): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

export interface Pair {
  ours: number[];
  theirs: number[];
}

/** Takes turns, so that whatever else the machine does meets both. */
export async function pairs(
  rounds: number,
  ours: () => Promise<number>,
  theirs: () => Promise<number>,
): Promise<Pair> {
  const pair: Pair = { ours: [], theirs: [] };
  await ours();
  await theirs();
  for (let i = 0; i < rounds; i++) {
    pair.ours.push(await ours());
    pair.theirs.push(await theirs());
  }
  return pair;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

export function show(name: string, { ours, theirs }: Pair, goal: string, isSpeed = false): void {
  const ratio = isSpeed ? median(theirs) / median(ours) : median(ours) / median(theirs);
  const all = (values: readonly number[]) => values.map((value) => value.toFixed(1)).join(" ");
  console.log(`${name}: ratio ${ratio.toFixed(2)} (goal ${goal})`);
  console.log(`  ours   median ${median(ours).toFixed(1)} ms  [${all(ours)}]`);
  console.log(`  theirs median ${median(theirs).toFixed(1)} ms  [${all(theirs)}]`);
}

/** The greatest resident memory above that at the start, in MB, sampled while the work is done. */
export async function memoryGrowth(work: () => Promise<unknown>): Promise<number> {
  const start = process.memoryUsage.rss();
  let highest = start;
  const sample = setInterval(() => {
    highest = Math.max(highest, process.memoryUsage.rss());
  }, 5);
  await work();
  clearInterval(sample);
  return (highest - start) / 1024 ** 2;
}

export function runtime(): string {
  return "bun" in process.versions ? `Bun ${process.versions["bun"]}` : `Node ${process.version}`;
}
