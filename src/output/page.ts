/**
 * A stretch of the output as plain lines: the pieces of both streams in the order in which their lines were
 * completed, gaps said between them. Works on a window of the file, never on more than is shown.
 */
import { grouped } from "../text.js";
import { cutBytes, isBinary, plainLine, openCharacter, fromCharacter } from "./plain-text.js";
import { newLineReaders, type LineBatch } from "./line-reader.js";
import { partOf, STDERR, STREAMS, type StreamNumber } from "./format.js";
import type { OutputReader, Piece } from "./reader.js";
import type { OutputStream } from "./types.js";

export interface PlainLine {
  /** Absent for a line of ours about what is left out. */
  stream?: OutputStream;
  text: string;
  /** Where it starts in the output. */
  offset: number;
  /** When it was complete, in milliseconds since 1970; undefined for ours and in an output of an earlier version. */
  at?: number | undefined;
  /** The line as the process wrote it; only if it was asked for, and of text. */
  raw?: string;
  /** Bytes that this line stands for. */
  gap?: number;
}

export interface Page {
  lines: PlainLine[];
  /** Where the next page starts. */
  end: number;
  /** Nothing that could be shown follows. */
  atEnd: boolean;
}

interface PageRange {
  from: number;
  /** Bytes of output at most. */
  window: number;
  /** Lines at most. */
  lines?: number;
  stream?: OutputStream;
  /** What each line of the process's own begins with; nothing by default. */
  mark?: string;
  /** Lines also with their colour sequences. */
  raw?: boolean;
}

export function readPage(reader: OutputReader, range: PageRange): Page {
  const { pieces, atEnd } = take(reader, range);
  const { from } = range;
  const end = atEnd ? endOf(pieces, from) - openBytes(pieces) : safeCut(pieces, from);
  const limited = range.lines === undefined ? end : afterLines(pieces, range, end);
  return {
    lines: toLines(until(pieces, limited), range),
    end: limited,
    atEnd: atEnd && limited === end,
  };
}

interface LastLinesRange extends Pick<PageRange, "from" | "stream" | "mark"> {
  lines: number;
  /** Bytes of text at most, newlines and marks included. */
  budget: number;
}

const TAIL_WINDOWS = [16, 128, 1024].map((kib) => kib * 1024);

/**
 * The last whole lines within both limits; of a single longer one its end. `start` is where the first of them starts,
 * `end` where what follows them will; `isAll` when nothing after `from` is left out.
 */
export function lastLines(
  reader: OutputReader,
  { from, lines, stream, mark = "", budget }: LastLinesRange,
) {
  let end = reader.end();
  let found: PlainLine[] = [];
  for (const window of TAIL_WINDOWS) {
    const start = Math.max(from, end - window);
    // Its end is before half a character whose rest is still to come.
    const page = readPage(reader, { from: start, window: Number.POSITIVE_INFINITY, stream, mark });
    ({ end } = page);
    found = page.lines;
    if (start === from) break;
    // The first line may have begun before the window.
    const whole = found.slice(1);
    if (whole.length < lines && sizeOf(whole) < budget) continue;
    found = whole;
    break;
  }
  const shown = lastThatFit(found.slice(-lines), budget, mark);
  const start = shown[0]?.offset ?? end;
  return { lines: shown, start, end, isAll: shown.length === found.length && start === from };
}

function lastThatFit(lines: readonly PlainLine[], budget: number, mark: string): PlainLine[] {
  const shown: PlainLine[] = [];
  let left = budget;
  for (const line of lines.toReversed()) {
    const bytes = Buffer.byteLength(line.text) + 1;
    if (bytes > left) {
      if (shown.length === 0) shown.push(...endOfLine(line, budget, mark));
      break;
    }
    left -= bytes;
    shown.unshift(line);
  }
  return shown;
}

function endOfLine(line: PlainLine, budget: number, mark: string): PlainLine[] {
  const kept = cutBytes(line.text, budget - 60 - mark.length, "end");
  const cut = Buffer.byteLength(line.text) - Buffer.byteLength(kept);
  return [gapLine(cut, line.offset), { ...line, text: mark + kept }];
}

/** Bytes of these lines as text, each with its newline. */
export function sizeOf(lines: readonly Pick<PlainLine, "text">[]): number {
  return lines.reduce((sum, line) => sum + Buffer.byteLength(line.text) + 1, 0);
}

export function streamName(stream: StreamNumber): OutputStream {
  return stream === STDERR ? "stderr" : "stdout";
}

/** The line that stands for a gap. */
function gapLine(bytes: number, offset: number): PlainLine {
  return { text: `... ${grouped(bytes)} bytes left out ...`, offset, gap: bytes };
}

/** Bytes that the gaps between these lines stand for. */
export function lostIn(lines: readonly PlainLine[]): number {
  return lines.reduce((sum, line) => sum + (line.gap ?? 0), 0);
}

