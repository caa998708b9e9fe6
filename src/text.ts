/** Small pieces of wording that lists, answers and notices share. Pure. */

/** Milliseconds as people say it: "850 ms", "12 s", "3 min 5 s", "2 h 10 min". */
export function elapsed(milliseconds: number): string {
  if (milliseconds < 1_000) return `${Math.max(0, Math.round(milliseconds))} ms`;
  const seconds = Math.round(milliseconds / 1_000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return seconds % 60 ? `${minutes} min ${seconds % 60} s` : `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
}

/** Bytes in binary units: "512 B", "8.0 KiB", "1.5 MiB". */
export function byteSize(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const units = ["KiB", "MiB", "GiB"];
  let value = bytes / 1024;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value.toFixed(1)} ${units[unit] ?? ""}`;
}

/** A whole number with its thousands apart: "100,000". By hand, for the first of the engine's own takes 12 ms. */
export function grouped(value: number): string {
  return String(value).replace(/\B(?=(?:\d{3})+$)/gu, ",");
}

/** "1 file", "2 files", "1,000 files". */
export function counted(number: number, word: string, plural = `${word}s`): string {
  return `${grouped(number)} ${number === 1 ? word : plural}`;
}

/** US dollars: "$1.00", "$0.0123", "$0.000020". */
export function dollars(value: number): string {
  if (value === 0 || value >= 0.01) return `$${value.toFixed(4).replace(/00$/u, "")}`;
  return value < 0.000001 ? "under $0.000001" : `$${value.toPrecision(2)}`;
}

/**
 * A text from outside within a line of ours: white space folded, nothing in it that is obeyed or unseen, and at most so
 * many characters, never half of one.
 */
export function oneLine(text: string, most: number): string {
  // A character may have any number of accents: what is looked at is bounded first.
  const head = text.slice(0, most * 16);
  const folded = harmless(head.replace(/[\s\u0085]+/gu, " ")).trim();
  const characters = Array.from(new Intl.Segmenter().segment(folded), ({ segment }) => segment);
  if (head.length === text.length && characters.length <= most) return folded;
  return `${characters.slice(0, most - 1).join("")}…`;
}

/** The same in quotes that it cannot end. */
export function quoted(text: string, most: number): string {
  return `"${oneLine(text, most).replaceAll('"', "'")}"`;
}

/** At most so many characters (UTF-16), with "…" for the rest; never half of one. */
export function cutText(text: string, most: number): string {
  return text.length <= most ? text : `${headOf(text, most - 1)}…`;
}

/** The beginning of a text, never half of a character. */
export function headOf(text: string, most: number): string {
  return text.slice(0, most).replace(/[\ud800-\udbff]$/u, "");
}

/** The end of a text, never half of a character. */
export function lastOf(text: string, most: number): string {
  return text.slice(Math.max(0, text.length - most)).replace(/^[\udc00-\udfff]/u, "");
}

/** Where a head of at most so many characters ends: behind a line, if that keeps half of it. */
export function headEnd(text: string, most: number): number {
  const lineEnd = text.lastIndexOf("\n", most - 1) + 1;
  if (lineEnd >= most / 2) return lineEnd;
  return isHalf(text, most) ? most - 1 : most;
}

/** Where an end begins that begins no earlier than this: at a line, if that keeps half of it. */
export function endStart(text: string, least: number): number {
  const lineStart = text[least - 1] === "\n" ? least : text.indexOf("\n", least) + 1;
  if (lineStart > 0 && text.length - lineStart >= (text.length - least) / 2) return lineStart;
  return isHalf(text, least) ? least + 1 : least;
}

/** Whether a cut here would part a character. */
function isHalf(text: string, at: number): boolean {
  return /^[\udc00-\udfff]/.test(text.slice(at, at + 1));
}

/**
 * Characters that change how a text is shown without being seen: control characters (C0, C1), line and paragraph
 * separators, marks of direction, zero-width characters, soft hyphens, fillers, tags, variation selectors. What joins
 * the parts of an emoji, or chooses its form, is none of them.
 */
const UNSEEN =
  /(?!\u200d|\ufe0f)[\p{Cc}\p{Default_Ignorable_Code_Point}\u2028\u2029\ufff9-\ufffb]|(?<![\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f])\u200d|(?<![\p{Extended_Pictographic}0-9#*])\ufe0f/gu;
/** Half of a character, which no encoding can carry. */
const HALF = /\p{Surrogate}/gu;
/** The usual text, of which nothing has to go. */
const PRINTABLE = /^[ -~]*$/u;

/** The same text without what a terminal would obey and no reader would see, line ends included. */
export function harmless(text: string): string {
  return PRINTABLE.test(text) ? text : text.replace(UNSEEN, "").replace(HALF, "\ufffd");
}

/** The same for one line in which tabs mean something. */
export function harmlessLine(text: string): string {
  return text.includes("\t") ? text.split("\t").map(harmless).join("\t") : harmless(text);
}

/** The same for text of several lines; what some readers take for a line's end is one. */
export function harmlessLines(text: string): string {
  return text
    .split(/\r\n?|[\n\u0085\u2028\u2029]/u)
    .map(harmlessLine)
    .join("\n");
}

/** A search for a text in lines; one in small letters finds capitals, too, and none nothing. */
export function finds(query: string): (line: string) => boolean {
  if (query === "") return () => false;
  if (query !== query.toLowerCase()) return (line) => line.includes(query);
  return (line) => line.toLowerCase().includes(query);
}

/** What a line of quoted text begins with: so none of them can pass for a line of ours. */
export const QUOTE_MARK = "| ";

/** Text from outside as lines of their own, each marked. */
export function quoteLines(text: string): string[] {
  return harmlessLines(text)
    .split("\n")
    .map((line) => QUOTE_MARK + line);
}

/** For JSON, where nothing may be lost: as `\uXXXX`. `text` is what `JSON.stringify` gave. */
export function escapeUnseen(text: string): string {
  return text.replace(UNSEEN, (found) =>
    found === "\n"
      ? found
      : Array.from(
          { length: found.length },
          (_, at) => `\\u${found.charCodeAt(at).toString(16).padStart(4, "0")}`,
        ).join(""),
  );
}

/** Undefined for what is no JSON. */
export function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A value in an error of ours: as JSON, cut, nothing unseen in it. */
export function shownValue(value: unknown, most = 100): string {
  const text = escapeUnseen(JSON.stringify(value) ?? typeof value);
  return text.length <= most + 20 ? text : `${headOf(text, most)}… (${text.length} characters)`;
}
