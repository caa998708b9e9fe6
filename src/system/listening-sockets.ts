/**
 * Which TCP sockets processes listen on, and whether these are closed: a process may be seen dead an instant before
 * the system has closed what it held. Linux only; elsewhere nothing is known, and nothing is waited for.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { coerceError } from "../ports.js";
import { waysOf } from "../platform.js";

/** As /proc/net/tcp numbers them. */
export function listeningSockets(pids: readonly number[], root = "/proc"): Set<string> {
  const sockets = new Set<string>();
  if (waysOf().processes !== "/proc") return sockets;
  const listening = allListening(root);
  for (const pid of pids) {
    for (const socket of socketsOf(pid, root)) if (listening.has(socket)) sockets.add(socket);
  }
  return sockets;
}

export function areClosed(sockets: ReadonlySet<string>, root = "/proc"): boolean {
  if (sockets.size === 0) return true;
  const listening = allListening(root);
  return ![...sockets].some((socket) => listening.has(socket));
}

const LISTEN = "0A";

function allListening(root: string): Set<string> {
  const found = new Set<string>();
  for (const table of ["tcp", "tcp6"]) {
    const text = orElse("", () => readFileSync(`${root}/net/${table}`, "latin1"));
    for (const line of text.split("\n").slice(1)) {
      const fields = line.trim().split(/\s+/u);
      const [state, inode] = [fields[3], fields[9]];
      if (state === LISTEN && inode !== undefined) found.add(inode);
    }
  }
  return found;
}

function socketsOf(pid: number, root: string): string[] {
  const folder = `${root}/${pid}/fd`;
  return orElse<string[]>([], () => readdirSync(folder)).flatMap((fd) => {
    const link = orElse("", () => readlinkSync(`${folder}/${fd}`));
    return /^socket:\[(\d+)\]$/u.exec(link)?.[1] ?? [];
  });
}

/** What has ended meanwhile, or belongs to another user, has nothing to say. */
function orElse<T>(nothing: T, read: () => T): T {
  try {
    return read();
  } catch (thrown) {
    const error = coerceError(thrown);
    const code = "code" in error ? error.code : undefined;
    if (code === "ENOENT" || code === "ESRCH" || code === "EACCES" || code === "EPERM")
      return nothing;
    throw error;
  }
}
