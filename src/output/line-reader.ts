/**
 * Complete lines out of the pieces of one stream. Lines are cut at the newline byte, which is never part of
 * another UTF-8 character, and decoded whole: a character that was split over pieces arrives intact. Of a line
 * longer than the limit only its beginning is kept, so a line of 100 MB costs what the limit says; of a progress
 * bar, which a carriage return begins again, what was written last.
 */
import { decodeLine, encodingOf, type Encoding } from "./plain-text.js";

export interface LineBatch {
  /** Without their newlines. */
  lines: string[];
  /** Where each line starts in the output; not to be asked when lines were left out by `prefix`. */
  offsets(): number[];
}

const NEWLINE = 10;
const RETURN = 13;

export class LineReader {
  readonly #maxLine: number;
  readonly #prefix: Buffer | undefined;
  /** The beginning of the line that is not complete yet, at most `maxLine` bytes. */
  #open: Buffer[] = [];
  #openBytes = 0;
  #openStart = 0;
  #isOpen = false;
  /** Bytes of the open line are not kept. */
  #isCut = false;
  /** What was kept last is complete: a carriage return follows it that is not kept. */
  #isReturned = false;
  #cutLines = 0;
  /** Of the stream, as far as its lines told. */
  #encoding: Encoding = "utf8";

  /**
   * Of a line at most `maxLine` bytes are kept. Only lines that begin with `prefix` are wanted; others may be left out.
   * Looking for bytes is much cheaper than making strings, which matters at hundreds of megabytes.
   */
  constructor(maxLine: number, prefix?: Buffer) {
    this.#maxLine = maxLine;
    this.#prefix = prefix;
  }

  /** Of so many lines an end is left out. */
  get cutLines(): number {
    return this.#cutLines;
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

  /** What there is of the line that is not complete yet; it stays open. */
  get open(): string {
    return this.#decode(Buffer.concat(this.#open));
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
    if (this.#isUnwanted(data)) return;
    const part = this.#fitting(data);
    if (part.length === 0) return;
    // A copy: the piece may be a view into a large buffer that must not be kept alive.
    this.#open.push(Buffer.from(part));
    this.#openBytes += part.length;
    if (this.#open.length > 64) this.#open = [Buffer.concat(this.#open)];
  }

  /** What of this piece is to be added to the open line; begins that again where a carriage return does. */
  #fitting(data: Buffer): Buffer {
    const room = this.#maxLine - this.#openBytes;
    if (data.length <= room && !this.#isReturned) return data;
    const hasReturn = () => [...this.#open, data].some((it) => it.includes(RETURN));
    if (this.#prefix || !(this.#isReturned || hasReturn())) {
      this.#isCut ||= data.length > Math.max(0, room);
      return data.subarray(0, Math.max(0, room));
    }
    const before = this.#isReturned && isWritten(data) ? [] : this.#open;
    const last = lastStates(Buffer.concat([...before, data]), this.#maxLine);
    this.#open = [];
    this.#openBytes = 0;
    this.#isCut = last.length > this.#maxLine;
    this.#isReturned = this.#isCut && last.at(-1) === RETURN;
    return last.subarray(0, this.#maxLine);
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
    const rest = this.#fitting(end);
    const line = this.#open.length > 0 ? Buffer.concat([...this.#open, rest]) : rest;
    if (this.#isCut) this.#cutLines += 1;
    this.#isCut = false;
    this.#isReturned = false;
    this.#open = [];
    this.#openBytes = 0;
    this.#isOpen = false;
    return this.#decode(line);
  }

  #decode(line: Buffer): string {
    this.#encoding = encodingOf(line, this.#encoding) ?? this.#encoding;
    return decodeLine(line, this.#encoding);
  }

  /** Whole lines, without the last newline. */
  #split(data: Buffer, lines: string[]): void {
    if (this.#prefix && data.indexOf(this.#prefix) < 0) return;
    if (this.#encoding !== "utf8" || data.includes(0)) {
      let start = 0;
      for (let end = data.indexOf(NEWLINE); end >= 0; end = data.indexOf(NEWLINE, start)) {
        lines.push(this.#finish(data.subarray(start, end)));
        start = end + 1;
      }
      lines.push(this.#finish(data.subarray(start)));
      return;
    }
    for (const line of data.toString("utf8").split("\n")) {
      // Long ones are rare: as if they had come alone.
      lines.push(line.length > this.#maxLine ? this.#finish(Buffer.from(line)) : line);
    }
  }
}

function isWritten(data: Buffer): boolean {
  return data.some((byte) => byte !== RETURN);
}

/**
 * From the last two beginnings of a line on that something follows (of the last one only a sequence may be left
 * that clears the line), or from the last one if these are too long.
 */
function lastStates(line: Buffer, most: number): Buffer {
  let end = line.length;
  while (end > 0 && line[end - 1] === RETURN) end -= 1;
  const last = line.lastIndexOf(RETURN, end - 1) + 1;
  let before = last;
  while (before > 0 && line[before - 1] === RETURN) before -= 1;
  const start = before > 0 ? line.lastIndexOf(RETURN, before - 1) + 1 : last;
  return line.subarray(line.length - start <= most ? start : last);
}

/** One for stdout and one for stderr, by their numbers. */
export function newLineReaders(
  maxLine: number,
  prefix?: Buffer,
): readonly [LineReader, LineReader] {
  return [new LineReader(maxLine, prefix), new LineReader(maxLine, prefix)];
}

/** The first line may have begun in an earlier piece; the others lie one after the other in this one. */
function lineStarts(data: Buffer, last: number, first: number, offset: number): number[] {
  const starts = [first];
  for (let at = data.indexOf(NEWLINE); at < last; at = data.indexOf(NEWLINE, at + 1)) {
    starts.push(offset + at + 1);
  }
  return starts;
}
