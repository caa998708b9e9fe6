/**
 * (a) Output: a command that prints N MB, captured by us, and the same command redirected by the shell into a file.
 * Speed, memory growth while capturing, and the size of our file. Two commands: one that does nothing but copy
 * (two processes already), and one that makes its lines. Beside them what the runtime needs to read the pipe and
 * forget the data, which no capture can beat, and execa with its default buffering and with a stream to a file.
 */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { z } from "zod";
import { coerceError } from "../../src/ports.js";
import { median } from "./median.js";
import type { Result } from "./result.js";
import {
  inOpenCodesBun,
  memoryGrowth,
  openBench,
  pairs,
  runtime,
  shellPath,
  show,
  timed,
} from "./process-support.js";

const BENCH = "process-output";
const SIZES = (process.env["BENCH_MB"] ?? "300,2000").split(",").map(Number);
const LINE = "2026-11-21T10:00:00.000Z INFO  [vite] transformed src/components/Table.tsx in 12 ms";
const MEMORY_GOAL_MB = 40;
/** The peer keeps what it reads in memory: more of it would try the machine and not the peer. */
const PEER_MB = 300;
/** The last one that runs on Node 20 and in OpenCode's Bun. */
const PEER = "execa@9.6.1";
const peerAnswer = z.object({ milliseconds: z.number(), megabytes: z.number(), end: z.string() });

await inOpenCodesBun(import.meta.filename, async () => {
  const rows: Result[] = [];
  for (const megabytes of SIZES) {
    for (const [name, command] of Object.entries(commands(megabytes)))
      rows.push(...(await compare(`${megabytes} MB, ${name}`, command, megabytes)));
  }
  return rows;
});

function commands(megabytes: number): Record<string, string> {
  const last = 1_000_000_000 + Math.floor((megabytes * 1_000_000) / 11);
  return {
    "yes | head": `yes ${JSON.stringify(LINE)} | head -c ${megabytes}000000`,
    seq: `seq 1000000000 ${last}`,
  };
}

async function compare(name: string, command: string, megabytes: number): Promise<Result[]> {
  const bench = openBench();
  const target = join(bench.folder, "plain");
  try {
    let id = "";
    const growth = await memoryGrowth(async () => {
      id = await bench.run(command);
    });
    const { size } = statSync(join(bench.folder, "output", `${id}.log`));
    const seen = bench.manager.get(id)?.output.bytes;
    console.log(`${name}: ${seen} bytes seen, file ${size} bytes (limit 8388608)`);
    console.log(`  memory +${growth.toFixed(1)} MB (goal ${MEMORY_GOAL_MB})`);
    const rounds = megabytes > 1000 ? 3 : 7;
    const ours = () => timed(() => bench.run(command));
    const redirect = () => {
      rmSync(target, { force: true });
      return timed(() => plain(`(${command}) > ${target}`));
    };
    const file = await pairs(rounds, ours, redirect);
    const ceiling = await pairs(rounds, () => timed(() => readAndForget(command)), redirect);
    const rows = [
      show("speed", {
        bench: BENCH,
        case: `${name}: redirected by the kernel / captured`,
        pair: file,
        goal: "at least 0.8",
        note: `${runtime()}; file ${size} of at most 8388608 bytes`,
      }),
      show("speed", {
        bench: BENCH,
        case: `${name}: redirected by the kernel / read and forgotten`,
        pair: ceiling,
        note: "the ceiling: the same runtime reads the pipe and does nothing else",
      }),
      memoryRow(name, growth, MEMORY_GOAL_MB, "other is the goal"),
    ];
    if (megabytes > PEER_MB) return rows;
    return [...rows, ...(await comparePeer(name, command, target, median(file.ours), growth))];
  } finally {
    await bench.close();
  }
}

function memoryRow(name: string, ours: number, other: number, note: string): Result {
  const named = { bench: BENCH, case: `${name}: growth of memory`, unit: "MB" };
  return { ...named, ours, other, ratio: ours / other, goal: "at most 40 MB", note };
}

async function plain(command: string): Promise<void> {
  const child = spawn(shellPath, ["-c", command], { stdio: "ignore" });
  await once(child, "exit");
}

async function readAndForget(command: string): Promise<void> {
  const child = spawn(shellPath, ["-c", command], { stdio: ["ignore", "pipe", "pipe"] });
  child.stdout.on("data", () => undefined);
  await once(child, "close");
}

/** In processes of their own. Without a registry there is nothing to compare with, and that is said. */
async function comparePeer(
  name: string,
  command: string,
  target: string,
  oursMilliseconds: number,
  oursMegabytes: number,
): Promise<Result[]> {
  const run = promisify(execFile);
  const folder = mkdtempSync(join(tmpdir(), "ocbm-peer-"));
  const rows: Result[] = [];
  try {
    await run("npm", ["install", "--no-save", "--no-audit", "--no-fund", "--prefix", folder, PEER]);
    const module = pathToFileURL(join(folder, "node_modules/execa/index.js")).href;
    for (const [manner, what] of Object.entries({
      buffer: "default buffering",
      file: "to a file",
    })) {
      const program = join(import.meta.dirname, "programs/execa.ts");
      const args = ["run", program, manner, command, target, module];
      const { stdout } = await run(process.execPath, args, {
        env: { ...process.env, BUN_BE_BUN: "1" },
      });
      const { milliseconds, megabytes, end } = peerAnswer.parse(JSON.parse(stdout));
      const peer = `${PEER}, ${what}`;
      console.log(`${name}: ${peer}: ${milliseconds.toFixed(1)} ms, ${end}`);
      const named = { bench: BENCH, case: `${name}: ${peer} / captured` };
      const ratio = milliseconds / oursMilliseconds;
      rows.push(
        { ...named, ours: oursMilliseconds, other: milliseconds, unit: "ms", ratio, note: end },
        memoryRow(`${name} beside ${peer}`, oursMegabytes, megabytes, end),
      );
    }
  } catch (thrown) {
    console.log(`${name}: no comparison with ${PEER}: ${coerceError(thrown).message}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return rows;
}
