/**
 * Where the socket of an instance is: a short name in a folder of this user's, because a socket's path may have some
 * 100 bytes only. Both sides check that folder and socket belong to this user and that no other one may enter.
 */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { chmodSync, lstatSync, mkdirSync, rmSync } from "node:fs";
import type { Server } from "node:net";
import { tmpdir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import { UserError } from "../ports.js";

/** `sun_path` has 104 bytes on macOS and 108 on Linux, with the zero at its end. */
export const LONGEST_PATH = 100;

/**
 * Below `$XDG_RUNTIME_DIR`, which is this user's alone and emptied at logout; else below the temporary directory. The
 * name is a hash of the instance's folder. Throws a `UserError` when the path is too long.
 */
export function socketPath(
  instanceFolder: string,
  env: NodeJS.ProcessEnv = process.env,
  uid: number | undefined = process.getuid?.(),
): string {
  const runtime = env["XDG_RUNTIME_DIR"];
  const base =
    runtime && isAbsolute(runtime)
      ? join(runtime, "opencode-background")
      : join(tmpdir(), `opencode-background-${uid ?? "user"}`);
  const name = createHash("sha256").update(instanceFolder).digest("hex").slice(0, 16);
  const path = join(base, `${name}.sock`);
  const bytes = Buffer.byteLength(path);
  if (bytes > LONGEST_PATH) {
    throw new UserError(
      `the path of the control socket is too long (${bytes} bytes, at most ${LONGEST_PATH}): ${path}; set XDG_RUNTIME_DIR to a shorter folder`,
    );
  }
  return path;
}

/** Makes the folder (0700) or mends its mode. Throws when it is a link, no folder, or another user's. */
export function ensureOwnFolder(folder: string, uid = process.getuid?.()): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const info = lstatSync(folder);
  if (!info.isDirectory()) throw new Error(`${folder} is not a folder`);
  if (uid === undefined) return;
  if (info.uid !== uid) throw new Error(`${folder} belongs to another user (${info.uid})`);
  if ((info.mode & 0o077) !== 0) chmodSync(folder, 0o700);
}

/**
 * Resolves when the server listens at a path that only this user can enter. What stands there is of an owner that was
 * killed: its name is a hash of what this process alone has. Rejects with the system's error, or when the folder is not
 * ours.
 */
export async function listenAlone(server: Server, path: string): Promise<void> {
  ensureOwnFolder(dirname(path));
  rmSync(path, { force: true });
  server.listen(path);
  await once(server, "listening");
  chmodSync(path, 0o600);
}

/** For the side that connects: throws unless folder and socket are this user's and closed to all others. */
export function checkSocket(path: string, uid = process.getuid?.()): void {
  const folder = lstatSync(join(path, ".."));
  const socket = lstatSync(path);
  if (!folder.isDirectory() || !socket.isSocket()) throw new Error(`${path} is not a socket`);
  if (uid === undefined) return;
  if (folder.uid !== uid || socket.uid !== uid) {
    throw new Error(`${path} belongs to another user`);
  }
  if ((folder.mode & 0o077) !== 0 || (socket.mode & 0o077) !== 0) {
    throw new Error(`${path} can be entered by other users`);
  }
}
