/**
 * How long a call of `bash` waits for its command, what becomes of one that takes longer, and what its text says of
 * that. Pure; the plugin loads it at once.
 */
import type { Options } from "../options.js";

export interface Situation {
  command: string;
  /** As it was called, in milliseconds. */
  timeout: number | undefined;
  /** What the host's own bash takes when none is given. */
  usual: number;
  /** In a child session: its caller waits for its answer, so it is not sent off to do other things. */
  isChild: boolean;
  /** This OpenCode ends with its one turn. */
  oneShot: boolean;
  options: Pick<Options, "bashSeconds" | "bashMaxMinutes">;
}

export interface Limits {
  /** From the start on. */
  milliseconds: number;
  /** What is done then: `end` is what the host's own bash does. */
  afterwards: "move" | "end";
  /** A user's message while the call waits moves the command. */
  movesForUser: boolean;
  /** Seconds from its start on after which a moved command is ended. */
  endSeconds: number;
}

/** A command that only waits: what it is for is told by its end, and nothing it did can be lost. */
export function isSleep(command: string): boolean {
  return /^\s*sleep(?:\s+[\d.]+[smhd]?)+\s*;?\s*$/u.test(command);
}

const TIMES = 10;
/** A short timeout is a guess: what it was wrong about is not worth losing in seconds either. */
const LEAST_SECONDS = 600;
const MOST_SECONDS = 3_600;

export function limitsOf(situation: Situation): Limits {
  const { command, timeout, usual, isChild, oneShot, options } = situation;
  const asHost = timeout ?? usual;
  const ends = oneShot || isSleep(command);
  const own = timeout ?? options.bashSeconds * 1_000;
  return {
    milliseconds: ends || isChild ? asHost : own,
    afterwards: ends ? "end" : "move",
    movesForUser: !oneShot && !isChild,
    endSeconds: endOf(timeout, options.bashMaxMinutes),
  };
}

function endOf(timeout: number | undefined, maxMinutes: number): number {
  if (timeout === undefined) return maxMinutes * 60;
  const given = timeout / 1_000;
  const later = Math.max(given * TIMES, LEAST_SECONDS);
  return Math.min(later, Math.max(MOST_SECONDS, given));
}

/** Ends in `&`, or begins with what lets a command outlive its shell. */
const DETACHED = /^\s*(?:nohup|setsid)\s|(?:^|[^&|>])&\s*$/u;

/** Sent to the background by hand. */
export function detaches(command: unknown): boolean {
  return typeof command === "string" && DETACHED.test(command);
}

/** What the answer of the host's own bash says besides then. */
export const DETACHED_HINT =
  "\n\n(For a command that is to keep running there is createBackgroundProcess: its output can be read, it can be ended, and you are told its end.)";

/** Somewhere in it something is sent to the background; in doubt it is. */
export function startsInBackground(command: string): boolean {
  return /(?<![&|<>])&(?![&>])|\b(?:nohup|setsid)\b/u.test(command);
}
