/**
 * The control socket of an instance, by which other processes of its user ask it: where it is, what is said over it,
 * and the asking. One request and one answer, a line of JSON each. Any process of this user can connect, also one that
 * an agent started: so a request may show, stop and cancel jobs, and never start, write, approve or restart anything
 * (what may do that is in `user-acts.ts`).
 *
 * It has a short name in a folder of this user's, because a socket's path may have some 100 bytes only. Both sides
 * check that folder and socket belong to this user and that no other one may enter.
 */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { chmodSync, lstatSync, mkdirSync, rmSync } from "node:fs";
import { connect, type Server } from "node:net";
import { tmpdir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import { z } from "zod";
import { coerceError, UserError } from "../ports.js";
import { parsedJson } from "../text.js";

/** `sun_path` has 104 bytes on macOS and 108 on Linux, with the zero at its end. */
const LONGEST_PATH = 100;

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

export const LONGEST_LINE = 64 * 1_024;
/** An answer may hold what a subagent has said. */
export const LONGEST_ANSWER = 4 * 1_024 * 1_024;

export const controlRequest = z.discriminatedUnion("method", [
  /** Is it there, and which OpenCode is it? */
  z.strictObject({ method: z.literal("ping") }),
  /** Ends a process with its descendants; `remove` also forgets record and output. */
  z.strictObject({ method: z.literal("stop"), jobID: z.string(), remove: z.boolean().optional() }),
  /** Aborts a subagent with what it started. */
  z.strictObject({ method: z.literal("cancel"), jobID: z.string() }),
  /** What was said and done in a subagent's session, as JSON: a list of `TranscriptEntry`. */
  z.strictObject({ method: z.literal("transcript"), jobID: z.string() }),
]);
export type ControlRequest = z.infer<typeof controlRequest>;

const controlAnswer = z.union([
  z.strictObject({ ok: z.literal(true), text: z.string() }),
  z.strictObject({ ok: z.literal(false), error: z.string() }),
]);
export type ControlAnswer = z.infer<typeof controlAnswer>;

/** It is gone or hangs: what was asked may not have been done. */
export class OwnerUnreachable extends UserError {}

/** A kill may take its grace time twice; more is an owner that hangs. */
const ANSWER_LIMIT_MS = 150_000;

/**
 * Resolves with what the owner says. Rejects with a `UserError` when it refuses and when the socket is not this
 * user's; with an `OwnerUnreachable` when it is gone or does not answer.
 */
export async function askOwner(
  path: string,
  request: ControlRequest,
  limitMs = ANSWER_LIMIT_MS,
): Promise<string> {
  try {
    checkSocket(path);
  } catch (thrown) {
    throw asUserError(coerceError(thrown));
  }
  const line = await exchange(path, `${JSON.stringify(request)}\n`, limitMs);
  const answer = controlAnswer.safeParse(parsedJson(line)).data;
  if (!answer) throw new UserError("the owner's answer could not be understood");
  if (!answer.ok) throw new UserError(answer.error);
  return answer.text;
}

function exchange(path: string, line: string, limitMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const timer = setTimeout(() => {
      socket.destroy(new OwnerUnreachable(`its owner did not answer within ${limitMs / 1000} s`));
    }, limitMs);
    let text = "";
    socket.setEncoding("utf8");
    socket.on("connect", () => socket.write(line));
    socket.on("data", (piece: string) => {
      text += piece;
      if (text.length > LONGEST_ANSWER) socket.destroy(new UserError("its owner says too much"));
    });
    socket.on("error", (error) => reject(asUserError(error)));
    socket.on("close", () => {
      clearTimeout(timer);
      if (text.endsWith("\n")) resolve(text);
      else reject(new OwnerUnreachable("its owner ended before it answered"));
    });
  });
}

function asUserError(error: Error): UserError {
  if (error instanceof UserError) return error;
  return new OwnerUnreachable(`its owner cannot be reached: ${error.message}`, { cause: error });
}
