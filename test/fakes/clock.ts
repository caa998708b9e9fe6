// Owns: a clock that stands still until a test moves it. Promises: timers fire in the order of their times,
// and whatever one of them sets off in promises is done before the next one fires.
import type { TestContext } from "node:test";
import type { Clock, Timer } from "../../src/ports.js";

/** Resolves when everything that promises alone can do has been done. */
export async function settle(): Promise<void> {
  await new Promise<void>((resolve) => {
    setImmediate(resolve);
  });
}

/** Real processes take real time: while the test waits for them the clock goes along with it. */
export function goAlong(t: TestContext, clock: FakeClock): void {
  const timer = setInterval(() => void clock.advance(STEP_MS), STEP_MS);
  t.after(() => clearInterval(timer));
}

const STEP_MS = 20;

interface Waiting {
  due: number;
  callback: () => void;
}

export class FakeClock implements Clock {
  /** Timers follow the time that passed, not the date, as the real ones do. */
  #passed = 0;
  #date: number;
  readonly #timers = new Set<Waiting>();
  /** While this holds no time passes: work of several turns of the event loop is under way. */
  isBusy: () => boolean = () => false;

  constructor(start = Date.UTC(2026, 0, 1)) {
    this.#date = start;
  }

  now(): number {
    return this.#date + this.#passed;
  }

  monotonic(): number {
    return this.#passed;
  }

  after(milliseconds: number, callback: () => void): Timer {
    const timer = { due: this.#passed + milliseconds, callback };
    this.#timers.add(timer);
    return { cancel: () => this.#timers.delete(timer) };
  }

  /** Timers that are set and have neither fired nor been cancelled. */
  get pending(): number {
    return this.#timers.size;
  }

  /** The system's date is set. */
  set(now: number): void {
    this.#date = now - this.#passed;
  }

  async advance(milliseconds: number): Promise<void> {
    const end = this.#passed + milliseconds;
    await this.#settle();
    for (let next = this.#next(end); next; next = this.#next(end)) {
      this.#timers.delete(next);
      this.#passed = Math.max(this.#passed, next.due);
      next.callback();
      await this.#settle();
    }
    this.#passed = Math.max(this.#passed, end);
  }

  /** Fires what is due, timer by timer, until `done` holds or so much time has passed. */
  async advanceUntil(done: () => boolean, atMost: number): Promise<void> {
    const end = this.#passed + atMost;
    await this.#settle();
    while (!done()) {
      const next = this.#next(end);
      if (!next) return;
      await this.advance(next.due - this.#passed);
    }
  }

  async #settle(): Promise<void> {
    do await settle();
    while (this.isBusy());
  }

  #next(end: number): Waiting | undefined {
    let first: Waiting | undefined;
    for (const timer of this.#timers) {
      if (timer.due <= end && (!first || timer.due < first.due)) first = timer;
    }
    return first;
  }
}
