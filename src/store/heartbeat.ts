/**
 * Shows those who cannot ask our system (another machine or container with the same home) that we live: a folder
 * whose owner is silent is claimed by them after a day. Promises: no timer keeps the host awake, and none is left
 * after `stop`.
 */
import { coerceError, type Clock, type Log, type Timer } from "../ports.js";

const HOUR = 3600_000;

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
    this.#timer ??= this.#clock.after(HOUR, () => this.#due());
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
