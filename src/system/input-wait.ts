/**
 * Whether a process waits for input on a descriptor that we hold the other end of. Linux only, from /proc: a thread
 * that is blocked in `read` of it (`/proc/PID/task/TID/syscall`), or that waits in epoll while the descriptor is in
 * the epoll set (`/proc/PID/fdinfo`), as Node, Go and asyncio do. `select` and `poll` name no descriptor: of a program
 * that waits in one of them nothing is claimed. A terminal is also read as `/dev/tty`, as programs do that ask for a
 * password.
 */
import { readdir, readFile, readlink } from "node:fs/promises";
import { waysOf } from "../platform.js";
import { isForbidden, isGone, statFields } from "./identity.js";

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

/**
 * Of these processes the first that waits for input from `input`, as `descriptorOf` names it. `unknown`: none that can
 * be looked at, but one cannot, as sudo, which is another user's, or this system does not say.
 */
export async function findReader(
  pids: readonly number[],
  input: string,
  root = "/proc",
): Promise<number | "unknown" | undefined> {
  const calls = CALLS[process.arch];
  if (waysOf().processes !== "/proc" || !calls) return "unknown";
  let isUnknown = false;
  for (const pid of pids) {
    const threads = (await orUndefined(readdir(`${root}/${pid}/task`))) ?? [];
    for (const thread of threads) {
      const file = `${root}/${pid}/task/${thread}/syscall`;
      const said = await orUndefined(readFile(file, "utf8"), () => (isUnknown = true));
      const call = /^(\d+) 0x([0-9a-f]+) /u.exec(said ?? "");
      if (!call) continue;
      const number = Number(call[1]);
      const descriptor = Number.parseInt(call[2] ?? "", 16);
      if (calls.read.includes(number) && (await isInput(pid, descriptor, input, root))) return pid;
      if (calls.epoll.includes(number) && (await isInSet(pid, descriptor, input, root))) return pid;
    }
  }
  return isUnknown ? "unknown" : undefined;
}

async function isInput(pid: number, descriptor: number, input: string, root: string) {
  const name = await descriptorOf(pid, descriptor, root);
  return name === input || (name === "/dev/tty" && (await hasTerminal(pid, input, root)));
}

/** Whether this is the process's controlling terminal. */
async function hasTerminal(pid: number, terminal: string, root: string): Promise<boolean> {
  const number = /^\/dev\/pts\/(\d+)$/u.exec(terminal)?.[1];
  if (number === undefined) return false;
  const stat = await orUndefined(readFile(`${root}/${pid}/stat`, "utf8"));
  // Field 7 is the terminal.
  const device = Number(statFields(stat ?? "")[7 - 3]);
  const [major, minor] = [(device >>> 8) & 0xfff, (device & 0xff) | ((device >>> 12) & 0xfff00)];
  return major === PTS && minor === Number(number);
}

/** The major number of what is in `/dev/pts`. */
const PTS = 136;

/** EPOLLIN: what is registered without it does not wait for input. */
const EPOLLIN = 1;

async function isInSet(pid: number, epoll: number, input: string, root: string): Promise<boolean> {
  const info = await orUndefined(readFile(`${root}/${pid}/fdinfo/${epoll}`, "utf8"));
  for (const [, target, events] of (info ?? "").matchAll(
    /^tfd:\s*(\d+) events:\s*([0-9a-f]+)/gmu,
  )) {
    if ((Number.parseInt(events ?? "", 16) & EPOLLIN) === 0) continue;
    if (await isInput(pid, Number(target), input, root)) return true;
  }
  return false;
}

/** Of what has exited meanwhile, or belongs to another user, which `onForbidden` hears. */
async function orUndefined<T>(asked: Promise<T>, onForbidden?: () => void): Promise<T | undefined> {
  try {
    return await asked;
  } catch (thrown) {
    if (isForbidden(thrown)) onForbidden?.();
    else if (!isGone(thrown)) throw thrown;
    return undefined;
  }
}
