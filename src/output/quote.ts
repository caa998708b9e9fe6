/**
 * What a notice quotes of a process's output when it has ended: the last lines, and for a failed one, from what
 * was left out before them, the first lines that look like errors, numbered as `grep -n -A 2` does. Reads the
 * file block by block and gives the host its turn between the blocks.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Quote } from "../jobs/registry.js";
import { newLineReaders, type LineBatch } from "./line-reader.js";
import { STREAMS } from "./format.js";
import { lastLines, type PlainLine } from "./page.js";
import { numberedLine, plainLine } from "./plain-text.js";
import { openOutput, type OutputReader } from "./reader.js";

/** Bytes of all that is quoted (so characters are never more), and lines of the end. */
const MOST_BYTES = 6_000;
const MOST_LINES = 40;
/** Of these for errors. */
const ERROR_BYTES = 2_400;
const MOST_ERRORS = 5;
const LINES_AFTER = 2;
/** Bytes of a line that are looked at, and that are quoted of one with an error. */
const MAX_LINE = 4096;
const SHOWN_LINE = 400;

/**
 * The quote of one ended process's output file; an empty one when there is no output. Its text is plain, at most
 * 6,000 characters, in whole lines (but for a single longer one). What is left out counts in `total` with its
 * bytes, and is left out at `gapAt`. For a failed one errors are looked for in what is not among the last lines;
 * `pattern`, when some were found, is one with which `grep` finds their lines.
 *
 * Rejects with what the system says when the file cannot be read.
 */
export async function quoteOutputEnd(
  file: string,
  { failed }: { failed: boolean },
): Promise<Quote> {
  const reader = openOutput(file);
  if (!reader) return { text: "", total: 0 };
  try {
    const whole = lastLines(reader, { from: 0, lines: MOST_LINES, budget: MOST_BYTES });
    if (!failed || whole.start === 0) return toQuote(whole.lines, whole.start);
    const budget = MOST_BYTES - ERROR_BYTES;
    const end = lastLines(reader, { from: 0, lines: MOST_LINES, budget });
    const errors = await findErrors(reader, end.start);
    if (errors.lines.length === 0) return toQuote(whole.lines, whole.start);
    const left = Math.max(0, end.start - errors.bytes);
    const quote = toQuote([...errors.lines, ...end.lines], left);
    const { text: head } = toQuote(errors.lines, 0);
    return {
      ...quote,
      gapAt: left > 0 ? head.length + 1 : 0,
      pattern: [...errors.words].join("|"),
    };
  } finally {
    reader.close();
  }
}

function toQuote(lines: readonly Pick<PlainLine, "text">[], left: number): Quote {
  const text = lines.map((line) => line.text).join("\n");
  return { text, total: text.length + left };
}

/** The first lines before `end` that look like errors, each with those after it. */
async function findErrors(reader: OutputReader, end: number): Promise<ErrorLines> {
  const errors = new ErrorLines();
  const readers = newLineReaders(MAX_LINE);
  let waiting = 0;
  for (const { frame, gap } of reader.pieces(0)) {
    if (errors.isFull || (frame ?? gap).offset >= end) break;
    if (gap) {
      for (const stream of STREAMS) errors.add(readers[stream].end());
      continue;
    }
    const data = frame.data.subarray(0, end - frame.offset);
    errors.add(readers[frame.stream].push(data, frame.offset));
    waiting += data.length;
    if (waiting < TURN_BYTES) continue;
    waiting = 0;
    await nextTurn();
  }
  for (const stream of STREAMS) errors.add(readers[stream].end());
  return errors;
}

/** What is searched before the host gets its turn: about a millisecond. */
const TURN_BYTES = 256 * 1024;

class ErrorLines {
  /** With their numbers. */
  readonly lines: { text: string }[] = [];
  /** That made lines look like errors, as the pattern of a search for them. */
  readonly words = new Set<string>();
  /** Of output that these lines stand for. */
  bytes = 0;
  #number = 0;
  #found = 0;
  #after = 0;
  #left = ERROR_BYTES;
  #lastShown = 0;

  get isFull(): boolean {
    return this.#left <= 0 || (this.#found >= MOST_ERRORS && this.#after === 0);
  }

  add(batch: LineBatch | undefined): void {
    for (const line of batch?.lines ?? []) {
      this.#number += 1;
      if (this.isFull) return;
      const text = plainLine(line);
      const word = this.#found < MOST_ERRORS ? errorWord(text) : undefined;
      if (word !== undefined) {
        this.words.add(word);
        this.#found += 1;
        this.#after = LINES_AFTER;
      } else if (this.#after > 0) this.#after -= 1;
      else continue;
      this.#show(line, text, word !== undefined);
    }
  }

  #show(raw: string, text: string, isError: boolean): void {
    if (this.lines.length > 0 && this.#number > this.#lastShown + 1) this.#push("--");
    this.#push(numberedLine(this.#number, isError, text, SHOWN_LINE));
    this.#lastShown = this.#number;
    this.bytes += Buffer.byteLength(raw) + 1;
  }

  #push(text: string): void {
    this.#left -= Buffer.byteLength(text) + 1;
    if (this.#left >= 0) this.lines.push({ text });
  }
}

/** "0 errors", "no failures", "failed: 0": lines that say that all is well. */
const NONE =
  /\b(?:0|no|without)\s+(?:\w+\s+)?(?:errors?|fail(?:ed|ures?)|exceptions?)\b|\b(?:errors?|fail(?:ed|ures?))\s*[:=]\s*0\b/giu;

/**
 * Words with which compilers, test runners, package managers, shells and runtimes begin what went wrong. As words of
 * their own or at the end of a name (`TypeError:`), never within a path (`error-page.ts`, `errors/index.js`).
 */
const ERROR =
  /(?<![-/\\.\w])(?:[\w.]*(error|exception)|(fail(?:ed|ure)?|fatal|panic(?:ked)?|traceback|err!|not ok|killed|segmentation fault|undefined reference|command not found|cannot find|no such file|out of memory|assertion))(?![-/\\\w]|\.\w)/iu;

/** The word that makes a line look like an error. */
function errorWord(line: string): string | undefined {
  const [, ending, word] = ERROR.exec(line.replace(NONE, "")) ?? [];
  return (ending ?? word)?.toLowerCase();
}
