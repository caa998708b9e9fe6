/**
 * So much of a fast output as a page can show: a whole log at once, then so many bytes a second. What comes faster is
 * left out, the newest is not, and the reader is told how much it was.
 */
import type { Pace } from "../output/follow.js";
import type { Clock } from "../ports.js";

/** As much as is kept of an output unless told otherwise. */
const BURST = 8 * 1_024 * 1_024;
const ROUND_MS = 250;

export class SteadyPace implements Pace {
  readonly #clock: Clock;
  readonly #perSecond: number;
  #credit = BURST;
  #since: number;
  /** Of the round. */
  #begin: number;

  constructor(clock: Clock, perSecond: number, from: number) {
    this.#clock = clock;
    this.#perSecond = perSecond;
    this.#begin = from;
    this.#since = clock.monotonic();
  }

  async next(at: number, end: number): Promise<number> {
    this.#refill(at);
    const round = (this.#perSecond * ROUND_MS) / 1_000;
    while (this.#credit < round) {
      await new Promise<void>((resolve) => this.#clock.after(ROUND_MS, resolve));
      this.#refill(at);
    }
    this.#begin = Math.max(at, Math.floor(end - this.#credit));
    return this.#begin;
  }

  isOver(at: number): boolean {
    return at - this.#begin >= this.#credit;
  }

  #refill(at: number): void {
    const now = this.#clock.monotonic();
    const gained = ((now - this.#since) * this.#perSecond) / 1_000;
    this.#credit = Math.min(BURST, this.#credit - (at - this.#begin) + gained);
    this.#begin = at;
    this.#since = now;
  }
}
