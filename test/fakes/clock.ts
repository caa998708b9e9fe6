// Owns: a clock that stands still until a test moves it. Promises: timers fire in the order of their times,
// and whatever one of them sets off in promises is done before the next one fires.
import type { Clock, Timer } from "../../src/ports.js";

/** Resolves when everything that promises alone can do has been done. */
export async function settle(): Promise<void> {
  await new Promise<void>((resolve) => {
    setImmediate(resolve);
  });
}

interface Waiting {
  at: number;
  callback: () => void;
}

export class FakeClock implements Clock {
  #now: number;
  readonly #timers = new Set<Waiting>();

  constructor(start = Date.UTC(2026, 0, 1)) {
    this.#now = start;
  }

  now(): number {
    return this.#now;
  }

  after(milliseconds: number, callback: () => void): Timer {
    const timer = { at: this.#now + milliseconds, callback };
    this.#timers.add(timer);
    return { cancel: () => this.#timers.delete(timer) };
  }

  /** Timers that are set and have neither fired nor been cancelled. */
  get pending(): number {
    return this.#timers.size;
  }

  async advance(milliseconds: number): Promise<void> {
    const until = this.#now + milliseconds;
    await settle();
    for (let next = this.#next(until); next; next = this.#next(until)) {
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.callback();
      await settle();
    }
    this.#now = until;
  }

  /** Fires what is due, timer by timer, until `done` holds or so much time has passed. */
  async advanceUntil(done: () => boolean, atMost: number): Promise<void> {
    const until = this.#now + atMost;
    await settle();
    while (!done()) {
      const next = this.#next(until);
      if (!next) return;
      await this.advance(next.at - this.#now);
    }
  }

  #next(until: number): Waiting | undefined {
    let first: Waiting | undefined;
    for (const timer of this.#timers) {
      if (timer.at <= until && (!first || timer.at < first.at)) first = timer;
    }
    return first;
  }
}
