/**
 * The time between a shell's exit and the end of its job: output may still be on its way, and a child of the
 * shell may hold the pipe for as long as it lives. Over when both pipes are closed, when nothing came for
 * 250 ms, after 2 s, or when it is told to finish.
 */
import type { Clock, Timer } from "../ports.js";

const QUIET_MILLISECONDS = 250;
const LONGEST_MILLISECONDS = 2000;

export class Drain {
  readonly over: Promise<void>;
  readonly #clock: Clock;
  readonly #until: number;
  #resolve: () => void = () => undefined;
  #timer: Timer | undefined;
  #lastOutput: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#lastOutput = clock.monotonic();
    this.#until = this.#lastOutput + LONGEST_MILLISECONDS;
    this.over = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#wait();
  }

  /** Output came. */
  output(): void {
    this.#lastOutput = this.#clock.monotonic();
  }

  finish(): void {
    this.#timer?.cancel();
    this.#resolve();
  }

  #wait(): void {
    const left =
      Math.min(this.#lastOutput + QUIET_MILLISECONDS, this.#until) - this.#clock.monotonic();
    if (left <= 0) this.finish();
    else this.#timer = this.#clock.after(left, () => this.#wait());
  }
}
