/**
 * Regular expressions given by users and models: how they are written, errors for those that are none, and matching
 * that cannot hold the host.
 *
 * Case is ignored. `/x/` and `/x/flags` are taken as written where the flags are of `imsu` (or none), x has no
 * unescaped slash and the flags can mean something: `/Error/` minds case, while `/srv/s` stays a path. A leading
 * `(?i)` is accepted; it says what holds anyway.
 *
 * They run on a thread of their own, one question at a time, each with a time limit that starts when its matching
 * starts. When the limit is over the thread is thrown away and the question has failed.
 *
 * Why a thread: `node:vm` with a timeout interrupts a match in Node, but Bun's engine looks at the clock only
 * between matches; one match of `^(.*a){20}$` on a line of 120 characters held it for 12 s (Bun 1.3.14). For a
 * question with which no thread begins, `node:vm` is still used: better than nothing. The next one tries a thread
 * again.
 *
 * The thread is started at the first question (10-30 ms, 8 MB) and stays, because each thread that ends costs
 * Bun 1.3.14 three descriptors for ever; it keeps no process alive.
 */
import { createContext, Script } from "node:vm";
import { Worker } from "node:worker_threads";
import { coerceError, UserError, type Clock, type Timer } from "../ports.js";
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
    const reason = oneLine(coerceError(thrown).message, 200);
    const got = shownValue(pattern.slice(0, 100));
    throw new UserError(
      `${field}: expected a JavaScript regular expression, got ${got} (${reason})`,
    );
  }
}

/** Which lines match, and how many milliseconds that took. */
export interface MatchAnswer {
  /** Indexes, in order. */
  hits: number[];
  took: number;
}

/**
 * Text from outside is only ever data here, both in the thread and in the context. It is one text: copying many
 * small ones into a thread takes longer than matching them.
 */
const MATCH = `function match({ source, flags, text }) {
  const compiled = new RegExp(source, flags);
  const lines = text.split("\\n");
  const hits = [];
  for (let i = 0; i < lines.length; i++) if (compiled.test(lines[i])) hits.push(i);
  return hits;
}`;

/**
 * First it says that it begins, then what it found: the milliseconds, then the indexes. Or that it failed: a pattern
 * that is too much for the engine (its stack, its memory for one expression) must not cost the thread.
 */
const THREAD = `${MATCH}
const { parentPort } = require("node:worker_threads");
parentPort.on("message", (question) => {
  parentPort.postMessage("begins");
  const start = performance.now();
  let answer;
  try {
    const hits = match(question);
    answer = Float64Array.from([performance.now() - start, ...hits]);
  } catch {
    answer = "failed";
  }
  parentPort.postMessage(answer);
});`;

const START_MILLISECONDS = 5000;
/** A thread that does not begin says little: it may be the machine. A second one says more. */
const MOST_THREADS = 2;

interface Question {
  pattern: ParsedPattern;
  /** The lines, joined. */
  text: string;
  limit: number;
  /** That were asked so far. */
  threads: number;
  resolve: (answer: MatchAnswer) => void;
  reject: (error: Error) => void;
}

export class PatternGuard {
  readonly #clock: Clock;
  readonly #newThread: (code: string) => Worker;
  /** The first of them is with the thread. */
  readonly #queue: Question[] = [];
  #thread: Worker | undefined;
  #timer: Timer | undefined;
  /** The thread has begun with what it was asked. */
  #hasBegun = false;

  constructor(clock: Clock, newThread: (code: string) => Worker = startThread) {
    this.#clock = clock;
    this.#newThread = newThread;
  }

