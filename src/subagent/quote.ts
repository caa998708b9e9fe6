/** What a notice quotes of a subagent's result. Pure. */
import type { Message } from "../host/host.js";
import type { Quote } from "../jobs/registry.js";
import { grouped } from "../text.js";
import { lastToolError } from "./verdict.js";

/** Characters of a result that are quoted. */
const QUOTE_MOST = 6_000;
/** Characters of these that a line about what is missing may take. */
const MARK_MOST = 60;
/** The beginning says what was found, the end what it means: the end gets the larger part. */
const HEAD_SHARE = 0.4;

/** The result `text`, or what failed last in `messages` when there is none. */
export function quoteOf(text: string, messages: readonly Message[]): Quote {
  if (text) return { text: excerpt(text), total: text.length };
  const failure = lastToolError(messages);
  if (!failure) return { text: "", total: 0 };
  const words = `(no text output; its last failed tool call: ${failure})`;
  return { text: excerpt(words), total: words.length };
}

/** At most 6,000 characters: head and end, cut at line ends where there are any, and how much is missing between. */
export function excerpt(text: string): string {
  if (text.length <= QUOTE_MOST) return text;
  const room = QUOTE_MOST - MARK_MOST;
  const head = headOf(text, Math.floor(room * HEAD_SHARE));
  const end = endOf(text, room - Math.floor(room * HEAD_SHARE));
  const missing = text.length - head.length - end.length;
  return `${head}\n[… ${grouped(missing)} characters left out …]\n${end}`;
}

/** Up to the last line end within `most`, when that keeps at least half of it. */
function headOf(text: string, most: number): string {
  const cut = text.slice(0, most);
  const line = cut.lastIndexOf("\n");
  return wholeCharacters(line >= most / 2 ? cut.slice(0, line) : cut);
}

function endOf(text: string, most: number): string {
  const cut = text.slice(-most);
  const line = cut.indexOf("\n");
  return wholeCharacters(line >= 0 && line < most / 2 ? cut.slice(line + 1) : cut);
}

/** Without half of a surrogate pair at either side of the cut. */
function wholeCharacters(text: string): string {
  return text.replace(/^[\uDC00-\uDFFF]|[\uD800-\uDBFF]$/gu, "");
}
