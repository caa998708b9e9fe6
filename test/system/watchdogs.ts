// Owns: finding the watchdog's helpers, which are processes of their own, and a host's end in time.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { eventually, isRunning, proc } from "../process/support.js";

/** So many looks, 25 ms apart, at all processes: 3 s on a machine that has nothing else to do. */
export const LOOKS = 120;

/** The living helpers that this process has started. */
export function watchdogsOf(parent: number | undefined): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => proc(pid, "cmdline").includes("opencode-background-watchdog"))
    .filter((pid) => isRunning(pid) && afterName(pid).split(" ")[2] === String(parent));
}

/** Its /proc/PID/stat without its name, which may hold anything. */
export function afterName(pid: number): string {
  const stat = proc(pid, "stat");
  return stat.slice(stat.lastIndexOf(")") + 1);
}

/** The one helper of this process; a moment after the first start it may still be on its way. */
export async function helperOf(parent: number | undefined, not?: number): Promise<number> {
  let found = 0;
  await eventually(() => {
    const [pid = 0, ...others] = watchdogsOf(parent);
    assert.deepEqual(others, []);
    assert.ok(pid > 1 && pid !== not, "no helper");
    found = pid;
  });
  return found;
}
