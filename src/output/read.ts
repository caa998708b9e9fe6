/**
 * The answers about one process's output: its last lines, its first ones, everything page by page, what is new
 * since an earlier answer, and the lines that match a pattern. Each text has a size limit and says at its end how to
 * get the rest. A cursor is the place in the output where the next answer goes on.
 *
 * Matches come with their numbers and two lines of context, written as `grep -n -C 2` does: `12:match`, `13-context`,
 * `--` between stretches. When there are too many, the newest are shown; from a cursor on, the first ones after it,
 * with a cursor for the next. The file is read block by block and the host gets its turn between batches; all matching
 * together may take 200 ms, and what takes longer is an error, never "no match".
 */
import { UserError } from "../ports.js";
import { grouped, QUOTE_MARK } from "../text.js";
import { partOf, type StreamNumber, STREAMS } from "./format.js";
import { type LineBatch, newLineReaders } from "./line-reader.js";
import {
  isWanted,
  lastLines,
  lostIn,
  type Page,
  type PlainLine,
  readPage,
  sizeOf,
  streamName,
} from "./page.js";
import { checkPattern, PATTERN_LIMIT, type PatternGuard } from "./pattern.js";
import { cutBytes, numberedLine, openCharacter, plainLine } from "./plain-text.js";
import type { OutputReader } from "./reader.js";
import type { ReadLine, ReadRequest, ReadResult } from "./types.js";

const DEFAULT_BYTES = 16_000;
/** Enough for a matching line and what is said at the end. */
const LEAST_BYTES = 2_048;
/** The host cuts a tool's answer at 51,200 bytes and 2,000 lines. */
const MOST_BYTES = 40_000;
const MOST_LINES = 1_900;
const HINT_BYTES = 240;
const PAGE_WINDOWS = [64, 48, 36, 28, 20, 15, 11, 8, 6, 4, 2, 1, 0.5].map((kib) => kib * 1024);

/** Throws a `UserError` that names the field when the request is wrong, or its pattern takes too long. */
export async function readOutput(
  reader: OutputReader | undefined,
  request: ReadRequest,
  counts: OutputCounts,
  guard: PatternGuard,
): Promise<ReadResult> {
  const wanted = check(request, counts.bytes);
  if (!reader) return nothing(wanted, counts);
  if (wanted.mode === "grep") return grepOutput(reader, wanted, counts, guard);
  if (wanted.mode === "tail") return tail(reader, wanted, counts);
  return forward(reader, wanted, counts);
}

function check(request: ReadRequest, bytes: number): Wanted {
  const { lines: asked, cursor, maxBytes = DEFAULT_BYTES, pattern, stream, quoted } = request;
  const usual = pattern === undefined ? (cursor === undefined ? "tail" : "full") : "grep";
  const { mode = usual } = request;
  const lines = asked ?? (mode === "full" ? MOST_LINES : 100);
  if (!Number.isInteger(lines) || lines < 1 || lines > 10_000) {
    throw new UserError(`lines: expected a whole number from 1 to 10000, got ${lines}`);
  }
  if (!Number.isInteger(maxBytes) || maxBytes < LEAST_BYTES) {
    throw new UserError(
      `maxBytes: expected a whole number of at least ${LEAST_BYTES}, got ${maxBytes}`,
    );
  }
  const from = readCursor(cursor, bytes);
  if (mode === "grep" && pattern === undefined) {
    throw new UserError("pattern: mode grep needs one, got none");
  }
  // A match may come with four lines of context and a separator.
  const most = mode === "grep" ? Math.floor(MOST_LINES / 6) : MOST_LINES;
  return {
    mode,
    lines: Math.min(lines, most),
    asked,
    from,
    forward: cursor !== undefined,
    pattern: pattern ?? "",
    stream,
    mark: quoted ? QUOTE_MARK : "",
    budget: Math.min(MOST_BYTES, maxBytes) - HINT_BYTES,
  };
}

/** The place in the output that a cursor means; the start without one. Throws a `UserError`. */
export function readCursor(cursor: string | number | undefined, bytes: number): number {
  if (cursor === undefined) return 0;
  const text = String(cursor);
  const place = Number(text);
  if (/^\d{1,15}$/.test(text) && place <= bytes) return place;
  const shown = JSON.stringify(text.slice(0, 40));
  throw new UserError(
    `cursor: expected one from an earlier answer about this process, got ${shown}`,
  );
}

function nothing(wanted: Wanted, counts: OutputCounts): ReadResult {
  const text = counts.bytes === 0 ? "(no output yet)" : "(the output is not kept any more)";
  const { from } = wanted;
  return { text, lines: [], start: from, cursor: String(from), more: false, lost: 0, ...counts };
}

