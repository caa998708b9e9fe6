/**
 * Complete lines out of the pieces of one stream. Lines are cut at the newline byte, which is never part of
 * another UTF-8 character, and decoded whole: a character that was split over pieces arrives intact. Of a line
 * longer than the limit only its beginning is kept, so a line of 100 MB costs what the limit says.
 */

export interface LineBatch {
  /** Without their newlines. */
  lines: string[];
  /** Where each line starts in the output; not to be asked when lines were left out by `prefix`. */
  offsets(): number[];
}

export interface LineReaderOptions {
  /** Bytes of a line that are kept. */
  maxLine: number;
  /**
   * Only lines that begin with these bytes are wanted; others may be left out. Looking for bytes is much cheaper
   * than making strings, which matters at hundreds of megabytes.
   */
  prefix?: Buffer;
}

const NEWLINE = 10;

export class LineReader {
  readonly #maxLine: number;
  readonly #prefix: Buffer | undefined;
  /** The beginning of the line that is not complete yet, at most `maxLine` bytes. */
  #open: Buffer[] = [];
  #openBytes = 0;
  #openStart = 0;
  #isOpen = false;

  constructor({ maxLine, prefix }: LineReaderOptions) {
    this.#maxLine = maxLine;
    this.#prefix = prefix;
  }

  /** The lines that this piece completes; `offset` is its place in the output. */
  push(data: Buffer, offset = 0): LineBatch | undefined {
    if (data.length === 0) return undefined;
    const last = data.lastIndexOf(NEWLINE);
    if (last < 0) {
      this.#keep(data, offset);
      return undefined;
    }
    const firstEnd = data.indexOf(NEWLINE);
    const start = this.#isOpen ? this.#openStart : offset;
    const lines = [this.#finish(data.subarray(0, firstEnd))];
    if (last > firstEnd) this.#split(data.subarray(firstEnd + 1, last), lines);
    if (last + 1 < data.length) this.#keep(data.subarray(last + 1), offset + last + 1);
    return { lines, offsets: () => lineStarts(data, last, start, offset) };
  }

  /** The last line, if the output did not end with a newline. */
  end(): LineBatch | undefined {
    if (!this.#isOpen) return undefined;
    const start = this.#openStart;
    return { lines: [this.#finish(Buffer.alloc(0))], offsets: () => [start] };
  }

  #keep(data: Buffer, offset: number): void {
    if (!this.#isOpen) {
      this.#isOpen = true;
      this.#openStart = offset;
    }
    const room = this.#maxLine - this.#openBytes;
    if (room <= 0 || this.#isUnwanted(data)) return;
    // A copy: the piece may be a view into a large buffer that must not be kept alive.
    const part = Buffer.from(data.subarray(0, room));
    this.#open.push(part);
    this.#openBytes += part.length;
    if (this.#open.length > 64) this.#open = [Buffer.concat(this.#open)];
  }

  #isUnwanted(data: Buffer): boolean {
    if (!this.#prefix || this.#openBytes >= this.#prefix.length) return false;
    const wanted = this.#prefix.subarray(this.#openBytes, this.#openBytes + data.length);
    const unwanted = !wanted.equals(data.subarray(0, wanted.length));
    // Nothing more of this line is kept either: it is full with what will never be the prefix.
    if (unwanted) this.#openBytes = this.#maxLine;
    return unwanted;
  }

  #finish(end: Buffer): string {
    const room = Math.max(0, this.#maxLine - this.#openBytes);
    const rest = end.subarray(0, room);
    const line = this.#open.length > 0 ? Buffer.concat([...this.#open, rest]) : rest;
    this.#open = [];
    this.#openBytes = 0;
    this.#isOpen = false;
    return line.toString("utf8");
  }

  /** Whole lines, without the last newline. */
  #split(data: Buffer, lines: string[]): void {
    if (this.#prefix && data.indexOf(this.#prefix) < 0) return;
    for (const line of data.toString("utf8").split("\n")) {
      lines.push(line.length > this.#maxLine ? line.slice(0, this.#maxLine) : line);
    }
  }
}

/** One for stdout and one for stderr, by their numbers. */
export function newLineReaders(maxLine: number): readonly [LineReader, LineReader] {
  return [new LineReader({ maxLine }), new LineReader({ maxLine })];
}

/** The first line may have begun in an earlier piece; the others lie one after the other in this one. */
function lineStarts(data: Buffer, last: number, first: number, offset: number): number[] {
  const starts = [first];
  for (let at = data.indexOf(NEWLINE); at < last; at = data.indexOf(NEWLINE, at + 1)) {
    starts.push(offset + at + 1);
  }
  return starts;
}
