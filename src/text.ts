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

/** White space folded, and at most so many characters, never half of one. */
export function oneLine(text: string, most: number): string {
  // A character may have any number of accents: what is looked at is bounded first.
  const head = text.slice(0, most * 16);
  const folded = head.replace(/\s+/gu, " ").trim();
  const characters = Array.from(new Intl.Segmenter().segment(folded), ({ segment }) => segment);
  if (head.length === text.length && characters.length <= most) return folded;
  const shown = characters.slice(0, most - 1).join("");
  return `${shown.replace(/\p{Surrogate}$/u, "")}…`;
}

/** The end of a text, never half of a character. */
export function lastOf(text: string, most: number): string {
  return text.slice(Math.max(0, text.length - most)).replace(/^[\udc00-\udfff]/u, "");
}

/**
 * Characters that change how a line is shown without being seen: control characters (C0, C1), line and paragraph
 * separators, marks of direction, zero-width characters, soft hyphens, tags. A joiner between the parts of an emoji
 * is none of them.
 */
const UNSEEN =
  /[\p{Cc}\u2028\u2029\u00ad\u061c\u180e\u200b\u200c\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]|(?<![\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f])\u200d/gu;

/** The same text without what a terminal would obey and no reader would see. Not for text with line ends: they go, too. */
export function harmless(text: string): string {
  return text.replaceAll(UNSEEN, "");
}

/** The same for JSON, where nothing may be lost: as `\uXXXX`. `text` is what `JSON.stringify` gave. */
export function escapeUnseen(text: string): string {
  return text.replaceAll(UNSEEN, (found) =>
    found === "\n"
      ? found
      : Array.from(
          { length: found.length },
          (_, at) => `\\u${found.charCodeAt(at).toString(16).padStart(4, "0")}`,
        ).join(""),
  );
}