/** Head, full and cursor: from a place on. The largest window whose text fits is shown. */
function forward(reader: OutputReader, wanted: Wanted, counts: OutputCounts): ReadResult {
  const { from, stream, mark, budget, lines } = wanted;
  let page: Page = { lines: [], end: from, atEnd: true };
  for (const window of PAGE_WINDOWS) {
    page = readPage(reader, { from, window, lines, stream, mark });
    if (sizeOf(page.lines) <= budget) break;
  }
  const rest = counts.bytes - page.end;
  const shown = fit(page.lines, budget);
  const hint = page.atEnd
    ? undefined
    : `[${capped(shown.length, wanted)}${bytesText(rest)} more: mode "full" with cursor "${page.end}"]`;
  const lost = lostIn(page.lines);
  const facts = { start: from, cursor: page.end, more: !page.atEnd, lost };
  return answer(shown, hint, { ...counts, ...facts });
}

function tail(reader: OutputReader, wanted: Wanted, counts: OutputCounts): ReadResult {
  const { lines, start, end, isAll } = lastLines(reader, wanted);
  const hint = isAll
    ? undefined
    : `[${capped(lines.length, wanted)}the last ${lines.length === 1 ? "line" : `${lines.length} lines`}; ${bytesText(start - wanted.from)} before them: mode "head", "grep" or "full"]`;
  return answer(lines, hint, { ...counts, start, cursor: end, more: false, lost: lostIn(lines) });
}

/** Said when an answer holds fewer lines than were asked for, and there are more. */
function capped(shown: number, { asked = 0 }: Wanted): string {
  return shown < asked ? `${shown} of the ${asked} lines asked for fit into one answer; ` : "";
}

function fit(lines: readonly PlainLine[], budget: number): PlainLine[] {
  let left = budget;
  return lines.map((line) => {
    const text = cutBytes(line.text, Math.max(0, left));
    left -= Buffer.byteLength(text) + 1;
    return { ...line, text };
  });
}

/** Bytes of a line that are matched. */
const MAX_LINE = 4096;
/** Bytes of a matching line that are shown. */
const SHOWN_LINE = 500;
/** Matching one batch of lines costs two messages between threads: many short lines go together. */
const BATCH_BYTES = 256 * 1024;

/** Lines before and after a match. */
const CONTEXT = 2;
const AROUND = Array.from({ length: CONTEXT * 2 + 1 }, (_, at) => at - CONTEXT);
/** Of `--` and its newline. */
const SEPARATOR_BYTES = 3;

interface Waiting {
  stream: StreamNumber;
  batch: LineBatch;
}

async function grepOutput(
  reader: OutputReader,
  wanted: Wanted,
  counts: OutputCounts,
  guard: PatternGuard,
): Promise<ReadResult> {
  checkPattern("pattern", wanted.pattern);
  const found = new Matches(wanted, guard);
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
    const { stream } = frame;
    const before = partOf(frame, 0, wanted.from);
    if (before) found.skip(stream, before.data);
    const part = partOf(frame, wanted.from);
    if (!part) continue;
    end = frame.offset + frame.data.length - openCharacter(frame.data);
    const batch = readers[stream].push(part.data, part.offset);
    if (found.add(stream, batch, part.data.length)) await found.match();
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
    const [which, rest] = wanted.forward
      ? ["first", `the next ones: the same with cursor "${next}"`]
      : ["newest", 'all from the start: the same with cursor "0"'];
    notes.unshift(`the ${which} ${shown} of ${found.count} matching lines`, rest);
  } else if (notes.length > 0) notes.unshift(`${shown} matching lines`);
  const hint = notes.length > 0 ? `[${notes.join("; ")}]` : undefined;
  return answer(lines, hint, { ...facts, cursor: next ?? end, more: next !== undefined });
}

/** As it is shown. */
interface NumberedLine extends PlainLine {
  number: number;
}

/** A matching line, of this number, with the context around it that belongs to it. */
interface Found {
  number: number;
  lines: NumberedLine[];
}

class Matches {
  count = 0;
  readonly #wanted: Wanted;
  readonly #guard: PatternGuard;
  /** In the order of the output: the first or the newest that fit. */
  #found: Found[] = [];
  #foundBytes = 0;
  /** Where the first match that is not shown starts, when reading forward: no more is taken. */
  #next: number | undefined;
  #before: NumberedLine[] = [];
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #millisecondsLeft = PATTERN_LIMIT;
  #number = 0;

  constructor(wanted: Wanted, guard: PatternGuard) {
    this.#wanted = wanted;
    this.#guard = guard;
  }

