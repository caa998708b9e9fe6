/**
 * (d) What ends and kills cost the host beside 500 processes that are not its own: the processor time from a short
 * command's exit to its end, and how long the event loop was held while 50 commands end and 10 trees are killed.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { median } from "./median.js";
import { inOpenCodesBun, openBench, runtime, type Bench } from "./process-support.js";
import type { Result } from "./result.js";

const BENCH = "process-ends";
const FOREIGN = 500;
const WARM_UPS = 100;
const ROUNDS = 25;
const MOST_PROCESSOR_MS = 3;
const MOST_DELAY_MS = 20;
const COMMANDS = 50;
const TREES = 10;
const TREE =
  "for i in $(seq 4); do (for j in $(seq 4); do sleep 100 & done; wait) & done; echo up; wait";

await inOpenCodesBun(import.meta.filename, async () => {
  const stop = await startForeign();
  const folder = mkdtempSync(join(tmpdir(), "ocbm-ends-"));
  try {
    return [await measureEnd(folder), await measureDelay(folder)];
  } finally {
    await stop();
    rmSync(folder, { recursive: true });
  }
});

/** Processes of another session, older than ours. */
async function startForeign(): Promise<() => Promise<void>> {
  const script = `for i in $(seq ${FOREIGN}); do sleep 1000 & done; echo up; wait`;
  const child = spawn("/bin/sh", ["-c", script], {
    detached: true,
    stdio: ["ignore", "pipe", "ignore"],
  });
  await once(createInterface(child.stdout), "line");
  return async () => {
    const exit = once(child, "exit");
    process.kill(-(child.pid ?? Number.NaN), "SIGKILL");
    await exit;
  };
}

/** From the moment in which it may exit: both end by the same file, ours as a job. */
async function measureEnd(folder: string): Promise<Result> {
  const bench = openBench();
  // A host has been running for a while: what is compiled at first use is not the end's cost.
  for (let i = 0; i < WARM_UPS; i++) await bench.run("true");
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    ours.push(await processorOfEnd(folder, (command) => startOurs(bench, command)));
    theirs.push(await processorOfEnd(folder, startBare));
  }
  await bench.close();
  const [own, bare] = [median(ours), median(theirs)];
  const all = (values: readonly number[]) => values.map((value) => value.toFixed(1)).join(" ");
  console.log(`  ours [${all(ours)}]\n  bare [${all(theirs)}]`);
  console.log(
    `end of a short command: ${own.toFixed(2)} ms of the processor, bare ${bare.toFixed(2)} ms`,
  );
  return {
    bench: BENCH,
    case: `processor for the end of a short command, ${FOREIGN} foreign processes, beside the limit`,
    ours: own,
    other: MOST_PROCESSOR_MS,
    unit: "ms",
    ratio: own / MOST_PROCESSOR_MS,
    goal: `at most ${MOST_PROCESSOR_MS} ms`,
    note: `a bare child process: ${bare.toFixed(2)} ms, ${runtime()}`,
  };
}

/** Starts a command, and gives the promise of its end once it runs. */
type Start = (command: string) => Promise<{ ended: Promise<unknown> }>;

async function processorOfEnd(folder: string, start: Start): Promise<number> {
  const go = join(folder, "go");
  rmSync(go, { force: true });
  const { ended } = await start(`while [ ! -e "${go}" ]; do sleep 0.05; done; echo done`);
  await pause(300);
  const before = process.cpuUsage();
  writeFileSync(go, "");
  await ended;
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

async function startOurs(bench: Bench, command: string): Promise<{ ended: Promise<unknown> }> {
  const ended = new Promise((resolve) => {
    const stop = bench.jobs.onChange(({ type }) => {
      if (type !== "ended") return;
      stop();
      resolve(undefined);
    });
  });
  await bench.manager.create({ command, cwd: "/", parentSessionID: "s", rootSessionID: "s" });
  return { ended };
}

async function startBare(command: string): Promise<{ ended: Promise<unknown> }> {
  const child = spawn("/bin/sh", ["-c", command], { stdio: ["ignore", "pipe", "pipe"] });
  child.stdout.resume();
  child.stderr.resume();
  return { ended: once(child, "close") };
}

async function measureDelay(folder: string): Promise<Result> {
  const quiet = await delays(() => pause(1000));
  const bench = openBench();
  const go = join(folder, "go-all");
  const sessions = { parentSessionID: "s", rootSessionID: "s" };
  const start = (command: string) => bench.manager.create({ command, cwd: "/", ...sessions });
  const trees: string[] = [];
  for (let i = 0; i < TREES; i++) {
    trees.push((await start(TREE)).job.id);
  }
  for (const id of trees)
    for await (const { text } of bench.manager.stream(id)) if (text.includes("up")) break;
  const wait = `while [ ! -e "${go}" ]; do sleep 0.2; done; echo done`;
  for (let i = 0; i < COMMANDS; i++) await start(wait);
  let running = COMMANDS + TREES;
  const ended = new Promise<void>((resolve) => {
    bench.jobs.onChange(({ type }) => {
      if (type === "ended" && --running === 0) resolve();
    });
  });
  await pause(500);
  const held = await delays(async () => {
    writeFileSync(go, "");
    const kills = trees.map((id) => bench.manager.kill({ id }, { reason: "cancelled_by_user" }));
    for (const { jobs } of await Promise.all(kills)) {
      if (jobs[0]?.outcome !== "killed") throw new Error(`not killed: ${jobs[0]?.outcome}`);
    }
    await ended;
  });
  await bench.close();
  const show = (all: readonly number[]) =>
    [0.5, 0.99, 0.999, 1].map((part) => quantile(all, part).toFixed(1)).join(" / ");
  console.log(
    `event loop held, p50 / p99 / p99.9 / longest: ${show(held)} ms; idle ${show(quiet)} ms`,
  );
  const longest = quantile(held, 1);
  return {
    bench: BENCH,
    case: `longest hold of the event loop while ${COMMANDS} commands end and ${TREES} trees are killed, beside the limit`,
    ours: longest,
    other: MOST_DELAY_MS,
    unit: "ms",
    ratio: longest / MOST_DELAY_MS,
    goal: `at most ${MOST_DELAY_MS} ms`,
    note: `p50 / p99 / p99.9 / longest ${show(held)} ms, idle ${show(quiet)} ms, ${runtime()}`,
  };
}

/** The time between two turns of the event loop, for each turn while this goes on. */
async function delays(work: () => Promise<unknown>): Promise<number[]> {
  const all: number[] = [];
  let isOver = false;
  let last = performance.now();
  const look = () => {
    const now = performance.now();
    all.push(now - last);
    last = now;
    if (!isOver) setImmediate(look);
  };
  setImmediate(look);
  await work();
  isOver = true;
  await pause(0);
  return all.sort((a, b) => a - b);
}

function quantile(sorted: readonly number[], part: number): number {
  return sorted[Math.ceil(part * (sorted.length - 1))] ?? Number.NaN;
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
