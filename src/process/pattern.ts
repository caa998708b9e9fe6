/**
 * Regular expressions that come from a model, run so that none can hold the host: inside a `node:vm` context
 * whose run has a time limit. Without the limit Node hangs on an evil pattern, and Bun gives up after a while
 * and answers "no match" even where the text matches; with it both throw, and "took too long" is never taken
 * for "no match".
 */
import { createContext, Script } from "node:vm";
import { UserError } from "../ports.js";

/** Milliseconds for one question. */
export const PATTERN_LIMIT = 200;
const MAX_PATTERN = 512;

/** The pattern took longer than it may. */
export class PatternTooSlow extends UserError {}

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
    throw new UserError(`${field}: expected a JavaScript regular expression: ${reason}`);
  }
}

/** The lines are handed over as properties of the context: no text of theirs or of the pattern becomes code. */
const CODE = `{
  const pattern = new RegExp(question.pattern);
  for (let i = 0; i < question.lines.length; i++) {
    if (pattern.test(question.lines[i])) question.hits.push(i);
  }
}`;

interface Question {
  pattern: string;
  lines: readonly string[];
  hits: number[];
}

/** One context for any number of patterns; it is made at the first question. */
export class PatternGuard {
  readonly #sandbox: { question?: Question } = {};
  readonly #script = new Script(CODE);
  #ready = false;

  /**
   * The indexes of the lines that match.
   * Throws `PatternTooSlow` when that takes longer than `limit` milliseconds.
   */
  match(pattern: string, lines: readonly string[], limit: number = PATTERN_LIMIT): number[] {
    if (!this.#ready) createContext(this.#sandbox);
    this.#ready = true;
    const hits: number[] = [];
    this.#sandbox.question = { pattern, lines, hits };
    try {
      this.#script.runInContext(this.#sandbox, { timeout: Math.max(1, Math.ceil(limit)) });
    } catch (thrown) {
      throw new PatternTooSlow(
        `pattern: took too long (more than ${PATTERN_LIMIT} ms); use a simpler one`,
        { cause: thrown },
      );
    } finally {
      delete this.#sandbox.question;
    }
    return hits;
  }
}
