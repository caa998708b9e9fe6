/**
 * Text as a terminal shows it: measured in cells, cut and wrapped between characters, never within one, and free
 * of what would move the cursor. A character is what a person takes for one (an emoji with its modifiers, a
 * letter with its accents). Where terminals differ, the wider answer is given: then nothing is ever cut off.
 */
import { harmless } from "./text.js";

/** Of one line that may hold anything: control characters and direction marks gone, white space folded. */
export function clean(text: string): string {
  return harmless(text.replaceAll(ESCAPE_SEQUENCE, "").replaceAll(/\s+/gu, " ")).trim();
}

/** The same for a line of output, whose spaces mean something; a tab reaches to the next multiple of four. */
export function cleanOutput(line: string): string {
  return expandTabs(line.replaceAll(ESCAPE_SEQUENCE, ""));
}

const ESCAPE_SEQUENCE =
  // oxlint-disable-next-line no-control-regex -- these are what must not reach the screen
  /(?:\u009b|\u001b\[)[0-?]*[ -/]*[@-~]|\u001b(?:\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|.)/gu;
const PLAIN = /^[\u0020-\u007e]*$/;
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{1b000}-\u{1b2ff}\u{20000}-\u{3fffd}]/u;
const EMOJI = /\p{Emoji_Presentation}|\p{Extended_Pictographic}\ufe0f|[0-9#*]\ufe0f?\u20e3/u;
const INVISIBLE = /^[\p{Mn}\p{Me}\p{Cf}\p{Cc}]*$/u;

const segmenter = new Intl.Segmenter();

/** How many cells it takes. */
export function cells(text: string): number {
  if (PLAIN.test(text)) return text.length;
  let sum = 0;
  for (const { segment } of segmenter.segment(text)) sum += cellsOfOne(segment);
  return sum;
}

function cellsOfOne(character: string): number {
  if (INVISIBLE.test(character)) return 0;
  return WIDE.test(character) || EMOJI.test(character) ? 2 : 1;
}

/** At most so many cells; what is cut ends with "…". */
export function fit(text: string, width: number): string {
  if (cells(text) <= width) return text;
  if (width < 1) return "";
  return `${split(text, width - 1).head.trimEnd()}…`;
}

/** Exactly so many cells: cut or filled with spaces. */
export function pad(text: string, width: number): string {
  const fitting = fit(text, width);
  return fitting + " ".repeat(Math.max(0, width - cells(fitting)));
}

/** Without the first so many cells; a wide character that would be halved is left out. */
export function skip(text: string, width: number): string {
  if (width <= 0) return text;
  const { head, tail } = split(text, width);
  return cells(head) < width ? tail.slice(firstCharacter(tail).length) : tail;
}

/** The rows that a line takes; at least one. Breaks anywhere, as a terminal does. */
export function wrap(text: string, width: number): string[] {
  if (width < 1 || (text.length <= width && cells(text) <= width)) return [text];
  const rows: string[] = [];
  let rest = text;
  while (rest !== "") {
    // A character wider than the row is shown all the same, or this would never end.
    const row = split(rest, width).head || firstCharacter(rest);
    rows.push(row);
    rest = rest.slice(row.length);
  }
  return rows;
}

/** The same between words; only a word that is longer than a row is broken. */
export function wrapWords(text: string, width: number): string[] {
  const rows: string[] = [];
  for (const word of text.split(" ")) {
    const last = rows.at(-1);
    const longer = last === undefined ? undefined : `${last} ${word}`;
    if (longer !== undefined && cells(longer) <= width) rows[rows.length - 1] = longer;
    else rows.push(...wrap(word, width));
  }
  return rows;
}

function firstCharacter(text: string): string {
  return segmenter.segment(text).containing(0)?.segment ?? "";
}

function split(text: string, width: number): { head: string; tail: string } {
  if (PLAIN.test(text)) return { head: text.slice(0, width), tail: text.slice(width) };
  let left = width;
  let at = 0;
  for (const { segment } of segmenter.segment(text)) {
    left -= cellsOfOne(segment);
    if (left < 0) break;
    at += segment.length;
  }
  return { head: text.slice(0, at), tail: text.slice(at) };
}

/** Harmless, with spaces in the place of tabs; `before` stands before it in its line. */
export function expandTabs(text: string, before = ""): string {
  const [first = "", ...others] = text.split("\t").map(harmless);
  return others.reduce((line, part) => {
    return line + " ".repeat(4 - (cells(before + line) % 4)) + part;
  }, first);
}
