/** Whether a process can be started with these arguments; what is wrong is said in one line that names the field. */
import { statSync, type Stats } from "node:fs";
import { isAbsolute } from "node:path";
import { restartPolicy } from "../jobs/job.js";
import { coerceError, requireText, UserError } from "../ports.js";
import { checkPattern } from "../output/pattern.js";
import type { CreateInput } from "./types.js";

export type StartInput = Omit<CreateInput, "parentSessionID" | "rootSessionID">;

/** 30 days: longer is no timeout. */
const LONGEST_SECONDS = 30 * 24 * 60 * 60;

/** Throws a `UserError`. */
export function checkInput(input: StartInput): void {
  const { command, cwd, env = {}, notifyPattern, readyPattern, readyPort } = input;
  requireText("command", command);
  requireText("cwd", cwd);
  if (command.trim() === "") throw wrong("command", "a shell command", command);
  if (command.includes("\0")) throw wrong("command", "text without a zero byte", command);
  checkFolder("cwd", cwd);
  checkEnvironment(env);
  if (notifyPattern !== undefined) checkPattern("notifyPattern", notifyPattern);
  if (readyPattern !== undefined) checkPattern("readyPattern", readyPattern);
  if (
    readyPort !== undefined &&
    !(Number.isInteger(readyPort) && readyPort > 0 && readyPort < 65_536)
  ) {
    throw wrong("readyPort", "a port from 1 to 65535", readyPort);
  }
  checkSeconds("readyTimeoutSeconds", input.readyTimeoutSeconds);
  checkSeconds("timeoutSeconds", input.timeoutSeconds);
  const policies: readonly unknown[] = [undefined, ...restartPolicy.options];
  if (!policies.includes(input.restart)) {
    throw wrong("restart", restartPolicy.options.join(" or "), String(input.restart));
  }
}

/** Throws a `UserError` that names the field. */
export function checkFolder(field: string, cwd: string): void {
  if (!isAbsolute(cwd) || cwd.includes("\0")) throw wrong(field, "an absolute path", cwd);
  let found: Stats | undefined;
  try {
    found = statSync(cwd, { throwIfNoEntry: false });
  } catch (thrown) {
    throw wrong(field, "a folder that can be entered", cwd, coerceError(thrown).message);
  }
  if (!found) throw wrong(field, "an existing folder", cwd);
  if (!found.isDirectory()) throw wrong(field, "a folder", cwd);
}

/** Values are secrets: they are never named. */
function checkEnvironment(env: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(env)) {
    if (name === "" || /[=\0]/.test(name))
      throw wrong("env", "names without = and zero bytes", name);
    if (value.includes("\0")) throw new UserError(`env: the value of ${name} holds a zero byte`);
  }
}

function checkSeconds(field: string, seconds: number | undefined): void {
  if (seconds === undefined || (seconds > 0 && seconds <= LONGEST_SECONDS)) return;
  throw wrong(field, `seconds, more than 0 and at most ${LONGEST_SECONDS}`, seconds);
}

function wrong(field: string, expected: string, got: string | number, why?: string): UserError {
  const shown = JSON.stringify(typeof got === "string" ? got.slice(0, 200) : got);
  return new UserError(`${field}: expected ${expected}, got ${shown}${why ? ` (${why})` : ""}`);
}
