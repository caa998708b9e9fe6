/** A timer for any time: the system's own fire at once for more than 2^31 - 1 ms (24.8 days). */
import type { Clock, Timer } from "../ports.js";

const LONGEST = 2 ** 31 - 1;

export function afterLong(clock: Clock, milliseconds: number, callback: () => void): Timer {
  let timer: Timer;
  const wait = (left: number) => {
    const now = Math.min(left, LONGEST);
    timer = clock.after(now, () => (left > now ? wait(left - now) : callback()));
  };
  wait(milliseconds);
  return { cancel: () => timer.cancel() };
}
