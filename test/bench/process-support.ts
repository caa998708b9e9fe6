/** What the process benchmarks share: a manager on a scratch folder, pairs that take turns, figures as text. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { OPENCODE_BINARY } from "../../fixtures/host/index.js";
import { JobRegistry } from "../../src/jobs/registry.js";
import { parseOptions } from "../../src/options.js";
import { silentLog, systemClock } from "../../src/ports.js";
import { BackgroundProcessManager, type ProcessManagerDeps } from "../../src/process/manager.js";
import { median } from "./median.js";
import { result, type Result } from "./result.js";

/** The shell that runs the commands, ours and theirs. */
export const shellPath = process.env["SHELL"] ?? "/bin/sh";

export interface Bench {
  manager: BackgroundProcessManager;
  jobs: JobRegistry;
  folder: string;
  /** Starts a command and resolves with its id when it has ended. */
  run(command: string): Promise<string>;
  close(): Promise<void>;
}

export function openBench(
  options: Record<string, unknown> = {},
  deps: Partial<ProcessManagerDeps> = {},
): Bench {
  const folder = mkdtempSync(join(tmpdir(), "ocbm-bench-"));
  const jobs = new JobRegistry(silentLog);
  const manager = new BackgroundProcessManager({
    jobs,
    clock: systemClock,
    log: silentLog,
    options: parseOptions({ maxProcesses: 1000, ...options }).options,
    outputFolder: () => join(folder, "output"),
    announce: () => undefined,
    ...deps,
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

export interface Shown {
  bench: string;
  case: string;
  pair: Pair;
  goal?: string;
  note?: string;
}

/** Of a speed the ratio is theirs by ours: 1 is as fast, 0.5 takes twice the time. Of a cost it is ours by theirs. */
export function show(kind: "speed" | "cost", { pair, ...named }: Shown): Result {
  const [ours, other] = [median(pair.ours), median(pair.theirs)];
  const ratio = kind === "speed" ? other / ours : ours / other;
  const all = (values: readonly number[]) => values.map((value) => value.toFixed(1)).join(" ");
  console.log(`${named.case}: ratio ${ratio.toFixed(2)} (${named.goal ?? "no goal"})`);
  console.log(`  ours  median ${ours.toFixed(1)} ms  [${all(pair.ours)}]`);
  console.log(`  other median ${other.toFixed(1)} ms  [${all(pair.theirs)}]`);
  return { ...named, ours, other, unit: "ms", ratio };
}

/**
 * Runs a benchmark in the Bun inside OpenCode, where the plugin lives, whatever it was started with, and prints
 * its results after everything else.
 */
export async function inOpenCodesBun(
  file: string,
  bench: () => Promise<readonly Result[]>,
): Promise<void> {
  if ("bun" in process.versions) {
    for (const row of await bench()) result(row);
    return;
  }
  const env = { ...process.env, BUN_BE_BUN: "1" };
  const child = spawn(OPENCODE_BINARY, ["run", file], { stdio: "inherit", env });
  const [code] = await once(child, "exit");
  process.exitCode = typeof code === "number" ? code : 1;
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

/** Where it is measured, for the note of a result. */
export function runtime(): string {
  const name =
    "bun" in process.versions ? `Bun ${process.versions["bun"]}` : `Node ${process.version}`;
  return `${name}, ${cpus().length} cores`;
}
