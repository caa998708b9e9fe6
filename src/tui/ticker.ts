/** The time as a signal that moves only while a view needs it. */
import { createEffect, createMemo, createSignal, onCleanup, type Accessor } from "solid-js";
import type { Clock } from "../ports.js";

/**
 * `next` says in how many milliseconds the display is another one, undefined: never; it is asked again whenever
 * what it reads changes. `heard` is a time that came with the newest data: the answer is never behind it.
 */
export function createTicker(
  clock: Clock,
  heard: Accessor<number>,
  next: (now: number) => number | undefined,
): Accessor<number> {
  const [ticked, setTicked] = createSignal(clock.now());
  const now = createMemo(() => Math.max(ticked(), heard()));
  createEffect(() => {
    const wait = next(now());
    if (wait === undefined) return;
    const timer = clock.after(wait, () => setTicked(clock.now()));
    onCleanup(() => timer.cancel());
  });
  return now;
}
