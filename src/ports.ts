/**
 * What a module is given rather than takes for itself: time and a log. Tests pass their own, so that no
 * test waits for a real clock and every warning can be asserted.
 */
import { harmlessLines } from "./text.js";

/** A timer that was set; `cancel` may be called at any time and more than once. */
export interface Timer {
  cancel(): void;
}

/** Time in milliseconds. Timers never keep the host alive. */
export interface Clock {
  /** Since the epoch: for what is recorded and shown. It jumps when the date is set. */
  now(): number;
  /** Since any moment: for how long something takes. It never goes back and never jumps. */
  monotonic(): number;
  after(milliseconds: number, callback: () => void): Timer;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(milliseconds, callback) {
    const timer = setTimeout(callback, milliseconds);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};

/** The same, whose timers keep a process of our own alive. */
export const wakingClock: Clock = {
  ...systemClock,
  after(milliseconds, callback) {
    const timer = setTimeout(callback, milliseconds);
    return { cancel: () => clearTimeout(timer) };
  },
};

export type LogLevel = "debug" | "info" | "warn" | "error";

/** Never throws and never prints: the console belongs to the terminal UI. */
export type Log = (level: LogLevel, message: string, extra?: Record<string, unknown>) => void;

export const silentLog: Log = () => undefined;

/** Any thrown value as an Error, the original kept as its cause. Never throws. */
export function coerceError(thrown: unknown): Error {
  if (thrown instanceof Error) return thrown;
  return new Error(typeof thrown === "string" ? thrown : shown(thrown), { cause: thrown });
}

function shown(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    // Circular, or with a BigInt: no words of its own.
    return Object.prototype.toString.call(value);
  }
}

/** The errno's name of a failed call, for example ENOENT. */
export function errorCode(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || !("code" in thrown)) return undefined;
  return typeof thrown.code === "string" ? thrown.code : undefined;
}

/** For `.catch(…)`: logs what was thrown, and what was to be done goes on without it, as with nothing. */
export function logFailure(
  log: Log,
  level: LogLevel,
  message: string,
  extra: Record<string, unknown> = {},
): (thrown: unknown) => undefined {
  return (thrown) => {
    log(level, message, { ...extra, error: coerceError(thrown).message });
    return undefined;
  };
}

/**
 * Does one step after the other, each whatever became of those before it. Rejects at the end with an AggregateError
 * of all that failed, under this message.
 */
export async function doAll(message: string, steps: readonly (() => unknown)[]): Promise<void> {
  const errors: Error[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (thrown) {
      const thrownHere: unknown[] = thrown instanceof AggregateError ? thrown.errors : [thrown];
      errors.push(...thrownHere.map(coerceError));
    }
  }
  if (errors.length === 0) return;
  const what = errors.map((error) => error.message).join("; ");
  throw new AggregateError(errors, `${message}: ${what}`);
}

/** Bad input or a refused request: the message is written for the caller, and nothing was done. */
export class UserError extends Error {
  override readonly name = "UserError";

  /** What comes from outside in the message is made harmless; line ends stay. */
  constructor(message: string, options?: ErrorOptions) {
    super(harmlessLines(message), options);
  }
}

/** For programs without types, which may leave a field out. Throws a `UserError` that names it. */
export function requireString(field: string, value: unknown): void {
  if (typeof value !== "string") throw wrongField(field, "text", value);
}

/** The same for a text that says something. */
export function requireText(field: string, value: unknown): void {
  if (typeof value !== "string" || value.trim() === "") throw wrongField(field, "text", value);
}

/** The same for an id, which is never empty. */
export function requireID(field: string, value: unknown): void {
  if (typeof value !== "string" || value === "") throw wrongField(field, "an id", value);
}

function wrongField(field: string, expected: string, value: unknown): UserError {
  const kind = value === undefined ? "nothing" : `a ${typeof value}`;
  const got = typeof value === "string" ? JSON.stringify(value) : kind;
  return new UserError(`${field}: expected ${expected}, got ${got}`);
}
