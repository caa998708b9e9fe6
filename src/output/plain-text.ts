/** Output as people should read it: no ANSI sequences, nothing unseen, progress bars as they stand last. */
import { StringDecoder } from "node:string_decoder";
import stripAnsi from "strip-ansi";
import { harmless, harmlessLine } from "../text.js";

/** Control characters (C0, DEL, C1) but for tab, and for backspace, of which the place matters. */
const CONTROL_BUT_BACKSPACE = /[^\P{Cc}\t\n\b]/gu;
/**
 * Sequences after which a line is written anew: to its first column (G), to another line (A, E, F, H, f), the line or
 * the screen cleared (1K, 2K, J).
 */
const REDRAW =
  // oxlint-disable-next-line no-control-regex -- a terminal's sequences begin with it
  /(?:\u001b\[|\u009b)(?:[01]?G|\d*[AEF]|[\d;]*[Hf]|[12]K|[0-3]?J)/gu;

/** One line, without its newline, as it stands last. */
export function plainLine(raw: string): string {
  let line = raw;
  if (raw.includes("\u001b") || raw.includes("\u009b")) line = stripAnsi(raw.replace(REDRAW, "\r"));
  if (line.includes("\r")) line = lastState(line);
  if (line.includes("\b")) line = overwritten(line.replace(CONTROL_BUT_BACKSPACE, ""));
  return harmlessLine(line);
}

/** What was written last stands. A state of control characters alone (a bell) is none. */
function lastState(line: string): string {
  const states = line.split("\r");
  return states.findLast((state) => harmless(state) !== "") ?? "";
}

/** A backspace goes back by a character, and what follows takes its place. */
function overwritten(line: string): string {
  const shown: string[] = [];
  let at = 0;
  for (const character of line) {
    if (character === "\b") at = Math.max(0, at - 1);
    else shown[at++] = character;
  }
  return shown.join("");
}

export type Encoding = "utf8" | "utf16le" | "utf16be";

/**
 * The encoding of one line's bytes (cut at the newline byte), if they tell: UTF-16 by its mark, or when its zero bytes
 * make at least a quarter of its characters Latin ones and leave none over. Of a newline in UTF-16 a zero byte is left
 * at the beginning of the next line (little-endian) or at the end of its own (big-endian).
 */
export function encodingOf(line: Buffer, known: Encoding): Encoding | undefined {
  if (line[0] === 0xff && line[1] === 0xfe) return "utf16le";
  if (line[0] === 0xfe && line[1] === 0xff) return "utf16be";
  if (line.length < 4 || !line.includes(0)) return undefined;
  const little = latinShare(decodeLine(line, "utf16le"));
  const big = latinShare(decodeLine(line, "utf16be"));
  if (Math.max(little, big) < 0.25) return undefined;
  if (little === big) return known === "utf16be" ? "utf16be" : "utf16le";
  return little > big ? "utf16le" : "utf16be";
}

/** Of the characters; 0 when one of them is a zero. */
function latinShare(text: string): number {
  if (text === "" || text.includes("\0")) return 0;
  let latin = 0;
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) < 0x100) latin += 1;
  return latin / text.length;
}

export function decodeLine(line: Buffer, encoding: Encoding): string {
  if (encoding === "utf8") return line.toString("utf8");
  const isOdd = line.length % 2 === 1;
  const whole =
    encoding === "utf16le"
      ? line.subarray(isOdd && line[0] === 0 ? 1 : 0)
      : Buffer.from(line.subarray(0, line.length - (isOdd ? 1 : 0))).swap16();
  return whole.toString("utf16le").replace(/^\ufeff/u, "");
}

/** What text does not hold: zeros and other controls that no terminal program writes, bytes that are no characters. */
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const NO_TEXT = /[\u0000-\u0006\u000e-\u001a\u001c-\u001f\u007f\ufffd]/gu;

/** Whether more than a tenth of a decoded line, and not just a few of its characters, is no text. */
export function isBinary(raw: string): boolean {
  const strange = raw.match(NO_TEXT)?.length ?? 0;
  return strange >= 4 && strange * 10 > raw.length;
}

/** The beginning (or the end) of a text in at most so many bytes of UTF-8, never half a character. */
export function cutBytes(text: string, bytes: number, keep: "start" | "end" = "start"): string {
  const whole = Buffer.from(text, "utf8");
  if (whole.length <= bytes) return text;
  if (keep === "start") return new StringDecoder("utf8").write(whole.subarray(0, bytes));
  return fromCharacter(whole.subarray(whole.length - bytes)).toString("utf8");
}

/** A line as grep shows it, with so many of its bytes at most. */
export function numberedLine(number: number, isMatch: boolean, line: string, most: number): string {
  const cut = cutBytes(line, most);
  return `${number}${isMatch ? ":" : "-"}${cut}${cut.length < line.length ? "…" : ""}`;
}

/** Without the rest of a UTF-8 character at the beginning. */
export function fromCharacter(data: Buffer): Buffer {
  let at = 0;
  while (at < 3 && isContinuation(data[at])) at += 1;
  return data.subarray(at);
}

/** How many bytes at the end belong to a character that is not complete yet; 0 to 3. */
export function openCharacter(data: Buffer): number {
  for (let back = 1; back <= 3 && back <= data.length; back++) {
    const byte = data[data.length - back] ?? 0;
    if (isContinuation(byte)) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}
