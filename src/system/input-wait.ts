/**
 * Whether a process waits for input on a descriptor that we hold the other end of. Linux only, from /proc: a thread
 * that is blocked in `read` of it (`/proc/PID/task/TID/syscall`), or that waits in epoll while the descriptor is in
 * the epoll set (`/proc/PID/fdinfo`), as Node, Go and asyncio do. `select` and `poll` name no descriptor: of a program
 * that waits in one of them, and wherever the system does not say, nothing is claimed.
 */
import { waysOf } from "../platform.js";
import { readdir, readFile, readlink } from "node:fs/promises";

/** Numbers of system calls by architecture; on any other nothing is claimed. */
const CALLS: Partial<Record<NodeJS.Architecture, { read: number[]; epoll: number[] }>> = {
  x64: { read: [0, 19], epoll: [232, 281, 441] },
  arm64: { read: [63, 65], epoll: [22, 441] },
};

/**
 * What a descriptor of a process is, for example `pipe:[4711]`, `socket:[4711]` or `/dev/pts/3`; undefined when it is
 * closed, or cannot be seen.
 */
export async function descriptorOf(
  pid: number,
  descriptor: number,
  root = "/proc",
): Promise<string | undefined> {
  return orUndefined(readlink(`${root}/${pid}/fd/${descriptor}`));
}

/** Of these processes the first that waits for input from `input`, as `descriptorOf` names it. */
export async function findReader(
  pids: readonly number[],
  input: string,
  root = "/proc",
): Promise<number | undefined> {
  const calls = CALLS[process.arch];
  if (waysOf().processes !== "/proc" || !calls) return undefined;
  for (const pid of pids) {
    const threads = (await orUndefined(readdir(`${root}/${pid}/task`))) ?? [];
    for (const thread of threads) {
      const said = await orUndefined(readFile(`${root}/${pid}/task/${thread}/syscall`, "utf8"));
      const call = /^(\d+) 0x([0-9a-f]+) /u.exec(said ?? "");
      if (!call) continue;
      const number = Number(call[1]);
      const descriptor = Number.parseInt(call[2] ?? "", 16);
      if (calls.read.includes(number)) {
        if ((await descriptorOf(pid, descriptor, root)) === input) return pid;
      } else if (calls.epoll.includes(number)) {
        if (await isInSet(pid, descriptor, input, root)) return pid;
      }
    }
  }
  return undefined;
}

/** EPOLLIN: what is registered without it does not wait for input. */
const EPOLLIN = 1;

async function isInSet(pid: number, epoll: number, input: string, root: string): Promise<boolean> {
  const info = await orUndefined(readFile(`${root}/${pid}/fdinfo/${epoll}`, "utf8"));
  for (const [, target, events] of (info ?? "").matchAll(
    /^tfd:\s*(\d+) events:\s*([0-9a-f]+)/gmu,
  )) {
    if ((Number.parseInt(events ?? "", 16) & EPOLLIN) === 0) continue;
    if ((await descriptorOf(pid, Number(target), root)) === input) return true;
  }
  return false;
}

async function orUndefined<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (thrown) {
    if (isMissingOrForbidden(thrown)) return undefined;
    throw thrown;
  }
}

/** It has exited meanwhile (ENOENT, ESRCH), or belongs to another user (EACCES, EPERM). */
function isMissingOrForbidden(thrown: unknown): boolean {
  if (!(thrown instanceof Error) || !("code" in thrown)) return false;
  const { code } = thrown;
  return code === "ENOENT" || code === "ESRCH" || code === "EACCES" || code === "EPERM";
}
