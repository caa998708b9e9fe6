/** (c) Killing a tree of 50 processes: until we have verified that no process is left, and `kill -9` of its group. */
import { spawn } from "node:child_process";
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

const TREE = "for i in $(seq 7); do (for j in $(seq 6); do sleep 100 & done; wait) & done; wait";

/** Waits until the group has this many members. */
async function grown(group: number): Promise<void> {
  for (;;) {
    const { stdout } = spawn("ps", ["-eo", "pgid="]);
    let text = "";
    for await (const chunk of stdout) text += String(chunk);
    if (text.split("\n").filter((line) => Number(line) === group).length >= 50) return;
  }
}

async function ours(): Promise<number> {
  const bench = openBench();
  const sessions = { parentSessionID: "s", rootSessionID: "s" };
  const { job } = await bench.manager.create({ command: TREE, cwd: "/", ...sessions });
  await grown(job.identity?.pid ?? 0);
  const took = await timed(async () => {
    const { jobs } = await bench.manager.kill({ id: job.id }, { reason: "cancelled_by_user" });
    if (jobs[0]?.outcome !== "killed") throw new Error("not killed");
  });
  await bench.close();
  return took;
}

async function theirs(): Promise<number> {
  const child = spawn(shellPath, ["-c", TREE], {
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const group = child.pid ?? Number.NaN;
  await grown(group);
  const exit = once(child, "close");
  return timed(async () => {
    process.kill(-group, "SIGKILL");
    await exit;
  });
}

await inOpenCodesBun(import.meta.filename, async () => {
  const pair = await pairs(7, ours, theirs);
  const named = {
    bench: "process-kill",
    case: "a tree of 50, verified dead / kill -9 of the group",
  };
  return [show("cost", { ...named, pair, note: runtime() })];
});
