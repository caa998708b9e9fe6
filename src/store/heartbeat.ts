/**
 * Marks the folder as in use, once a minute. After a crash this is the last sign of life, and so the end of what ran;
 * on another machine or in another container with the same home, who cannot ask our system takes a folder without
 * such signs over after a day. Promises: no timer keeps the host awake, and none is left after `stop`.
 */
import { coerceError, type Clock, type Log, type Timer } from "../ports.js";

const PERIOD = 60_000;

export class Heartbeat {
  readonly #beat: () => void;
  readonly #clock: Clock;
  readonly #log: Log;
  #timer: Timer | undefined;

  /** `beat` changes something in the folder; what it throws is logged. */
  constructor(beat: () => void, clock: Clock, log: Log) {
    this.#beat = beat;
    this.#clock = clock;
    this.#log = log;
  }

  /** Again is once. */
  start(): void {
    this.#timer ??= this.#clock.after(PERIOD, () => this.#due());
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #due(): void {
    this.#timer = undefined;
    this.start();
    try {
      this.#beat();
    } catch (thrown) {
      const error = coerceError(thrown).message;
      this.#log("warn", "the state folder could not be marked as in use", { error });
    }
  }
}
