/**
 * What a process asks to be told, held to a bearable rate: five at once, then one merged notice a minute with
 * the newest texts and the number of those that are only in the output. Nothing is dropped silently and there
 * is no end to how long a process may go on. While five of its notices wait for a parent that may not be woken, what
 * comes is merged on, so that they grow no further.
 */
import type { Clock, Timer } from "../ports.js";
import { headOf } from "../text.js";

const BURST = 5;
const MERGE_MS = 60_000;
/** Texts and characters that a merged notice quotes. */
const NEWEST = 10;
const MOST_CHARACTERS = 4_000;

interface Source {
  /** Notices that may still go out at once. */
  tokens: number;
  newest: string[];
  /** Texts since the last notice, those in `newest` included. */
  waiting: number;
  timer: Timer | undefined;
}

export class FloodGate {
  readonly #clock: Clock;
  readonly #pass: (jobID: string, text: string, throttled: boolean) => void;
  readonly #unsent: (jobID: string) => number;
  readonly #sources = new Map<string, Source>();

  /**
   * `pass`: a notice; `throttled`: what follows comes merged. `unsent`: how many notices that passed for a job wait to
   * be sent.
   */
  constructor(
    clock: Clock,
    pass: (jobID: string, text: string, throttled: boolean) => void,
    unsent: (jobID: string) => number,
  ) {
    this.#clock = clock;
    this.#pass = pass;
    this.#unsent = unsent;
  }

  offer(jobID: string, all: string): void {
    const text = headOf(all, MOST_CHARACTERS);
    const source = this.#sources.get(jobID) ?? this.#open(jobID);
    if (source.tokens > 0 && this.#unsent(jobID) < BURST) {
      source.tokens -= 1;
      this.#pass(jobID, text, source.tokens === 0);
    } else {
      source.waiting += 1;
      source.newest.push(text);
      if (source.newest.length > NEWEST) source.newest.shift();
    }
    source.timer ??= this.#clock.after(MERGE_MS, () => this.#minute(jobID, source));
  }

  /** The job has ended: what waits goes out now. */
  close(jobID: string): void {
    const source = this.#sources.get(jobID);
    if (!source) return;
    source.timer?.cancel();
    this.#sources.delete(jobID);
    this.#flush(jobID, source);
  }

  dispose(): void {
    for (const source of this.#sources.values()) source.timer?.cancel();
    this.#sources.clear();
  }

  #open(jobID: string): Source {
    const source: Source = { tokens: BURST, newest: [], waiting: 0, timer: undefined };
    this.#sources.set(jobID, source);
    return source;
  }

  /** A quiet minute gives the burst back; a busy one is told in one notice. */
  #minute(jobID: string, source: Source): void {
    source.timer = undefined;
    if (source.waiting === 0) {
      this.#sources.delete(jobID);
      return;
    }
    if (this.#unsent(jobID) < BURST) this.#flush(jobID, source);
    source.timer = this.#clock.after(MERGE_MS, () => this.#minute(jobID, source));
  }

  #flush(jobID: string, source: Source): void {
    if (source.waiting === 0) return;
    let texts = source.newest;
    while (texts.length > 1 && texts.join("\n").length > MOST_CHARACTERS) texts = texts.slice(1);
    const more = source.waiting - texts.length;
    // At the end, which is what a notice never leaves out.
    const rest = more > 0 ? `\n(${more} earlier ones are only in the output)` : "";
    source.newest = [];
    source.waiting = 0;
    this.#pass(jobID, texts.join("\n") + rest, false);
  }
}
