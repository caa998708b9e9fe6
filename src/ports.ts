/**
 * What a module is given rather than takes for itself: time and a log. Tests pass their own, so that no
 * test waits for a real clock and every warning can be asserted.
 */

/** A timer that was set; `cancel` may be called at any time and more than once. */
export interface Timer {
  cancel(): void;
}

/** Time in milliseconds since the epoch. Timers never keep the host alive. */
export interface Clock {
  now(): number;
  after(milliseconds: number, callback: () => void): Timer;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after(milliseconds, callback) {
    const timer = setTimeout(callback, milliseconds);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};

export type LogLevel = "debug" | "info" | "warn" | "error";

/** Never throws and never prints: the console belongs to the terminal UI. */
export type Log = (level: LogLevel, message: string, extra?: Record<string, unknown>) => void;

export const silentLog: Log = () => undefined;

/** Any thrown value as an Error, the original kept as its cause. */
export function coerceError(thrown: unknown): Error {
  if (thrown instanceof Error) return thrown;
  return new Error(typeof thrown === "string" ? thrown : JSON.stringify(thrown), { cause: thrown });
}

/** Bad input or a refused request: the message is written for whoever called, and nothing was done. */
export class UserError extends Error {
  override readonly name = "UserError";
}

/** For programs without types, which may leave a field out. Throws a `UserError` that names it. */
export function requireText(field: string, value: unknown): void {
  if (typeof value !== "string") throw wrongField(field, "text", value);
}

/** The same for an id, which is never empty. */
export function requireID(field: string, value: unknown): void {
  if (typeof value !== "string" || value === "") throw wrongField(field, "an id", value);
}

function wrongField(field: string, expected: string, value: unknown): UserError {
  const kind = value === undefined ? "nothing" : `a ${typeof value}`;
  return new UserError(`${field}: expected ${expected}, got ${value === "" ? '""' : kind}`);
}
