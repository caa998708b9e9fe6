/** Waiting with the injected clock: a time limit for an event, timers of any length, calls that come not too often. */
import type { Clock, Timer } from "./ports.js";

/**
 * Whether something happens in time, and before `signal` aborts; the wait for it is given up then, not the thing
 * itself. Rejects when `event` rejects in time.
 */
export async function within(
  clock: Clock,
  milliseconds: number,
  event: Promise<unknown>,
  signal?: AbortSignal,
): Promise<boolean> {
  let giveUp: () => void = () => undefined;
  const late = new Promise<boolean>((resolve) => {
    giveUp = () => resolve(false);
  });
  const timer = afterLong(clock, milliseconds, giveUp);
  signal?.addEventListener("abort", giveUp);
  if (signal?.aborted) giveUp();
  try {
    return await Promise.race([event.then(() => true), late]);
  } finally {
    timer.cancel();
    signal?.removeEventListener("abort", giveUp);
  }
}

const LONGEST = 2 ** 31 - 1;

/** A timer for any time: the system's own fire at once for more than 2^31 - 1 ms (24.8 days). */
export function afterLong(clock: Clock, milliseconds: number, callback: () => void): Timer {
  let timer: Timer;
  const wait = (left: number) => {
    const now = Math.min(left, LONGEST);
    timer = clock.after(now, () => (left > now ? wait(left - now) : callback()));
  };
  wait(milliseconds);
  return { cancel: () => timer.cancel() };
}

/** Whether something becomes true in time; looked at again and again, at most ten times a second. */
export async function isTrueWithin(
  clock: Clock,
  atMost: number,
  isTrue: () => Promise<boolean>,
): Promise<boolean> {
  const end = clock.monotonic() + atMost;
  for (let time = 5; !(await isTrue()); time = Math.min(100, time * 2)) {
    const left = end - clock.monotonic();
    if (left <= 0) return false;
    await pause(clock, Math.min(time, left));
  }
  return true;
}

export function pause(clock: Clock, milliseconds: number): Promise<void> {
  return new Promise((resolve) => clock.after(milliseconds, resolve));
}

export interface Throttled {
  call(): void;
  cancel(): void;
}

/**
 * At most one call in so many milliseconds: the first at once, what comes meanwhile as one call at the end. No
 * timer is set while nothing comes.
 */
export function throttle(clock: Clock, milliseconds: number, run: () => void): Throttled {
  let last = Number.NEGATIVE_INFINITY;
  let timer: Timer | undefined;
  const runNow = () => {
    timer = undefined;
    last = clock.monotonic();
    run();
  };
  return {
    call() {
      if (timer) return;
      const wait = last + milliseconds - clock.monotonic();
      if (wait <= 0) runNow();
      else timer = clock.after(wait, runNow);
    },
    cancel() {
      timer?.cancel();
      timer = undefined;
    },
  };
}
