/** The other end of the control socket: one request to the OpenCode that owns a job. */
import { connect } from "node:net";
import { coerceError, UserError } from "../ports.js";
import { checkSocket } from "./address.js";
import { controlAnswer, LONGEST_ANSWER, type ControlRequest } from "./protocol.js";

/** It is gone or hangs: what was asked may not have been done. */
export class OwnerUnreachable extends UserError {}

/** A kill may take its grace time twice; more is an owner that hangs. */
export const ANSWER_LIMIT_MS = 150_000;

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
  const parsed = controlAnswer.safeParse(parse(line));
  if (!parsed.success) throw new UserError("the owner's answer could not be understood");
  if (!parsed.data.ok) throw new UserError(parsed.data.error);
  return parsed.data.text;
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

/** Undefined when it is no JSON. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The schema refuses undefined.
    return undefined;
  }
}
