/**
 * At most one call in so many milliseconds: the first at once, what comes meanwhile as one call at the end. No
 * timer is set while nothing comes.
 */
import type { Clock, Timer } from "../../ports.js";

export interface Throttled {
  call(): void;
  cancel(): void;
}

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
