/**
 * What a process's output says to us as it comes: a line `OPENCODE_NOTIFY: text`, lines that match its
 * notifyPattern, and the first line that matches its readyPattern. A line counts when it is complete; for the
 * patterns also when it is still open and nothing was added to it for a moment (a prompt, a status that is redrawn).
 * What is left open at the end may still be announced, but never makes a process ready. The output is not changed.
 *
 * Patterns are matched elsewhere (see pattern.ts) while output goes on; what comes faster than it can be
 * matched is not, and a pattern that takes too long is switched off. Both are said, once.
 */
import { coerceError, type Clock, type Timer } from "../ports.js";
import { cutText } from "../text.js";
import { newLineReaders } from "./line-reader.js";
import { STREAMS, type StreamNumber } from "./format.js";
import type { PatternGuard } from "./pattern.js";
import { plainLine } from "./plain-text.js";

const NOTIFY_PREFIX = "OPENCODE_NOTIFY:";
const MAX_LINE = 16 * 1024;
const MAX_TEXT = 4000;

/** Lines that wait to be matched; beyond it the older half of them is not. */
const MAX_WAITING_BYTES = 1024 * 1024;

/** An open line to which nothing was added for so long, up to twice that, is looked at. */
const QUIET_MILLISECONDS = 250;

interface OutputWatchRequest {
  notifyPattern?: string;
  readyPattern?: string;
  guard: PatternGuard;
  clock: Pick<Clock, "after">;
  /** A line for the session. */
  onNotify: (text: string) => void;
  /** The line that matched, as plain text. */
  onReady: (line: string) => void;
  /** Something that the user should know of, in a sentence. */
  onProblem: (sentence: string) => void;
}

type PatternName = "notifyPattern" | "readyPattern";

/** One line of a stream, from its first byte to its newline. */
interface WatchedLine {
  wasAnnounced: boolean;
  /** As it was when it was last looked at while open. */
  seen: string;
}

interface Waiting {
  text: string;
  line: WatchedLine;
  canBeReady: boolean;
}

export class OutputWatch {
  readonly #request: OutputWatchRequest;
  readonly #readers: ReturnType<typeof newLineReaders>;
  readonly #patterns = new Map<PatternName, string>();
  readonly #open: [WatchedLine, WatchedLine] = [newLine(), newLine()];
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #matching: Promise<void> | undefined;
  #saidBusy = false;
  #timer: Timer | undefined;
  /** Output came since the timer was set. */
  #isFresh = false;

  constructor(request: OutputWatchRequest) {
    this.#request = request;
    const { notifyPattern, readyPattern } = request;
    if (notifyPattern !== undefined) this.#patterns.set("notifyPattern", notifyPattern);
    if (readyPattern !== undefined) this.#patterns.set("readyPattern", readyPattern);
    // Without patterns only our own prefix matters, and looking for it in bytes costs next to nothing.
    const prefix = this.#patterns.size === 0 ? Buffer.from(NOTIFY_PREFIX) : undefined;
    this.#readers = newLineReaders(MAX_LINE, prefix);
  }

  push(stream: StreamNumber, data: Buffer): void {
    this.#lines(stream, this.#readers[stream].push(data)?.lines, true);
    if (this.#patterns.size === 0) return;
    this.#isFresh = true;
    this.#timer ??= this.#setTimer();
  }

  /** The output has ended: what has no newline is a line, too. Resolves when everything was matched. */
  async end(): Promise<void> {
    this.close();
    for (const stream of STREAMS) this.#lines(stream, this.#readers[stream].end()?.lines, false);
    await this.#matching;
  }

  /** Lets go of the timer. */
  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #setTimer(): Timer {
    this.#isFresh = false;
    return this.#request.clock.after(QUIET_MILLISECONDS, () => {
      this.#timer = undefined;
      if (this.#isFresh) this.#timer = this.#setTimer();
      else this.#lookAtOpen();
    });
  }

  #lookAtOpen(): void {
    for (const stream of STREAMS) {
      const text = this.#readers[stream].open;
      const line = this.#open[stream];
      if (text === line.seen || text.startsWith(NOTIFY_PREFIX)) continue;
      line.seen = text;
      this.#wait({ text, line, canBeReady: true });
    }
    this.#matchWaiting();
  }

  #lines(stream: StreamNumber, lines: readonly string[] | undefined, canBeReady: boolean): void {
    for (const text of lines ?? []) {
      const line = this.#open[stream];
      this.#open[stream] = newLine();
      if (text.startsWith(NOTIFY_PREFIX)) {
        const words = plainLine(text.slice(NOTIFY_PREFIX.length)).trim();
        if (words !== "") this.#request.onNotify(cutText(words, MAX_TEXT));
        // It may still say that the process is ready.
        line.wasAnnounced = true;
      }
      this.#wait({ text, line, canBeReady });
    }
    this.#matchWaiting();
  }

  #wait(waiting: Waiting): void {
    if (this.#patterns.size === 0) return;
    this.#waiting.push(waiting);
    this.#waitingBytes += waiting.text.length;
    if (this.#waitingBytes <= MAX_WAITING_BYTES) return;
    // What a program says when it is ready comes last. By halves: one at a time would move all others with each line.
    for (const { text } of this.#waiting.splice(0, Math.ceil(this.#waiting.length / 2))) {
      this.#waitingBytes -= text.length;
    }
    if (this.#saidBusy) return;
    this.#saidBusy = true;
    this.#request.onProblem("output came faster than its lines could be matched; some were not");
  }

  #matchWaiting(): void {
    if (this.#waiting.length > 0) this.#matching ??= this.#matchAll();
  }

  async #matchAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const waiting = this.#waiting;
      this.#waiting = [];
      this.#waitingBytes = 0;
      const texts = waiting.map(({ text }) => plainLine(text));
      const ready = await this.#match("readyPattern", texts);
      const first = ready.find((index) => waiting[index]?.canBeReady);
      if (first !== undefined) {
        this.#patterns.delete("readyPattern");
        this.#request.onReady(cutText(texts[first] ?? "", MAX_TEXT));
      }
      for (const index of await this.#match("notifyPattern", texts)) {
        const line = waiting[index]?.line;
        if (!line || line.wasAnnounced) continue;
        line.wasAnnounced = true;
        this.#request.onNotify(cutText(texts[index] ?? "", MAX_TEXT));
      }
    }
    this.#matching = undefined;
  }

  async #match(name: PatternName, lines: readonly string[]): Promise<number[]> {
    const pattern = this.#patterns.get(name);
    if (pattern === undefined) return [];
    try {
      return (await this.#request.guard.match(pattern, lines)).hits;
    } catch (thrown) {
      this.#patterns.delete(name);
      this.#request.onProblem(`${name} was switched off: ${coerceError(thrown).message}`);
      return [];
    }
  }
}

function newLine(): WatchedLine {
  return { wasAnnounced: false, seen: "" };
}
