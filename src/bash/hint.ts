/**
 * Commands that are sent to the background by hand, and what the answer of the host's own bash says besides then. A
 * module of its own, for the plugin loads it at once.
 */

/** Ends in `&`, or begins with what lets a command outlive its shell. */
const DETACHED = /^\s*(?:nohup|setsid)\s|(?:^|[^&|>])&\s*$/u;

export function detaches(command: unknown): boolean {
  return typeof command === "string" && DETACHED.test(command);
}

/** Somewhere in it something is sent to the background; in doubt it is. */
export function startsInBackground(command: string): boolean {
  return /(?<![&|<>])&(?![&>])|\b(?:nohup|setsid)\b/u.test(command);
}

export const HINT =
  "\n\n(For a command that is to keep running there is createBackgroundProcess: its output can be read, it can be ended, and you are told its end.)";
