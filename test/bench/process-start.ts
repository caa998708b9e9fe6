/** (b) Starting: 200 processes by `create`, and 200 by a bare `spawn` of the same shell. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  inOpenCodesBun,
  openBench,
  pairs,
  runtime,
  shellPath,
  show,
  timed,
} from "./process-support.js";

const STARTS = Number(process.env["BENCH_STARTS"] ?? 200);
const command = "exec sleep 100";

async function ours(): Promise<number> {
  const bench = openBench();
  const took = await timed(async () => {
    for (let i = 0; i < STARTS; i++) {
      await bench.manager.create({
        command,
        cwd: bench.folder,
        parentSessionID: "s",
        rootSessionID: "s",
      });
    }
  });
  await bench.close();
  return took;
}

async function theirs(): Promise<number> {
  const children: ChildProcess[] = [];
  const took = await timed(() => {
    for (let i = 0; i < STARTS; i++) {
      const options = { cwd: "/tmp", detached: true, env: { ...process.env } };
      children.push(
        spawn(shellPath, ["-c", command], { ...options, stdio: ["ignore", "pipe", "pipe"] }),
      );
    }
  });
  const exits = children.map((child) => once(child, "close"));
  for (const child of children) process.kill(-(child.pid ?? Number.NaN), "SIGKILL");
  await Promise.all(exits);
  return took;
}

await inOpenCodesBun(import.meta.filename, async () => {
  const pair = await pairs(7, ours, theirs);
  const named = { bench: "process-start", case: `${STARTS} starts: create / bare spawn` };
  return [show("cost", { ...named, pair, goal: "at most 1.3", note: runtime() })];
});
