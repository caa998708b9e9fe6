/** `logs`: the output of a process as plain text, from the first byte that is kept, and on as it comes. */
import { followOutput } from "../output/follow.js";
import { openOutput } from "../output/reader.js";
import { plainLine } from "../output/plain-text.js";
import type { StreamPiece } from "../output/types.js";
import type { Clock, Timer } from "../ports.js";
import { byteSize } from "../text.js";

export interface LogOptions {
  file: string;
  asJSON: boolean;
  /** Nobody writes any more. Asked again and again while following, never rejects; undefined: only what is there. */
  hasEnded: (() => Promise<boolean>) | undefined;
  clock: Clock;
  signal?: AbortSignal | undefined;
}

const POLL_MILLISECONDS = 250;

/** Whole lines, ready to be written; throws the system's error when the file cannot be read. */
export async function* logs(options: LogOptions): AsyncGenerator<string, void, undefined> {
  const { file, asJSON, hasEnded, clock, signal } = options;
  const format = asJSON ? jsonLine : (_: string, line: string) => `${line}\n`;
  const watch = new EndWatch(hasEnded, clock);
  const source = {
    open: () => openOutput(file),
    hasEnded: () => watch.hasEnded,
    onChange: (listener: () => void) => watch.listen(listener),
  };
  const lines = new Lines();
  for await (const piece of followOutput(source, 0, signal)) {
    if (piece.lost > 0) yield format("lost", `[${byteSize(piece.lost)} are not kept]`);
    for (const line of lines.push(piece)) yield format(piece.stream, plainLine(line));
  }
  for (const { stream, text } of lines.rest()) yield format(stream, plainLine(text));
}

function jsonLine(stream: string, line: string): string {
  return `${JSON.stringify({ stream, line })}\n`;
}

/** The pieces of two streams as the lines of each. */
class Lines {
  readonly #open = new Map<StreamPiece["stream"], string>();

  push({ stream, text }: StreamPiece): string[] {
    const lines = `${this.#open.get(stream) ?? ""}${text}`.split("\n");
    this.#open.set(stream, lines.pop() ?? "");
    return lines;
  }

  rest(): { stream: string; text: string }[] {
    return [...this.#open]
      .filter(([, text]) => text !== "")
      .map(([stream, text]) => ({ stream, text }));
  }
}

/** The file tells nothing by itself, so it is looked at four times a second while somebody follows it. */
class EndWatch {
  readonly #ask: (() => Promise<boolean>) | undefined;
  readonly #clock: Clock;
  #ended: boolean;

  constructor(ask: (() => Promise<boolean>) | undefined, clock: Clock) {
    this.#ask = ask;
    this.#clock = clock;
    this.#ended = ask === undefined;
  }

  get hasEnded(): boolean {
    return this.#ended;
  }

  listen(listener: () => void): () => void {
    let timer: Timer | undefined;
    let isStopped = false;
    const wait = (): void => {
      if (!this.#ended && !isStopped)
        timer = this.#clock.after(POLL_MILLISECONDS, () => void look());
    };
    const look = async (): Promise<void> => {
      this.#ended = (await this.#ask?.()) ?? true;
      listener();
      wait();
    };
    wait();
    return () => {
      isStopped = true;
      timer?.cancel();
    };
  }
}
