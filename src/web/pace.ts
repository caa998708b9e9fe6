/**
 * So much of a fast output as a page can show: a whole log at once, then so many bytes a second. What comes faster is
 * left out, the newest is not, and the reader is told how much it was. All pages of a server share what it sends in a
 * second: they take the machine from the OpenCodes whose output they show.
 */
import type { Pace } from "../output/follow.js";
import type { Clock } from "../ports.js";
import { pause } from "../time.js";

/** As much as is kept of an output unless told otherwise. */
const BURST = 8 * 1_024 * 1_024;
const ROUND_MS = 250;
/** One page has a whole log in a second, ten have theirs in ten. */
const MOST_A_SECOND = BURST;
const ROUND = MOST_A_SECOND / 16;

/** What a server sends to paced readers, one round after the other in the order in which they ask. */
export class SharedRate {
  readonly #clock: Clock;
  #free = MOST_A_SECOND;
  #since: number;
  #last: Promise<void> = Promise.resolve();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#since = clock.monotonic();
  }

  /** Resolves when so many bytes may be sent. */
  take(bytes: number): Promise<void> {
    this.#last = this.#last.then(async () => {
      for (this.#refill(); this.#free < bytes; this.#refill()) {
        const lacks = ((bytes - this.#free) * 1_000) / MOST_A_SECOND;
        await pause(this.#clock, Math.ceil(lacks));
      }
      this.#free -= bytes;
    });
    return this.#last;
  }

  #refill(): void {
    const now = this.#clock.monotonic();
    const gained = ((now - this.#since) * MOST_A_SECOND) / 1_000;
    this.#free = Math.min(MOST_A_SECOND, this.#free + gained);
    this.#since = now;
  }
}

export class SteadyPace implements Pace {
  readonly #clock: Clock;
  readonly #shared: SharedRate;
  readonly #perSecond: number;
  #credit = BURST;
  #since: number;
  /** Of the round. */
  #begin: number;
  #granted = 0;

  constructor(clock: Clock, shared: SharedRate, perSecond: number, from: number) {
    this.#clock = clock;
    this.#shared = shared;
    this.#perSecond = perSecond;
    this.#begin = from;
    this.#since = clock.monotonic();
  }

  async next(at: number, end: number): Promise<number> {
    this.#refill(at);
    const round = Math.min(ROUND, (this.#perSecond * ROUND_MS) / 1_000);
    while (this.#credit < round) {
      await pause(this.#clock, ROUND_MS);
      this.#refill(at);
    }
    this.#begin = Math.max(at, Math.floor(end - this.#credit));
    this.#granted = Math.max(0, Math.min(ROUND, this.#credit, end - this.#begin));
    await this.#shared.take(this.#granted);
    return this.#begin;
  }

  isOver(at: number): boolean {
    return at - this.#begin >= this.#granted;
  }

  #refill(at: number): void {
    const now = this.#clock.monotonic();
    const gained = ((now - this.#since) * this.#perSecond) / 1_000;
    this.#credit = Math.min(BURST, this.#credit - (at - this.#begin) + gained);
    this.#begin = at;
    this.#since = now;
  }
}
