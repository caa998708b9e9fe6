/** Output as people should read it: no ANSI sequences, no control characters, progress bars as they stand last. */
import stripAnsi from "strip-ansi";

/** Control characters (C0, DEL, C1) except tab and newline: a terminal would obey them. */
const CONTROL = /[^\P{Cc}\t\n]/gu;

/** One line, without its newline. */
export function plainLine(raw: string): string {
  let line = raw.includes("\u001b") || raw.includes("\u009b") ? stripAnsi(raw) : raw;
  if (line.includes("\r")) line = lastState(line);
  return line.replace(CONTROL, "");
}

/** A carriage return starts the line again: what was written last stands. */
function lastState(line: string): string {
  const states = line.split("\r").filter((state) => state !== "");
  return states.at(-1) ?? "";
}

/** The beginning (or the end) of a text in at most so many bytes of UTF-8, never half a character. */
export function cutBytes(text: string, bytes: number, keep: "start" | "end" = "start"): string {
  const whole = Buffer.from(text, "utf8");
  if (whole.length <= bytes) return text;
  if (keep === "start") return whole.subarray(0, safeEnd(whole, bytes)).toString("utf8");
  return whole.subarray(safeStart(whole, whole.length - bytes)).toString("utf8");
}

/** The greatest place up to `end` that does not cut a UTF-8 character. */
function safeEnd(data: Buffer, end: number): number {
  let at = end;
  for (let back = 0; back < 3 && at > 0 && isContinuation(data[at]); back++) at -= 1;
  return isContinuation(data[at]) ? end : at;
}

/** The smallest place from `start` on that does not cut a UTF-8 character. */
export function safeStart(data: Buffer, start: number): number {
  let at = start;
  while (at < start + 3 && at < data.length && isContinuation(data[at])) at += 1;
  return at;
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
