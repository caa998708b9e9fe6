/**
 * The record of a process that is about to be started, and whether there is one already. The environment is not in
 * it: it may hold secrets.
 */
import { newJobId } from "../jobs/id.js";
import type { ProcessJob } from "../jobs/job.js";
import { isTerminal } from "../jobs/status.js";
import type { CreateInput } from "./types.js";

const LONGEST_NAME = 60;

export function newProcessJob(input: CreateInput, shell: string, createdAt: Date): ProcessJob {
  return {
    kind: "process",
    id: newJobId("proc"),
    name: input.name ?? firstLine(input.command),
    status: "pending",
    tags: [...(input.tags ?? [])],
    parentSessionID: input.parentSessionID,
    parentMessageID: input.parentMessageID,
    rootSessionID: input.rootSessionID,
    notify: input.notify ?? true,
    createdAt,
    command: input.command,
    cwd: input.cwd,
    shell,
    global: input.global ?? false,
    output: { bytes: 0, dropped: 0 },
    readyPattern: input.readyPattern,
    readyPort: input.readyPort,
    notifyPattern: input.notifyPattern,
    timeoutSeconds: input.timeoutSeconds,
  };
}

/** Whether this job already runs what is to be started. */
export function isSame(job: ProcessJob, { command, cwd }: CreateInput): boolean {
  return job.command === command && job.cwd === cwd && !isTerminal(job.status);
}

function firstLine(command: string): string {
  const line = command.trim().split("\n", 1)[0] ?? "";
  return line.length > LONGEST_NAME ? `${line.slice(0, LONGEST_NAME - 1)}…` : line;
}