  /**
   * Which of these lines (without newlines) match the pattern. Rejects with `PatternTooSlow` when matching these lines
   * takes longer than `limit` milliseconds.
   */
  match(
    pattern: string,
    lines: readonly string[],
    limit: number = PATTERN_LIMIT,
  ): Promise<MatchAnswer> {
    if (lines.length === 0) return Promise.resolve({ hits: [], took: 0 });
    return new Promise((resolve, reject) => {
      const text = lines.join("\n");
      const asked = { pattern: parsePattern(pattern), text, limit: Math.max(1, limit) };
      const waiting = this.#queue.push({ ...asked, threads: 0, resolve, reject });
      if (waiting === 1) this.#ask();
    });
  }

  /** Ends the thread, and whatever it was asked fails. Another question would start a new one. */
  close(): void {
    this.#clearTimer();
    this.#dropThread();
    for (const { reject } of this.#queue.splice(0)) {
      reject(new UserError("pattern: OpenCode is closing"));
    }
  }

  #ask(): void {
    this.#clearTimer();
    const [question] = this.#queue;
    if (!question) {
      this.#thread?.unref();
      return;
    }
    const thread = question.threads < MOST_THREADS ? this.#ensureThread() : undefined;
    if (!thread) {
      this.#askHere(question);
      return;
    }
    question.threads += 1;
    this.#hasBegun = false;
    thread.ref();
    this.#setTimer(START_MILLISECONDS);
    thread.postMessage({ ...question.pattern, text: question.text }, []);
  }

  #ensureThread(): Worker | undefined {
    if (this.#thread) return this.#thread;
    try {
      const thread = this.#newThread(THREAD);
      thread.on("message", (message: unknown) => {
        if (thread === this.#thread) this.#heard(message);
      });
      // A turn late: Node tells a busy host of the error before what the thread had said.
      thread.on("error", () => {
        setImmediate(() => {
          if (thread === this.#thread) this.#failed();
        });
      });
      this.#thread = thread;
    } catch {
      // No thread now (too many, no memory).
    }
    return this.#thread;
  }

  #heard(message: unknown): void {
    const [asked] = this.#queue;
    if (!asked) return;
    if (message === "failed") {
      this.#settle(new PatternTooSlow());
      return;
    }
    if (!(message instanceof Float64Array)) {
      this.#hasBegun = true;
      this.#setTimer(asked.limit);
      return;
    }
    const [took = 0, ...hits] = message;
    this.#settle({ hits, took });
  }

  /** The thread broke, does not begin or takes too long. A question that broke it must not come to the host. */
  #failed(): void {
    this.#dropThread();
    if (this.#hasBegun) this.#settle(new PatternTooSlow());
    else this.#ask();
  }

  #askHere({ pattern, text, limit }: Question): void {
    const context = createContext({ question: { ...pattern, text } });
    const start = performance.now();
    try {
      const script = new Script(`${MATCH}; match(question)`);
      const answer: unknown = script.runInContext(context, { timeout: Math.ceil(limit) });
      // Of another realm: no `instanceof Array`.
      const hits = Array.isArray(answer) ? Array.from(answer, Number) : [];
      this.#settle({ hits, took: performance.now() - start });
    } catch {
      this.#settle(new PatternTooSlow());
    }
  }

  #settle(answer: MatchAnswer | PatternTooSlow): void {
    const asked = this.#queue.shift();
    if (answer instanceof Error) asked?.reject(answer);
    else asked?.resolve(answer);
    this.#ask();
  }

  #dropThread(): void {
    const thread = this.#thread;
    this.#thread = undefined;
    // Within a match it may take a while until the thread notices; no caller has to wait for that.
    void thread?.terminate();
  }

  /** A turn late: what the thread said while the host was busy is heard first. */
  #setTimer(milliseconds: number): void {
    this.#clearTimer();
    const timer = this.#clock.after(milliseconds, () => {
      setImmediate(() => {
        if (timer === this.#timer) this.#failed();
      });
    });
    this.#timer = timer;
  }

  #clearTimer(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}

/** Its own code and nothing of ours: no loader, no environment. */
function startThread(code: string): Worker {
  const thread = new Worker(code, { eval: true, execArgv: [], env: {} });
  thread.unref();
  return thread;
}
