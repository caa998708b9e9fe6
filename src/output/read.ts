/**
 * The answers about one process's output: its last lines, its first ones, everything page by page, what is new
 * since an earlier answer. Each text has a size limit and says at its end how to get the rest. A cursor is the
 * place in the output where the next answer goes on.
 */
import { UserError } from "../ports.js";
import { QUOTE_MARK } from "../text.js";
import { grepOutput } from "./grep.js";
import { lastLines, lostIn, readPage, sizeOf, type Page, type PlainLine } from "./page.js";
import type { OutputReader } from "./reader.js";
import type { PatternGuard } from "./pattern.js";
import { cutBytes } from "./plain-text.js";
import {
  answer,
  bytesText,
  type OutputCounts,
  type ReadRequest,
  type ReadResult,
  type Wanted,
} from "./types.js";

const DEFAULT_BYTES = 16_000;
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
    pattern,
    stream,
    mark: quoted ? QUOTE_MARK : "",
    budget: Math.min(MOST_BYTES, Math.max(2048, maxBytes)) - HINT_BYTES,
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
