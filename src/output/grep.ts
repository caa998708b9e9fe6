/**
 * Lines of the whole output that match a pattern, each with the place where it starts (a cursor, to read on from
 * there). The file is read block by block and the host gets its turn between batches; all matching together may
 * take 200 ms, and what takes longer is an error, never "no match".
 */
import { newLineReaders, type LineBatch } from "./line-reader.js";
import { STREAMS, type StreamNumber } from "./format.js";
import { streamName, type PlainLine } from "./page.js";
import type { OutputReader } from "./reader.js";
import { checkPattern, PATTERN_LIMIT } from "./pattern.js";
import type { PatternGuard } from "./pattern-guard.js";
import { cutBytes, openCharacter, plainLine } from "./plain-text.js";
import { answer, bytesText, type OutputCounts, type Wanted } from "./answer.js";
import type { ReadResult } from "./types.js";

/** Bytes of a line that are matched. */
const MAX_LINE = 4096;
/** Bytes of a matching line that are shown. */
const SHOWN_LINE = 500;
/** Matching one batch of lines costs two messages between threads: many short lines go together. */
const BATCH_BYTES = 256 * 1024;

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
  let end = wanted.from;
  for (const { frame, gap } of reader.pieces(wanted.from)) {
    if (gap) {
      endAll();
      lost += gap.bytes;
      continue;
    }
    end = frame.offset + frame.data.length - openCharacter(frame.data);
    const batch = readers[frame.stream].push(frame.data, frame.offset);
    if (found.add(frame.stream, batch, frame.data.length)) await found.match();
  }
  endAll();
  await found.match();
  const facts = { ...counts, start: wanted.from, lost, matches: found.count };
  const cut = readers[0].cutLines + readers[1].cutLines;
  const onlyBegun =
    cut === 0 ? "" : `; only the first ${bytesText(MAX_LINE)} of ${cut} long lines were looked at`;
  if (found.count === 0) {
    const hint = `(no line matches in ${bytesText(end - wanted.from - lost)}${onlyBegun})`;
    return answer([], hint, { ...facts, cursor: end, more: false });
  }
  const next = found.next;
  const rest = next === undefined ? "" : `; the next ones: the same with cursor "${next}"`;
  const hint =
    rest || onlyBegun
      ? `[${found.shown.length} of ${found.count} matching lines${rest}${onlyBegun}]`
      : undefined;
  return answer(found.shown, hint, { ...facts, cursor: next ?? end, more: next !== undefined });
}

class Matches {
  readonly shown: PlainLine[] = [];
  count = 0;
  /** Where the first match that is not shown starts. */
  next: number | undefined;
  readonly #pattern: string;
  readonly #wanted: Wanted;
  readonly #guard: PatternGuard;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #millisecondsLeft = PATTERN_LIMIT;
  #bytesLeft: number;

  constructor(pattern: string, wanted: Wanted, guard: PatternGuard) {
    this.#pattern = pattern;
    this.#wanted = wanted;
    this.#guard = guard;
    this.#bytesLeft = wanted.budget;
  }

  /** True when there is so much that it should be matched now. */
  add(stream: StreamNumber, batch: LineBatch | undefined, bytes: number): boolean {
    const { stream: only } = this.#wanted;
    if (batch && (only === undefined || only === streamName(stream))) {
      this.#waiting.push({ stream, batch });
    }
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
    this.#show(lines, hits);
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  #show(lines: readonly string[], hits: readonly number[]): void {
    let base = 0;
    let hit = 0;
    for (const { stream, batch } of this.#waiting) {
      let index = hits[hit];
      if (this.next !== undefined) return;
      if (index !== undefined && index < base + batch.lines.length) {
        const offsets = batch.offsets();
        while (index !== undefined && index < base + batch.lines.length) {
          this.#showOne(stream, lines[index] ?? "", offsets[index - base] ?? 0);
          hit += 1;
          index = hits[hit];
        }
      }
      base += batch.lines.length;
    }
  }

  #showOne(stream: StreamNumber, line: string, offset: number): void {
    if (this.next !== undefined) return;
    const cut = cutBytes(line, SHOWN_LINE);
    const text = `${offset}: ${cut}${cut.length < line.length ? "…" : ""}`;
    const bytes = Buffer.byteLength(text) + 1;
    if (this.shown.length >= this.#wanted.lines || bytes > this.#bytesLeft) {
      this.next = offset;
      return;
    }
    this.#bytesLeft -= bytes;
    this.shown.push({ stream: streamName(stream), text, offset });
  }
}
