/**
 * The socket at which the OpenCodes of a user that share one page meet: its server listens, and lives as long as one of
 * them is connected. Nothing secret is said here: every process of this user can come. One that asks the server to
 * leave only ends the page of another OpenCode, to serve it by itself.
 */
import { rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { checkSocket, listenAlone, socketPath } from "../control/socket.js";
import { greeting, readLines, wish } from "./link.js";

const LONGEST_LINE = 1_024;

/** Throws a `UserError` when the path would be too long. */
export function gatheringPath(root: string, port: number, env?: NodeJS.ProcessEnv): string {
  return socketPath(`${root}\nweb ${port}`, env);
}

export interface GatheringDeps {
  port: number;
  /** The last one has gone. */
  onEmpty: () => void;
  /** Another OpenCode wants to serve. */
  onLeave: () => void;
}

/** The server's end. */
export interface Gathering {
  isEmpty(): boolean;
  close(): Promise<void>;
}

/** Resolves when it listens. Only the process that has the port may call it: then nothing else listens there. */
export async function openGathering(
  path: string,
  { port, onEmpty, onLeave }: GatheringDeps,
): Promise<Gathering> {
  const guests = new Set<Socket>();
  const server = createServer((socket) => {
    guests.add(socket);
    const onWrong = () => socket.destroy();
    readLines(socket, { schema: wish, longest: LONGEST_LINE, onLine: onLeave, onWrong });
    // ECONNRESET: it has gone, and `close` follows.
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      guests.delete(socket);
      if (guests.size === 0) onEmpty();
    });
    const hello = { page: "opencode-background-manager", port, pid: process.pid };
    socket.write(`${JSON.stringify(hello)}\n`);
  });
  await listenAlone(server, path);
  return {
    isEmpty: () => guests.size === 0,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        rmSync(path, { force: true });
        for (const guest of guests) guest.destroy();
      }),
  };
}

/** The end of one that shares the page. */
export interface Share {
  port: number;
  /** Of the server. */
  pid: number;
  /** Resolves when the server has gone. */
  ended: Promise<void>;
  askToLeave(): void;
  close(): void;
}

/** Undefined when no page of this user is served there. Does not keep the process awake. */
export function share(path: string): Promise<Share | undefined> {
  try {
    checkSocket(path);
  } catch {
    // There is none, or it is another user's.
    return Promise.resolve(undefined);
  }
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.unref();
    const ended = new Promise<void>((gone) => socket.on("close", () => gone()));
    void ended.then(() => resolve(undefined));
    readLines(socket, {
      schema: greeting,
      longest: LONGEST_LINE,
      onLine: ({ port, pid }) => {
        const askToLeave = () => void socket.write(`${JSON.stringify(wish.value)}\n`);
        resolve({ port, pid, ended, askToLeave, close: () => socket.destroy() });
      },
      onWrong: () => socket.destroy(),
    });
    // ECONNREFUSED: of a server that was killed; `close` follows.
    socket.on("error", () => socket.destroy());
  });
}
