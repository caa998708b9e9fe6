/**
 * Which TCP sockets processes listen on, with their ports, and whether these are closed: a process may be seen dead an
 * instant before the system has closed what it held. Linux only; elsewhere nothing is known, and nothing is waited
 * for.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { coerceError } from "../ports.js";
import { waysOf } from "../platform.js";

/** Ports by the inode of their socket, of these processes. Reads /proc/net/tcp, tcp6 and each process's descriptors. */
export function listeningSockets(pids: readonly number[], root = "/proc"): Map<string, number> {
  const sockets = new Map<string, number>();
  if (waysOf().processes !== "/proc") return sockets;
  const listening = allListening(root);
  for (const pid of pids) {
    for (const socket of socketsOf(pid, root)) {
      const port = listening.get(socket);
      if (port !== undefined) sockets.set(socket, port);
    }
  }
  return sockets;
}

/** `sockets` are keys of what `listeningSockets` gave. */
export function areClosed(sockets: Iterable<string>, root = "/proc"): boolean {
  const asked = [...sockets];
  if (asked.length === 0) return true;
  const listening = allListening(root);
  return !asked.some((socket) => listening.has(socket));
}

const LISTEN = "0A";

function allListening(root: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const table of ["tcp", "tcp6"]) {
    const text = orElse("", () => readFileSync(`${root}/net/${table}`, "latin1"));
    for (const line of text.split("\n").slice(1)) {
      const [, local = "", , state, , , , , , inode] = line.trim().split(/\s+/u);
      if (state !== LISTEN || inode === undefined) continue;
      found.set(inode, Number.parseInt(local.slice(local.lastIndexOf(":") + 1), 16));
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
export function orElse<T>(nothing: T, read: () => T): T {
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
