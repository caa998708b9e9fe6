/**
 * What a start says and what its record keeps of it: a new record, one that runs again with some of it changed, and
 * the arguments that a record stands for.
 */
import { newJobId } from "../jobs/filter.js";
import type { ProcessJob } from "../jobs/job.js";
import { cutText } from "../text.js";
import type { StartInput } from "./check-input.js";
import type { CreateInput, RestartInput } from "./types.js";

const LONGEST_NAME = 60;

/** What a start says, as its record keeps it. Its environment is not in it: it may hold secrets. */
export function recordOf(input: StartInput, shell: string) {
  const { command, cwd, readyPattern, readyPort, readyTimeoutSeconds, notifyPattern } = input;
  const {
    stdin,
    timeoutSeconds,
    restart,
    group,
    tags = [],
    notify = true,
    global = false,
    env = {},
  } = input;
  return {
    name: nameOf(input, input.name),
    tags: [...tags],
    group,
    notify,
    command,
    cwd,
    shell,
    global,
    readyPattern,
    readyPort,
    readyTimeoutSeconds,
    notifyPattern,
    timeoutSeconds,
    stdin: stdin === "closed" ? undefined : stdin,
    restart,
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
