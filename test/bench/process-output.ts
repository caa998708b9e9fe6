/**
 * (a) Output: a command that prints N MB, captured by us, and the same command redirected by the shell into a file.
 * Speed, memory growth while capturing, and the size of our file. Two commands: one that does nothing but copy
 * (two processes already), and one that makes its lines. Beside them what the runtime needs to read the pipe and
 * forget the data: no capture can be faster.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { memoryGrowth, openBench, pairs, runtime, show, timed } from "./process-support.js";

const sizes = (process.env["BENCH_MB"] ?? "300,2000").split(",").map(Number);
const line = "2026-11-21T10:00:00.000Z INFO  [vite] transformed src/components/Table.tsx in 12 ms";
const shell = process.env["SHELL"] ?? "/bin/sh";

async function plain(command: string): Promise<void> {
  const child = spawn(shell, ["-c", command], { stdio: "ignore" });
  await once(child, "exit");
}

async function readAndForget(command: string): Promise<void> {
  const child = spawn(shell, ["-c", command], { stdio: ["ignore", "pipe", "pipe"] });
  child.stdout.on("data", () => undefined);
  await once(child, "close");
}

console.log(`output, ${runtime()}`);
for (const megabytes of sizes) {
  const commands = {
    copied: `yes ${JSON.stringify(line)} | head -c ${megabytes}000000`,
    made: `seq 1000000000 ${1_000_000_000 + Math.floor((megabytes * 1_000_000) / 11)}`,
  };
  for (const [name, command] of Object.entries(commands)) {
    const bench = openBench();
    const target = join(bench.folder, "plain");
    let id = "";
    const growth = await memoryGrowth(async () => {
      id = await bench.run(command);
    });
    const { size } = statSync(join(bench.folder, "output", `${id}.log`));
    const seen = bench.manager.get(id)?.output.bytes;
    console.log(`${megabytes} MB, ${name}: ${seen} bytes seen`);
    console.log(`  memory +${growth.toFixed(1)} MB (goal 40), file ${size} bytes (limit 8388608)`);
    const rounds = megabytes > 1000 ? 3 : 5;
    const ours = () => timed(() => bench.run(command));
    const redirected = () => {
      rmSync(target, { force: true });
      return timed(() => plain(`(${command}) > ${target}`));
    };
    const result = await pairs(rounds, ours, redirected);
    show("redirected into a file / captured", result, "at least 0.80", true);
    const floor = await pairs(rounds, ours, () => timed(() => readAndForget(command)));
    show("read and forgotten / captured", floor, "none", true);
    await bench.close();
  }
}
