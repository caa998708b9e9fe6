/**
 * What a command prints while its call waits, in the form in which the host's own bash answers: the text as it came,
 * stdout and stderr as they follow each other; of a long one the end, and the whole in a file of the host's folder,
 * which may be read without a question. Promises: memory is bounded however much comes, and what is to be shown
 * meanwhile is too. A file that cannot be written costs the file.
 *
 * It is shown on the user's screen at most four times a second, one write after the other, and not once it was stopped.
 * A short command is never shown before its answer. What the host refuses costs the picture, not the call.
 */
import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import type { RunningCall } from "../host/host.js";
import { type Clock, coerceError, type Log, logFailure, type Timer } from "../ports.js";
import { lastOf } from "../text.js";
import { within } from "../time.js";

export interface AnswerLimits {
  lines: number;
  bytes: number;
}

/** The end of an output as its user sees it. */
const SHOWN_CHARACTERS = 30_000;

interface OutputText {
  /** Of the answer. */
  text: string;
  isCut: boolean;
  /** Holds all of it, where something was cut. */
  file: string | undefined;
}

export class CallOutput {
  readonly #limits: AnswerLimits;
  readonly #file: string;
  readonly #log: Log;
  readonly #decoder = new TextDecoder();
  #pieces: string[] = [];
  #bytes = 0;
  /** Something fell out of the pieces. */
  #isLong = false;
  #shown = "";
  #descriptor: number | undefined;
  #problem: string | undefined;

  /** `file` is made when there is too much for the answer. */
  constructor(limits: AnswerLimits, file: string, log: Log) {
    this.#limits = limits;
    this.#file = file;
    this.#log = log;
  }

  /** What its user sees. */
  get shown(): string {
    return this.#shown;
  }

  /**
   * Nothing more is taken; half of a last character is left out, as by the host. `rest` is what the answer says
   * besides: both together keep to the limits.
   */
  end(rest: string): OutputText {
    const all = this.#pieces.join("");
    const { lines, bytes } = this.#limits;
    const isCut = this.#isLong || !isWithin(all + rest, lines, bytes);
    if (isCut) this.#keep();
    this.close();
    if (!isCut) return { text: all, isCut, file: undefined };
    const file = this.#problem === undefined ? this.#file : undefined;
    const head = headOf(file, this.#problem);
    const around = head + rest;
    const text = tailOf(
      all,
      Math.max(1, lines - around.split("\n").length + 1),
      Math.max(1, bytes - Buffer.byteLength(around)),
    );
    return { text: head + text, isCut, file };
  }

  /** The file, if there is one, holds what came until now. */
  close(): void {
    const descriptor = this.#descriptor;
    this.#descriptor = undefined;
    if (descriptor !== undefined) closeSync(descriptor);
  }

  take(data: Buffer): void {
    const text = this.#decoder.decode(data, { stream: true });
    if (text === "") return;
    this.#shown = shownOf(this.#shown + text);
    this.#pieces.push(text);
    this.#bytes += Buffer.byteLength(text);
    if (this.#descriptor !== undefined) this.#write(text);
    if (this.#bytes <= this.#limits.bytes) return;
    this.#keep();
    // As much is kept as the answer may hold, at least.
    for (;;) {
      const oldest = Buffer.byteLength(this.#pieces[0] ?? "");
      if (this.#pieces.length === 1 || this.#bytes - oldest < this.#limits.bytes) return;
      this.#pieces.shift();
      this.#bytes -= oldest;
      this.#isLong = true;
    }
  }

  /** Writes what came until now; what follows is written as it comes. */
  #keep(): void {
    if (this.#descriptor !== undefined || this.#problem !== undefined) return;
    try {
      mkdirSync(dirname(this.#file), { recursive: true });
      this.#descriptor = openSync(this.#file, "wx", 0o600);
      this.#write(this.#pieces.join(""));
    } catch (thrown) {
      this.#failed(thrown);
    }
  }

  #write(text: string): void {
    if (this.#descriptor === undefined) return;
    try {
      const data = Buffer.from(text);
      for (let at = 0; at < data.length;) at += writeSync(this.#descriptor, data, at);
    } catch (thrown) {
      this.#failed(thrown);
    }
  }

  #failed(thrown: unknown): void {
    this.#problem = coerceError(thrown).message;
    this.#log("warn", "a long output could not be kept whole", { error: this.#problem });
    this.close();
  }
}

function headOf(file: string | undefined, problem: string | undefined): string {
  const where =
    file === undefined
      ? `The full output could not be saved: ${problem}`
      : `Full output saved to: ${file}`;
  return `...output truncated...\n\n${where}\n\n`;
}

function isWithin(text: string, lines: number, bytes: number): boolean {
  return Buffer.byteLength(text) <= bytes && text.split("\n").length <= lines;
}

/** The end of a text in whole lines; of one that is too long its end, never half of a character. */
function tailOf(text: string, mostLines: number, mostBytes: number): string {
  const lines = text.split("\n");
  const kept: string[] = [];
  let bytes = 0;
  for (const line of lines.toReversed()) {
    if (kept.length === mostLines) break;
    const more = Buffer.byteLength(line) + (kept.length > 0 ? 1 : 0);
    if (bytes + more > mostBytes) {
      if (kept.length === 0) kept.push(endOf(line, mostBytes));
      break;
    }
    kept.unshift(line);
    bytes += more;
  }
  return kept.join("\n");
}

function endOf(line: string, mostBytes: number): string {
  const data = Buffer.from(line);
  let from = Math.max(0, data.length - mostBytes);
  while (((data[from] ?? 0) & 0xc0) === 0x80) from += 1;
  return data.subarray(from).toString();
}

function shownOf(text: string): string {
  return text.length <= SHOWN_CHARACTERS ? text : `...\n\n${lastOf(text, SHOWN_CHARACTERS)}`;
}

const PAUSE_MILLISECONDS = 250;
/** A host that does not take a write within this time is not waited for: the answer is worth more. */
const PATIENCE_MILLISECONDS = 1_000;

interface LiveDeps {
  clock: Clock;
  log: Log;
  /** Asked at the first output; undefined where nothing can be shown. */
  find: () => Promise<RunningCall | undefined>;
  /** As it is now. */
  output: () => string;
}

export class LiveOutput {
  readonly #deps: LiveDeps;
  #call: Promise<RunningCall | undefined> | undefined;
  #timer: Timer | undefined;
  #writing: Promise<void> | undefined;
  #isStopped = false;
  #isStale = false;

  constructor(deps: LiveDeps) {
    this.#deps = deps;
  }

  /** Something was printed. */
  changed(): void {
    this.#isStale = true;
    if (this.#isStopped || this.#timer || this.#writing) return;
    this.#timer = this.#deps.clock.after(PAUSE_MILLISECONDS, () => this.#write());
  }

  /** Resolves when no write is under way any more, or the host does not end the last one in time. */
  async stop(patience = PATIENCE_MILLISECONDS): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    if (this.#writing) await within(this.#deps.clock, patience, this.#writing);
  }

  #write(): void {
    const { log, find, output } = this.#deps;
    this.#timer = undefined;
    this.#isStale = false;
    this.#writing = (async () => {
      const call = await (this.#call ??= find());
      if (!this.#isStopped) await call?.show(output());
    })()
      .catch(logFailure(log, "debug", "the output of a running call could not be shown"))
      .then(() => {
        this.#writing = undefined;
        if (this.#isStale) this.changed();
      });
  }
}
