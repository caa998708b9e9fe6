/**
 * What a process's output says to us, line by line as it comes: a line `OPENCODE_NOTIFY: text`, lines that match
 * its notifyPattern, and the first line that matches its readyPattern. Only complete lines count (and the rest at
 * the end). The output itself is not changed.
 *
 * Matching may use half of the host's time at most: lines that come faster are not matched, and a pattern that
 * takes too long for one batch of lines is switched off. Both are said, once.
 */
import { coerceError } from "../ports.js";
import { LineReader } from "./line-reader.js";
import type { StreamNumber } from "./output-format.js";
import { PATTERN_LIMIT, type PatternGuard } from "./pattern.js";
import { cutBytes, plainLine } from "./plain-text.js";

export const NOTIFY_PREFIX = "OPENCODE_NOTIFY:";
const MAX_LINE = 16 * 1024;
const MAX_TEXT = 4000;

export interface OutputWatchRequest {
  notifyPattern?: string;
  readyPattern?: string;
  guard: PatternGuard;
  /** Milliseconds, only ever going forward. */
  now: () => number;
  /** A line for the session. */
  onNotify: (text: string) => void;
  onReady: () => void;
  /** Something that the user should know of, in a sentence. */
  onProblem: (sentence: string) => void;
}

type PatternName = "notifyPattern" | "readyPattern";

export class OutputWatch {
  readonly #request: OutputWatchRequest;
  readonly #readers: readonly [LineReader, LineReader];
  readonly #patterns: Map<PatternName, string>;
  #budget = PATTERN_LIMIT;
  #filledAt: number;
  #saidBusy = false;

  constructor(request: OutputWatchRequest) {
    this.#request = request;
    this.#filledAt = request.now();
    this.#patterns = new Map();
    const { notifyPattern, readyPattern } = request;
    if (notifyPattern !== undefined) this.#patterns.set("notifyPattern", notifyPattern);
    if (readyPattern !== undefined) this.#patterns.set("readyPattern", readyPattern);
    // Without patterns only our own prefix matters, and looking for it in bytes costs next to nothing.
    const prefix = this.#patterns.size === 0 ? Buffer.from(NOTIFY_PREFIX) : undefined;
    const reader = () => new LineReader({ maxLine: MAX_LINE, prefix });
    this.#readers = [reader(), reader()];
  }

  push(stream: StreamNumber, data: Buffer): void {
    this.#lines(this.#readers[stream].push(data)?.lines);
  }

  /** The output has ended: what has no newline is a line, too. */
  end(): void {
    for (const reader of this.#readers) this.#lines(reader.end()?.lines);
  }

  #lines(raw: readonly string[] | undefined): void {
    if (!raw) return;
    for (const line of raw) {
      if (!line.startsWith(NOTIFY_PREFIX)) continue;
      const text = plainLine(line.slice(NOTIFY_PREFIX.length)).trim();
      if (text !== "") this.#request.onNotify(shorten(text));
    }
    if (this.#patterns.size === 0) return;
    const lines = raw.map((line) => plainLine(line));
    if (this.#match("readyPattern", lines).length > 0) {
      this.#patterns.delete("readyPattern");
      this.#request.onReady();
    }
    for (const index of this.#match("notifyPattern", lines)) {
      // A line with the prefix was announced already.
      if (!raw[index]?.startsWith(NOTIFY_PREFIX))
        this.#request.onNotify(shorten(lines[index] ?? ""));
    }
  }

  #match(name: PatternName, lines: readonly string[]): number[] {
    const pattern = this.#patterns.get(name);
    if (pattern === undefined || !this.#hasBudget()) return [];
    const before = this.#request.now();
    try {
      return this.#request.guard.match(pattern, lines);
    } catch (thrown) {
      this.#patterns.delete(name);
      this.#request.onProblem(`${name} was switched off: ${coerceError(thrown).message}`);
      return [];
    } finally {
      this.#budget -= this.#request.now() - before;
    }
  }

  #hasBudget(): boolean {
    const now = this.#request.now();
    this.#budget = Math.min(PATTERN_LIMIT, this.#budget + (now - this.#filledAt) / 2);
    this.#filledAt = now;
    if (this.#budget > 0) return true;
    if (!this.#saidBusy) {
      this.#request.onProblem("output came faster than its lines could be matched; some were not");
    }
    this.#saidBusy = true;
    return false;
  }
}

function shorten(text: string): string {
  return text.length > MAX_TEXT ? `${cutBytes(text.slice(0, MAX_TEXT - 1), MAX_TEXT * 4)}…` : text;
}