function take(reader: OutputReader, range: PageRange): { pieces: Piece[]; atEnd: boolean } {
  const pieces: Piece[] = [];
  let room = range.window;
  for (const piece of reader.pieces(range.from)) {
    if (!piece.frame) {
      pieces.push(piece);
      continue;
    }
    if (room <= 0) return { pieces, atEnd: false };
    const { frame } = piece;
    pieces.push({ frame: { ...frame, data: frame.data.subarray(0, room) } });
    room -= frame.data.length;
    if (room < 0) return { pieces, atEnd: false };
  }
  return { pieces, atEnd: true };
}

function endOf(pieces: readonly Piece[], from: number): number {
  const last = pieces.at(-1);
  if (!last) return from;
  return last.gap ? last.gap.offset + last.gap.bytes : last.frame.offset + last.frame.data.length;
}

/** Bytes at the end that are the beginning of a character whose rest is still to come. */
function openBytes(pieces: readonly Piece[]): number {
  const last = pieces.at(-1)?.frame;
  return last ? openCharacter(last.data) : 0;
}

/** Where a page may stop: after a line if there is one, else where no character and no ANSI sequence is cut. */
function safeCut(pieces: readonly Piece[], from: number): number {
  for (const mark of ["\n", "\r"]) {
    for (const { frame } of pieces.toReversed()) {
      const at = frame ? frame.data.lastIndexOf(mark) : -1;
      if (frame && at >= 0) return frame.offset + at + 1;
    }
  }
  const last = pieces.at(-1)?.frame;
  if (!last) return endOf(pieces, from);
  const escape = last.data.lastIndexOf("\u001b");
  const isOpen = escape > 0 && escape > last.data.length - 64;
  return last.offset + (isOpen ? escape : last.data.length - openCharacter(last.data));
}

function afterLines(pieces: readonly Piece[], range: PageRange, end: number): number {
  let left = range.lines ?? 0;
  for (const { frame } of pieces) {
    if (!frame || !isWanted(frame.stream, range.stream)) continue;
    for (let at = frame.data.indexOf("\n"); at >= 0; at = frame.data.indexOf("\n", at + 1)) {
      left -= 1;
      if (left === 0) return Math.min(end, frame.offset + at + 1);
    }
  }
  return end;
}

function until(pieces: readonly Piece[], end: number): Piece[] {
  return pieces.flatMap((piece): Piece[] => {
    if (piece.gap) return [piece];
    const frame = partOf(piece.frame, 0, end);
    return frame ? [{ frame }] : [];
  });
}

/** `only`: no other stream is. */
export function isWanted(stream: StreamNumber, only: OutputStream | undefined): boolean {
  return only === undefined || streamName(stream) === only;
}

function toLines(pieces: readonly Piece[], range: PageRange): PlainLine[] {
  const { from, stream, mark = "", raw: withRaw = false } = range;
  const readers = newLineReaders(Number.POSITIVE_INFINITY);
  const lines: PlainLine[] = [];
  /** When the newest piece of each stream came. */
  const times: [number | undefined, number | undefined] = [undefined, undefined];
  const add = (number: StreamNumber, batch: LineBatch | undefined) => {
    if (!batch) return;
    const offsets = batch.offsets();
    for (const [i, raw] of batch.lines.entries()) {
      const offset = offsets[i] ?? 0;
      const text = isBinary(raw) ? BINARY : mark + plainLine(raw);
      // Line after line of it is one.
      if (text === BINARY && lines.at(-1)?.text === BINARY) continue;
      const shown = { stream: streamName(number), text, offset, at: times[number] };
      lines.push(withRaw && text !== BINARY ? { ...shown, raw } : shown);
    }
  };
  const endAll = () => {
    for (const number of STREAMS) add(number, readers[number].end());
  };
  // Only the very start of the output and what follows a frame begin with a whole character.
  let isCut = from > 0;
  for (const { gap, frame } of pieces) {
    if (gap) {
      endAll();
      lines.push(gapLine(gap.bytes, gap.offset));
    } else if (isWanted(frame.stream, stream)) {
      const data = isCut ? fromCharacter(frame.data) : frame.data;
      const offset = frame.offset + frame.data.length - data.length;
      times[frame.stream] = frame.at;
      add(frame.stream, readers[frame.stream].push(data, offset));
    }
    isCut = gap !== undefined;
  }
  endAll();
  const last = pieces.at(-1);
  return sayBinary(lines, last ? endOf(pieces, from) : from);
}

/** Stands for binary output until its size is known; no line of text holds a zero. */
const BINARY = "\0";

/** Its bytes reach to the next line, whatever is in them. */
function sayBinary(lines: readonly PlainLine[], end: number): PlainLine[] {
  return lines.map((line, i) => {
    if (line.text !== BINARY) return line;
    return {
      ...line,
      text: `[binary, ${grouped((lines[i + 1]?.offset ?? end) - line.offset)} bytes]`,
    };
  });
}
