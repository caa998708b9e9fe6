/**
 * What a process's output says to us, line by line as it comes: a line `OPENCODE_NOTIFY: text`, lines that match
 * its notifyPattern, and the first line that matches its readyPattern. Only complete lines count; what has no newline
 * at the end may notify, but makes nothing ready. The output itself is not changed.
 *
 * Patterns are matched elsewhere (see pattern-guard.ts) while output goes on; what comes faster than it can be
 * matched is not, and a pattern that takes too long is switched off. Both are said, once.
 */
import { coerceError } from "../ports.js";
import { LineReader } from "./line-reader.js";
import type { StreamNumber } from "./format.js";
import type { PatternGuard } from "./pattern-guard.js";
import { plainLine } from "./plain-text.js";

const NOTIFY_PREFIX = "OPENCODE_NOTIFY:";
const MAX_LINE = 16 * 1024;
const MAX_TEXT = 4000;

/** Lines that wait to be matched; beyond it they are not. */
const MAX_WAITING_BYTES = 1024 * 1024;

export interface OutputWatchRequest {
  notifyPattern?: string;
  readyPattern?: string;
  guard: PatternGuard;
  /** A line for the session. */
  onNotify: (text: string) => void;
  /** The line that matched, as `plainLine` gives it. */
  onReady: (line: string) => void;
  /** Something that the user should know of, in a sentence. */
  onProblem: (sentence: string) => void;
}

type PatternName = "notifyPattern" | "readyPattern";

export class OutputWatch {
  readonly #request: OutputWatchRequest;
  readonly #readers: readonly [LineReader, LineReader];
  readonly #patterns = new Map<PatternName, string>();
  #waiting: string[] = [];
  #waitingBytes = 0;
  #matching: Promise<void> | undefined;
  #saidBusy = false;

  constructor(request: OutputWatchRequest) {
    this.#request = request;
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

  /** The output has ended: what has no newline is a line, too. Resolves when everything was matched. */
  async end(): Promise<void> {
    await this.#matching;
    this.#patterns.delete("readyPattern");
    for (const reader of this.#readers) this.#lines(reader.end()?.lines);
    await this.#matching;
  }

  #lines(lines: readonly string[] | undefined): void {
    for (const line of lines ?? []) {
      if (!line.startsWith(NOTIFY_PREFIX)) this.#wait(line);
      else {
        const text = plainLine(line.slice(NOTIFY_PREFIX.length)).trim();
        if (text !== "") this.#request.onNotify(shorten(text));
        // Announced by its prefix already, but it may still say that the process is ready.
        if (this.#patterns.has("readyPattern")) this.#wait(line);
      }
    }
    if (this.#waiting.length > 0) this.#matching ??= this.#matchAll();
  }

  #wait(line: string): void {
    if (this.#patterns.size === 0) return;
    this.#waitingBytes += line.length;
    if (this.#waitingBytes <= MAX_WAITING_BYTES) this.#waiting.push(line);
    else if (!this.#saidBusy) {
      this.#saidBusy = true;
      this.#request.onProblem("output came faster than its lines could be matched; some were not");
    }
  }

  async #matchAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const raw = this.#waiting;
      this.#waiting = [];
      this.#waitingBytes = 0;
      const lines = raw.map((line) => plainLine(line));
      const [ready] = await this.#match("readyPattern", lines);
      if (ready !== undefined) {
        this.#patterns.delete("readyPattern");
        this.#request.onReady(lines[ready] ?? "");
      }
      for (const index of await this.#match("notifyPattern", lines)) {
        if (raw[index]?.startsWith(NOTIFY_PREFIX)) continue;
        this.#request.onNotify(shorten(lines[index] ?? ""));
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

function shorten(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT - 1)}…` : text;
}
