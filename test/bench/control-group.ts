/**
 * What it would cost to put each process into a control group (cgroup v2) of its own: moving a shell that was just
 * started there, beside starting it. Starts come one by one, as an agent's do: the kernel waits for a grace period with
 * each move that follows no other at once. Why no control group is used: docs/limits.md.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { coerceError } from "../../src/ports.js";
import { result, unmeasured } from "./result.js";

const STARTS = 15;
const APART_MILLISECONDS = 500;

/** Our own group's folder. Throws where there is none. */
function ownGroup(): string {
  const mount = /^\S+ (\S+) cgroup2 /mu.exec(readFileSync("/proc/mounts", "utf8"))?.[1];
  const path = /^0::(.*)$/mu.exec(readFileSync("/proc/self/cgroup", "utf8"))?.[1];
  if (mount === undefined || path === undefined) throw new Error("no cgroup v2 is mounted");
  return join(mount, path);
}

async function measure(group: string) {
  const starts: number[] = [];
  const moves: number[] = [];
  for (let count = 0; count < STARTS; count += 1) {
    let begin = performance.now();
    const shell = spawn("/bin/sh", ["-c", "read -r line"], { stdio: ["pipe", "ignore", "ignore"] });
    starts.push(performance.now() - begin);
    // Apart from the last move.
    await sleep(APART_MILLISECONDS);
    begin = performance.now();
    writeFileSync(join(group, "cgroup.procs"), String(shell.pid));
    moves.push(performance.now() - begin);
    const closed = once(shell, "close");
    shell.stdin.end();
    await closed;
  }
  const median = (all: number[]) => all.toSorted((a, b) => a - b)[STARTS >> 1] ?? Number.NaN;
  return { move: median(moves), start: median(starts) };
}

try {
  const group = join(ownGroup(), `opencode-background-bench-${process.pid}`);
  mkdirSync(group);
  try {
    const { move, start } = await measure(group);
    result({
      bench: "control-group",
      case: "a move into a group of its own / a bare spawn",
      ours: move,
      other: start,
      unit: "ms",
      ratio: move / start,
      note: `median of ${STARTS}, ${APART_MILLISECONDS} ms apart; not used`,
    });
  } finally {
    rmdirSync(group);
  }
} catch (thrown) {
  unmeasured("control-group", "a move into a group", coerceError(thrown).message);
}
