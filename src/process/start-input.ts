/**
 * The arguments of a start: whether a process can be started with them (what is wrong is said in one line that names
 * the field), what a record keeps of them, and those that a record stands for when it runs again with some of it
 * changed.
 */
import { type Stats, statSync } from "node:fs";
import { isAbsolute } from "node:path";
import { newJobId } from "../jobs/filter.js";
import { type ProcessJob, restartPolicy } from "../jobs/job.js";
import { checkPattern } from "../output/pattern.js";
import { coerceError, requireString, UserError } from "../ports.js";
import { cutText } from "../text.js";
import type { CreateInput, RestartInput } from "./types.js";

export type StartInput = Omit<CreateInput, "parentSessionID" | "rootSessionID">;

/** 30 days: longer is no timeout. */
const LONGEST_SECONDS = 30 * 24 * 60 * 60;

/** Throws a `UserError`. */
export function checkInput(input: StartInput): void {
  const { command, cwd, env = {}, notifyPattern, readyPattern, readyPort } = input;
  requireString("command", command);
  requireString("cwd", cwd);
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

const LONGEST_NAME = 60;

/** What a start says, as its record keeps it. Its environment is not in it: it may hold secrets. */
export function recordOf(input: StartInput, shell: string) {
  const { stdin, tags = [], env = {} } = input;
  return {
    name: nameOf(input, input.name),
    tags: [...tags],
    group: input.group,
    notify: input.notify ?? true,
    command: input.command,
    cwd: input.cwd,
    shell,
    global: input.global ?? false,
    readyPattern: input.readyPattern,
    readyPort: input.readyPort,
    readyTimeoutSeconds: input.readyTimeoutSeconds,
    notifyPattern: input.notifyPattern,
    timeoutSeconds: input.timeoutSeconds,
    stdin: stdin === "closed" ? undefined : stdin,
    restart: input.restart,
    ...(Object.keys(env).length > 0 && { ownEnvironment: true }),
  };
}

/** With what a process is started again, but for its environment. */
export function mergedInput(job: ProcessJob, changes: RestartInput): StartInput {
  const { restart = job.restart, command = job.command } = changes;
  const name = changes.name ?? (job.name === nameOf(job, undefined) ? undefined : job.name);
  return {
    name,
    command,
    cwd: changes.cwd ?? job.cwd,
    tags: changes.tags ?? job.tags,
    group: changes.group ?? job.group,
    global: changes.global ?? job.global,
    notify: changes.notify ?? job.notify,
    notifyPattern: changes.notifyPattern ?? job.notifyPattern,
    readyPattern: changes.readyPattern ?? job.readyPattern,
    readyPort: changes.readyPort ?? job.readyPort,
    readyTimeoutSeconds: changes.readyTimeoutSeconds ?? job.readyTimeoutSeconds,
    timeoutSeconds: changes.timeoutSeconds ?? job.timeoutSeconds,
    stdin: changes.stdin ?? job.stdin,
    restart: restart === "no" ? undefined : restart,
  };
}

/** A record that waits for its first run. */
export function newProcessJob(
  input: CreateInput,
  shell: string,
  createdAt: Date,
  after: string[],
): ProcessJob {
  const { parentSessionID, parentMessageID, rootSessionID } = input;
  return {
    kind: "process",
    id: newJobId("proc"),
    status: "pending",
    ...(after.length > 0 && { after }),
    parentSessionID,
    parentMessageID,
    rootSessionID,
    createdAt,
    output: { bytes: 0, dropped: 0 },
    ...recordOf(input, shell),
  };
}

function nameOf({ command }: Pick<StartInput, "command">, name: string | undefined): string {
  return name ?? firstLine(command);
}

export function firstLine(command: string): string {
  return cutText(command.trim().split("\n", 1)[0] ?? "", LONGEST_NAME);
}
