/**
 * Lines of the output that match a pattern, with their numbers and two lines of context, written as `grep -n -C 2`
 * does: `12:match`, `13-context`, `--` between stretches. When there are too many, the newest are shown; from a cursor
 * on, the first ones after it, with a cursor for the next. The file is read block by block and the host gets its turn
 * between batches; all matching together may take 200 ms, and what takes longer is an error, never "no match".
 */
import { newLineReaders, type LineBatch } from "./line-reader.js";
import { STREAMS, type StreamNumber } from "./format.js";
import { sizeOf, streamName, type PlainLine } from "./page.js";
import type { OutputReader } from "./reader.js";
import { checkPattern, PATTERN_LIMIT, type PatternGuard } from "./pattern.js";
import { cutBytes, openCharacter, plainLine } from "./plain-text.js";
import { answer, bytesText, type OutputCounts, type ReadResult, type Wanted } from "./types.js";

/** Bytes of a line that are matched. */
const MAX_LINE = 4096;
/** Bytes of a matching line that are shown. */
const SHOWN_LINE = 500;
/** Matching one batch of lines costs two messages between threads: many short lines go together. */
const BATCH_BYTES = 256 * 1024;

/** Lines before and after a match. */
const CONTEXT = 2;
/** Of `--` and its newline. */
const SEPARATOR_BYTES = 3;

interface Waiting {
  stream: StreamNumber;
  batch: LineBatch;
}

export async function grepOutput(
  reader: OutputReader,
  wanted: Wanted,
  counts: OutputCounts,
  guard: PatternGuard,
): Promise<ReadResult> {
  const pattern = wanted.pattern ?? "";
  checkPattern("pattern", pattern);
  const found = new Matches(pattern, wanted, guard);
  const readers = newLineReaders(MAX_LINE);
  const endAll = () => {
    for (const stream of STREAMS) found.add(stream, readers[stream].end(), 0);
  };
  let lost = 0;
  let missing = 0;
  let end = wanted.from;
  for (const { frame, gap } of reader.pieces(0)) {
    if (gap) {
      endAll();
      missing += gap.bytes;
      lost += Math.max(0, gap.offset + gap.bytes - Math.max(gap.offset, wanted.from));
      continue;
    }
    const skip = Math.max(0, Math.min(frame.data.length, wanted.from - frame.offset));
    if (skip > 0) found.skip(frame.stream, frame.data.subarray(0, skip));
    const data = frame.data.subarray(skip);
    if (data.length === 0) continue;
    end = frame.offset + frame.data.length - openCharacter(frame.data);
    const batch = readers[frame.stream].push(data, frame.offset + skip);
    if (found.add(frame.stream, batch, data.length)) await found.match();
  }
  endAll();
  await found.match();
  const facts = { ...counts, start: wanted.from, lost, matches: found.count };
  const cut = readers[0].cutLines + readers[1].cutLines;
  const notes = [
    ...(cut > 0
      ? [`only the first ${bytesText(MAX_LINE)} of ${cut} long lines were looked at`]
      : []),
    ...(missing > 0 ? ["lines that are not kept are not numbered"] : []),
  ];
  if (found.count === 0) {
    const text = [`no line matches in ${bytesText(end - wanted.from - lost)}`, ...notes].join("; ");
    return answer([], `(${text})`, { ...facts, cursor: end, more: false });
  }
  const { lines, shown, next } = found.result();
  if (shown < found.count) {
    const which = wanted.forward ? "first" : "newest";
    const rest = wanted.forward
      ? next === undefined
        ? []
        : [`the next ones: the same with cursor "${next}"`]
      : ['all from the start: the same with cursor "0"'];
    notes.unshift(`the ${which} ${shown} of ${found.count} matching lines`, ...rest);
  } else if (notes.length > 0) notes.unshift(`${shown} matching lines`);
  const hint = notes.length > 0 ? `[${notes.join("; ")}]` : undefined;
  return answer(lines, hint, { ...facts, cursor: next ?? end, more: next !== undefined });
}

/** A matching line with the context around it that belongs to it. */
interface Found {
  number: number;
  offset: number;
  lines: NumberedLine[];
}

interface NumberedLine extends PlainLine {
  number: number;
  /** As it is shown. */
  isMatch: boolean;
}

class Matches {
  count = 0;
  readonly #pattern: string;
  readonly #wanted: Wanted;
  readonly #guard: PatternGuard;
  /** In the order of the output: the first or the newest that fit. */
  #found: Found[] = [];
  #foundBytes = 0;
  #isFull = false;
  /** Where the first match that is not shown starts, when reading forward. */
  #next: number | undefined;
  #before: NumberedLine[] = [];
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #millisecondsLeft = PATTERN_LIMIT;
  #number = 0;

  constructor(pattern: string, wanted: Wanted, guard: PatternGuard) {
    this.#pattern = pattern;
    this.#wanted = wanted;
    this.#guard = guard;
  }

