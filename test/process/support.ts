/**
 * What the process tests share: the hostile programs, a look at who is alive and what is held, and patience for
 * what the kernel does not tell.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import assert from "node:assert/strict";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export const isLinux = process.platform === "linux";
/** For a test that looks into /proc. */
export const skip = isLinux ? false : "looks into /proc";
/** Who ends a process in most tests. */
export const AGENT = { reason: "cancelled_by_agent" } as const;
/** The programs are for Node, also when the tests run in Bun. */
export const NODE = "bun" in process.versions ? "node" : process.execPath;

const PROGRAMS = join(import.meta.dirname, "../../fixtures/programs");

export function programFile(name: string): string {
  return join(PROGRAMS, name);
}

/** The shell command that becomes this program. */
export function program(name: string, ...args: (string | number)[]): string {
  const runner = name.endsWith(".sh") ? "bash" : `"${NODE}"`;
  return `exec ${runner} "${programFile(name)}" ${args.join(" ")}`;
}

/** The living processes that have this text in their environment, this one excepted. */
export function alive(marker: string): { pid: number; command: string }[] {
  if (!isLinux) return [];
  const found: { pid: number; command: string }[] = [];
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    if (!proc(pid, "environ").includes(marker)) continue;
    found.push({ pid, command: proc(pid, "cmdline").replaceAll("\0", " ") });
  }
  return found;
}

/** A file of /proc, empty when the process is gone. */
export function proc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "latin1");
  } catch (error) {
    assert.ok(error instanceof Error && "code" in error, "a system error");
    return "";
  }
}

/** Neither running nor a zombie. */
export function isRunning(pid: number): boolean {
  const stat = proc(pid, "stat");
  return stat !== "" && !/\) [ZX]/.test(stat);
}

/** What this process holds, one text for each: its listeners for its own end, pipes, sockets and files. */
export function holdings(): string[] {
  const events: NodeJS.EventEmitter = process;
  const held = ["exit", "SIGTERM", "SIGINT", "SIGHUP"].flatMap((event) =>
    events.listeners(event).map(() => `listener for ${event}`),
  );
  if (!isLinux) return held;
  for (const fd of readdirSync("/proc/self/fd")) {
    const what = linkOf(`/proc/self/fd/${fd}`);
    // Not the runtime's own: its sources, and its means of waiting (each thread that ends leaves three of these
    // in Bun 1.3.14).
    if (/^(pipe|socket):|ocbm-/.test(what)) held.push(what);
  }
  return held;
}

/** What is held now and was not before. */
export function newHoldings(before: readonly string[]): string[] {
  const left = [...before];
  return holdings().filter((what) => {
    const at = left.indexOf(what);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

/** Empty when it is gone: the descriptor that lists the folder is. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch (error) {
    assert.ok(error instanceof Error && "code" in error, "a system error");
    return "";
  }
}

/**
 * Tries again until it does not throw, for at most so long; then its last error: the kernel does not tell when a
 * stranger's process ends or begins to ignore a signal. Give `assert.ok` a message here: making
 * one up means parsing the source each time.
 */
export async function eventually(
  check: () => void | Promise<void>,
  atMost = 30_000,
): Promise<void> {
  const end = Date.now() + atMost;
  for (;;) {
    try {
      await check();
      return;
    } catch (error) {
      if (Date.now() >= end) throw error;
    }
    await sleep(10);
  }
}

/** Runs a test beside so many processes of no job, each the leader of its group. */
export async function withSleepers(
  count: number,
  use: (pids: number[]) => Promise<void>,
): Promise<void> {
  const children = Array.from({ length: count }, () =>
    spawn("sleep", ["60"], { detached: true, stdio: "ignore" }),
  );
  try {
    await use(children.map(({ pid = 0 }) => pid));
  } finally {
    for (const child of children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill("SIGKILL");
      await once(child, "exit");
    }
  }
}
