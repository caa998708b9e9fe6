/** Regular expressions that come from a model: what is one, and what is said of one that is not. */
import { UserError } from "../ports.js";
import { oneLine } from "../text.js";

/** Milliseconds that matching may take for one question. */
export const PATTERN_LIMIT = 200;
const MAX_PATTERN = 512;

/** The pattern took longer than it may: an error, never "no match". */
export class PatternTooSlow extends UserError {
  constructor() {
    super(`pattern: took too long (more than ${PATTERN_LIMIT} ms); use a simpler one`);
  }
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
    RegExp(pattern);
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    const got = JSON.stringify(pattern.slice(0, 100));
    throw new UserError(
      `${field}: expected a JavaScript regular expression, got ${got} (${oneLine(reason, 200)})`,
    );
  }
}