  /** What stands before the place from which on is searched: its lines count. */
  skip(stream: StreamNumber, data: Buffer): void {
    if (!isWanted(stream, this.#wanted.stream)) return;
    for (let at = data.indexOf(10); at >= 0; at = data.indexOf(10, at + 1)) this.#number += 1;
  }

  /** True when there is so much that it should be matched now. */
  add(stream: StreamNumber, batch: LineBatch | undefined, bytes: number): boolean {
    if (batch && isWanted(stream, this.#wanted.stream)) this.#waiting.push({ stream, batch });
    this.#waitingBytes += bytes;
    return this.#waitingBytes >= BATCH_BYTES;
  }

  async match(): Promise<void> {
    const lines = this.#waiting.flatMap(({ batch }) => batch.lines.map((line) => plainLine(line)));
    const { pattern } = this.#wanted;
    const { hits, took } = await this.#guard.match(pattern, lines, this.#millisecondsLeft);
    this.#millisecondsLeft -= took;
    this.count += hits.length;
    this.#collect(lines, new Set(hits));
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  /** The lines to show, how many of them match, and where to go on. */
  result(): { lines: ReadLine[]; shown: number; next: number | undefined } {
    const lines: ReadLine[] = [];
    let last = 0;
    for (const line of this.#found.flatMap((found) => found.lines)) {
      if (line.number <= last) continue;
      if (last > 0 && line.number > last + 1) lines.push({ text: "--" });
      last = line.number;
      lines.push(line);
    }
    return { lines, shown: this.#found.length, next: this.#next };
  }

  #collect(lines: readonly string[], hits: ReadonlySet<number>): void {
    const near = new Set([...hits].flatMap((hit) => AROUND.map((away) => hit + away)));
    let index = 0;
    for (const { stream, batch } of this.#waiting) {
      let offsets: number[] | undefined;
      for (let i = 0; i < batch.lines.length; i++, index++) {
        this.#number += 1;
        // Of what was matched before, and of what will be.
        const isAtEdge = index < CONTEXT || index >= lines.length - CONTEXT;
        if (!isAtEdge && !near.has(index)) continue;
        offsets ??= batch.offsets();
        this.#line(stream, lines[index] ?? "", offsets[i] ?? 0, hits.has(index));
      }
    }
  }

  #line(stream: StreamNumber, line: string, offset: number, isMatch: boolean): void {
    const number = this.#number;
    const text = this.#wanted.mark + numberedLine(number, isMatch, line, SHOWN_LINE);
    const shown = { stream: streamName(stream), text, offset, number };
    const last = this.#found.at(-1);
    if (isMatch) this.#match(shown);
    else if (last && this.#next === undefined && number <= last.number + CONTEXT)
      this.#extend(last, shown);
    this.#before = [...this.#before, shown].slice(-CONTEXT);
  }

  #match(line: NumberedLine): void {
    const near = this.#before.filter((each) => each.number >= line.number - CONTEXT);
    const { forward, lines: most, budget } = this.#wanted;
    const all = [...near, line];
    // Long lines: one match must always fit.
    const lines = sizeOf(all) * 2 > budget ? [line] : all;
    const bytes = sizeOf(lines) + SEPARATOR_BYTES;
    if (forward && (this.#found.length >= most || this.#foundBytes + bytes > budget)) {
      this.#next ??= line.offset;
    }
    if (this.#next !== undefined) return;
    this.#found.push({ number: line.number, lines });
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

/** What is known of the output besides the file. */
type OutputCounts = Pick<ReadResult, "bytes" | "dropped">;

/** A request with its defaults, checked. */
interface Wanted
  extends Required<Pick<ReadRequest, "mode" | "lines" | "pattern">>, Pick<ReadRequest, "stream"> {
  /** Lines that were asked for, which may be more than an answer holds. */
  asked: number | undefined;
  from: number;
  /** A cursor was given: from there on, instead of the newest. */
  forward: boolean;
  /** What each line of the process's own begins with. */
  mark: string;
  /** For the lines, without the hint at the end. */
  budget: number;
}

function answer(
  lines: readonly ReadLine[],
  hint: string | undefined,
  { cursor, ...facts }: Omit<ReadResult, "text" | "lines" | "cursor"> & { cursor: number },
): ReadResult {
  const shown: ReadLine[] = lines.map(({ stream, text }) => ({ stream, text }));
  const { bytes, dropped } = facts;
  const hints = [
    ...(dropped > 0
      ? [`[${bytesText(dropped)} of ${bytesText(bytes)} are not kept any more]`]
      : []),
    ...(hint ? [hint] : []),
  ];
  const text = [...shown.map((line) => line.text), ...hints].join("\n");
  return { text, lines: shown, cursor: String(cursor), ...facts };
}

function bytesText(bytes: number): string {
  return `${grouped(bytes)} bytes`;
}