  /** What stands before the place from which on is searched: its lines count. */
  skip(stream: StreamNumber, data: Buffer): void {
    if (!this.#isWanted(stream)) return;
    for (let at = data.indexOf(10); at >= 0; at = data.indexOf(10, at + 1)) this.#number += 1;
  }

  /** True when there is so much that it should be matched now. */
  add(stream: StreamNumber, batch: LineBatch | undefined, bytes: number): boolean {
    if (batch && this.#isWanted(stream)) this.#waiting.push({ stream, batch });
    this.#waitingBytes += bytes;
    return this.#waitingBytes >= BATCH_BYTES;
  }

  async match(): Promise<void> {
    const lines: string[] = [];
    for (const { batch } of this.#waiting)
      for (const line of batch.lines) lines.push(plainLine(line));
    const { hits, took } = await this.#guard.match(this.#pattern, lines, this.#millisecondsLeft);
    this.#millisecondsLeft -= took;
    this.count += hits.length;
    this.#collect(lines, new Set(hits));
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  /** The lines to show, how many of them match, and where to go on. */
  result(): { lines: PlainLine[]; shown: number; next: number | undefined } {
    const lines: PlainLine[] = [];
    let last = 0;
    for (const line of this.#found.flatMap((found) => found.lines)) {
      if (line.number <= last) continue;
      if (last > 0 && line.number > last + 1) lines.push({ text: "--", offset: line.offset });
      last = line.number;
      lines.push({ stream: line.stream, text: line.text, offset: line.offset });
    }
    return { lines, shown: this.#found.length, next: this.#next };
  }

  #isWanted(stream: StreamNumber): boolean {
    const { stream: only } = this.#wanted;
    return only === undefined || only === streamName(stream);
  }

  #collect(lines: readonly string[], hits: ReadonlySet<number>): void {
    let index = 0;
    for (const { stream, batch } of this.#waiting) {
      let offsets: number[] | undefined;
      for (let i = 0; i < batch.lines.length; i++, index++) {
        this.#number += 1;
        const isMatch = hits.has(index);
        const isNear = isMatch || nearHit(hits, index) || index >= lines.length - CONTEXT;
        const last = this.#found.at(-1);
        const isAfter = last !== undefined && this.#number <= last.number + CONTEXT;
        if (!isNear && !isAfter) continue;
        offsets ??= batch.offsets();
        this.#line(stream, lines[index] ?? "", offsets[i] ?? 0, isMatch);
      }
    }
  }

  #line(stream: StreamNumber, line: string, offset: number, isMatch: boolean): void {
    const cut = cutBytes(line, SHOWN_LINE);
    const text = `${this.#wanted.mark}${this.#number}${isMatch ? ":" : "-"}${cut}${cut.length < line.length ? "…" : ""}`;
    const shown = { stream: streamName(stream), text, offset, number: this.#number, isMatch };
    const last = this.#found.at(-1);
    if (isMatch) this.#match(shown);
    else if (last && !this.#isFull && this.#number <= last.number + CONTEXT)
      this.#extend(last, shown);
    this.#before = [...this.#before, shown].slice(-CONTEXT);
  }

  #match(line: NumberedLine): void {
    const near = this.#before.filter((each) => each.number >= line.number - CONTEXT);
    const { forward, lines: most, budget } = this.#wanted;
    const all = [...near, line];
    // Long lines: one match must always fit.
    const lines = sizeOf(all) * 2 > budget ? [line] : all;
    const found: Found = { number: line.number, offset: line.offset, lines };
    const bytes = sizeOf(lines) + SEPARATOR_BYTES;
    if (forward) {
      this.#isFull ||= this.#found.length >= most || this.#foundBytes + bytes > budget;
      if (this.#isFull) {
        this.#next ??= line.offset;
        return;
      }
    }
    this.#found.push(found);
    this.#foundBytes += bytes;
    this.#dropOldest();
  }

  #extend(found: Found, line: NumberedLine): void {
    const bytes = sizeOf([line]);
    const { forward, budget } = this.#wanted;
    const isAlone = this.#found.length === 1;
    if ((forward || isAlone) && this.#foundBytes + bytes > budget) return;
    found.lines.push(line);
    this.#foundBytes += bytes;
    this.#dropOldest();
  }

  #dropOldest(): void {
    const { lines: most, budget } = this.#wanted;
    while (this.#found.length > 1 && (this.#found.length > most || this.#foundBytes > budget)) {
      const oldest = this.#found.shift();
      if (oldest) this.#foundBytes -= sizeOf(oldest.lines) + SEPARATOR_BYTES;
    }
  }
}

function nearHit(hits: ReadonlySet<number>, index: number): boolean {
  for (let away = 1; away <= CONTEXT; away++) if (hits.has(index + away)) return true;
  return false;
}
