/** What an answer of `bash` says besides the output, and how its metadata shows the output to the user. Pure. */
import { constants } from "node:os";
import type { ShellExit } from "../process/manager.js";
import type { ProcessNote } from "../system/process-table.js";
import { elapsed, oneLine } from "../text.js";

/** As the host's own bash says it. */
export const ABORTED = "User aborted the command";

export function timedOut(milliseconds: number): string {
  return `shell tool terminated command after exceeding timeout ${milliseconds} ms. If this command is expected to take longer and is not waiting for interactive input, retry with a larger timeout value in milliseconds.`;
}

export function sleepHint(command: string): string {
  const call = JSON.stringify({ command: command.trim() });
  return `To be woken later without waiting: createBackgroundProcess ${call}.`;
}

/** For a shell that was ended from outside; the host's own bash never returns from one. */
export function endedBySignal(signal: string): string {
  return `The shell was ended by ${signal}.`;
}

interface Continued {
  id: string;
  isChild: boolean;
  oneShot: boolean;
}

const MOST_COMMAND = 100;

export function moved(
  { id, isChild }: Continued,
  ranMilliseconds: number,
  endSeconds: number,
): string[] {
  const read = (request: object) =>
    `getBackgroundProcess ${JSON.stringify({ processId: id, ...request })}`;
  return [
    `THE COMMAND STILL RUNS. It was not ended: after ${elapsed(ranMilliseconds)} it went on in the background as ${id}. Do not run it again.`,
    isChild
      ? `Wait for it before you answer: ${read({ wait: 600 })}.`
      : `You will be told when it ends, with its exit code: go on with other work or end your turn, and do not poll. Its output: ${read({})}.`,
    `It is ended if it runs longer than ${elapsed(endSeconds * 1_000)}.`,
  ];
}

/** The first line of the answer of a command that was moved: its id stands there. */
export function stillRuns(id: string): string {
  return `${id} still runs, in the background. Its output so far:\n`;
}

export function left(
  { id, oneShot }: Continued,
  leftovers: readonly ProcessNote[],
  isTold: boolean,
): string {
  const [first, ...others] = leftovers.map(({ command }) => oneLine(command, MOST_COMMAND));
  const more = others.length > 0 ? ` and ${others.length} more` : "";
  const until = oneShot ? " and ends with this OpenCode, after its one turn" : "";
  const told = isTold ? "You will be told when it ends. " : "";
  return `The command has ended. What it left running (${first ?? "a process"}${more}) goes on in the background as ${id}${until}. ${told}Its output: getBackgroundProcess ${JSON.stringify({ processId: id })}; killProcesses ends it.`;
}

export function block(lines: readonly string[]): string {
  if (lines.length === 0) return "";
  return `\n\n<shell_metadata>\n${lines.join("\n")}\n</shell_metadata>`;
}

const SIGNALS: Readonly<Record<string, number>> = constants.signals;

/** As a shell shows the exit of a program that a signal has ended. */
export function exitCode({ code, signal }: ShellExit): number | null {
  const number = SIGNALS[signal ?? ""];
  return code ?? (number === undefined ? null : 128 + number);
}
