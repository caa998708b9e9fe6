/**
 * Regular expressions given by users and models: how they are written, and errors for those that are none.
 *
 * Case is ignored. `/x/` and `/x/flags` are taken as written where the flags are of `imsu` (or none), x has no
 * unescaped slash and the flags can mean something: `/Error/` minds case, while `/srv/s` stays a path. A leading
 * `(?i)` is accepted; it says what holds anyway.
 */
import { UserError } from "../ports.js";
import { oneLine, shownValue } from "../text.js";

/** Milliseconds that matching may take for one question. */
export const PATTERN_LIMIT = 200;
const MAX_PATTERN = 512;

/** The pattern took longer than it may: an error, never "no match". */
export class PatternTooSlow extends UserError {
  constructor() {
    super(`pattern: took too long (more than ${PATTERN_LIMIT} ms); use a simpler one`);
  }
}

/** What `new RegExp` takes. */
export interface ParsedPattern {
  source: string;
  flags: string;
}

const LITERAL = /^\/((?:[^/\\]|\\.)+)\/([imsu]*)$/u;
/** Without one of these in the pattern only the flag `i` changes what it matches. */
const SPECIAL = /[\\^$.|?*+()[\]{}]/u;

export function parsePattern(pattern: string): ParsedPattern {
  const [, inside, flags] = LITERAL.exec(pattern) ?? [];
  if (inside !== undefined && flags !== undefined) {
    const canMean = flags === "" || flags.includes("i") || SPECIAL.test(inside);
    if (canMean && new Set(flags).size === flags.length) return { source: inside, flags };
  }
  return { source: pattern.replace(/^\(\?i\)/u, ""), flags: "i" };
}

/** Throws a `UserError` that names the field when this is no regular expression, or too long a one. */
export function checkPattern(field: string, pattern: string): void {
  if (pattern === "") throw new UserError(`${field}: expected a regular expression, got ""`);
  if (pattern.length > MAX_PATTERN) {
    throw new UserError(
      `${field}: expected at most ${MAX_PATTERN} characters, got ${pattern.length}`,
    );
  }
  try {
    const { source, flags } = parsePattern(pattern);
    RegExp(source, flags);
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    const got = shownValue(pattern.slice(0, 100));
    throw new UserError(
      `${field}: expected a JavaScript regular expression, got ${got} (${oneLine(reason, 200)})`,
    );
  }
}
