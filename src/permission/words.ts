/**
 * The words of the plain grammar, read from the text character by character. Promises: what it accepts
 * is one word with this meaning to bash, zsh and dash alike; all else throws `Opaque`.
 */

/** The language of the shell that will run the text; `posix`: sh, dash and ash. */
export type Dialect = "bash" | "zsh" | "posix";

/** Thrown where text leaves the plain grammar. */
export class Opaque extends Error {
  override readonly name = "Opaque";

  /** @param plainly How to write the same without this construct. */
  constructor(construct: string, plainly: string) {
    super(`${construct}; ${plainly}`);
  }
}

export function opaque(construct: string, plainly: string): never {
  throw new Opaque(construct, plainly);
}

export interface Word {
  /** As written. */
  readonly raw: string;
  /** Without quotes; for a pattern as written; `undefined` where something is expanded. */
  readonly value: string | undefined;
  /**
   * `literal`: this text. `pattern`: glob or braces. `one`: exactly one word with something expanded in
   * double quotes. `many`: any number of words.
   */
  readonly kind: "literal" | "pattern" | "one" | "many";
  /** Holds a command substitution. */
  readonly substitution: boolean;
}

export function literalWord(raw: string): Word {
  return { raw, value: raw, kind: "literal", substitution: false };
}

/** The value of a word that is what it says, whatever files and variables there are. */
export function literal(word: Word | undefined): string | undefined {
  return word?.kind === "literal" ? word.value : undefined;
}

/** A word of which nothing is known, such as the arguments that `xargs` adds. */
export const UNKNOWN_WORD: Word = { raw: "", value: undefined, kind: "many", substitution: false };

const NEEDS_NO_QUOTES = /^[\w./:=@%+,~^-]+$/;

/** The word as a rule would spell it: needless quotes removed, needed ones kept as they are. */
export function spell(word: Word): string {
  return word.value !== undefined && NEEDS_NO_QUOTES.test(word.value) ? word.value : word.raw;
}

/** Reads the commands of a substitution. */
export interface Substitutions {
  /** `at` is behind `$(`; returns the index behind the closing parenthesis. */
  readonly parenthesis: (at: number) => number;
  /** The text between two backticks, which holds neither backslash nor quote. */
  readonly backticks: (start: number, end: number) => void;
}

// The sticky patterns below are tried at one index each; see `match`.
const UNQUOTED = /(?:[\w./:@%+,^=!#~\]-]|(?![\p{Z}\p{C}])\P{ASCII})+/uy;
const SINGLE = /'((?:(?![\p{Cc}\p{Cs}])[^']|[\n\t])*)'/uy;
const ANSI_C = /\$'((?:(?![\p{Cc}\p{Cs}])[^'\\]|\\[nt\\"])*)'/uy;
const ESCAPED = /\\((?![\p{Cc}\p{Cs}]).)/uy;
const GLOB = /[*?[]/y;
const BRACES = /\{(?:[\w./:@%+,^=!#~-])*\}/y;
const QUOTED = /(?:(?![\p{Cc}\p{Cs}])[^"\\$`]|[\n\t]|\\(?![$`"\\\n]))+/uy;
const BODY = /(?:(?![\p{Cc}\p{Cs}])[^\\$`]|[\n\t]|\\(?![$`\\\n]))+/uy;
const QUOTED_ESCAPE = /\\([$`"\\]|\n)/y;
const LONE_DOLLAR = /\$(?=["\s|).,;/]|$)/y;
const BARE_DOLLAR = /\$(?=[ \t\n)]|$)/y;
const BACKTICKS = /`([^`\\"#]*)`/y;
const PARAMETER = /\$(?:[A-Za-z_]\w*|[0-9@*?#$!])/y;
const BRACED =
  /\$\{(?:[A-Za-z_]\w*|\d+|[?#$!@*])(?::?[-+](?:[\w./:@%+,=-]*|'[\w./:@%+,=-]*'))?\}|\$\{[A-Za-z_]\w*(?:##?|%%?)[\w./*?-]+\}/y;
// zsh would read a subscript, `$#name` a length, and a longer name or number than the others.
const GOES_ON = /^(?:\[|\P{ASCII})/u;

export function match(pattern: RegExp, text: string, at: number): RegExpExecArray | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text) ?? undefined;
}

/** Reads one word at `at`; returns `undefined` where none starts. */
export function readWord(
  text: string,
  at: number,
  dialect: Dialect,
  inner: Substitutions,
): { word: Word; end: number } | undefined {
  const reader = new WordReader(text, at, dialect, inner);
  reader.readAll();
  return reader.at === at ? undefined : { word: reader.word(at), end: reader.at };
}

/** The body of a here-document whose delimiter is not quoted. */
export function readBody(text: string, dialect: Dialect, inner: Substitutions): void {
  const reader = new WordReader(text, 0, dialect, inner);
  reader.readQuoted(BODY, undefined);
}

class WordReader {
  #value = "";
  #expanded = false;
  #many = false;
  #pattern = false;
  #substitution = false;

  at: number;
  readonly text: string;
  readonly dialect: Dialect;
  readonly inner: Substitutions;

  constructor(text: string, at: number, dialect: Dialect, inner: Substitutions) {
    this.text = text;
    this.at = at;
    this.dialect = dialect;
    this.inner = inner;
  }

  word(start: number): Word {
    const raw = this.text.slice(start, this.at);
    if (this.dialect === "zsh" && /^=./.test(raw))
      opaque("a word that starts with =", "quote it: zsh puts a program's path there");
    if (/^~[^/]/.test(raw)) opaque("~ with a name", "write the folder's path");
    if (raw === "[") return literalWord(raw);
    const substitution = this.#substitution;
    if (this.#expanded)
      return { raw, value: undefined, kind: this.#many ? "many" : "one", substitution };
    return { raw, value: this.#value, kind: this.#pattern ? "pattern" : "literal", substitution };
  }

  /** Everything up to a blank or an operator. */
  readAll(): void {
    for (;;) {
      const char = this.text.charAt(this.at);
      if (char === "" || /[ \t\n;&|<>()]/.test(char)) return;
      if (this.#take(UNQUOTED) || this.#take(SINGLE, 1) || this.#take(ESCAPED, 1)) continue;
      if (char === '"') {
        this.at++;
        this.readQuoted(QUOTED, '"');
        this.at++;
      } else if (char === "$" || char === "`") this.#readExpansion(true);
      else if (this.#take(GLOB)) this.#pattern = true;
      else if (char === "{") this.#readBraces();
      else throw this.#unreadable(char);
    }
  }

  readQuoted(plain: RegExp, end: '"' | undefined): void {
    for (;;) {
      const char = this.text.charAt(this.at);
      if (char === end || (char === "" && end === undefined)) return;
      if (this.#take(plain)) continue;
      if (char === "\\" && this.#take(QUOTED_ESCAPE, 1)) {
        if (this.#value.endsWith("\n")) this.#value = this.#value.slice(0, -1);
      } else if (char === "$" || char === "`") this.#readExpansion(false);
      else if (char === "") opaque("a quote that does not end", "close it");
      else throw this.#unreadable(char);
    }
  }

  #readExpansion(unquoted: boolean): void {
    const { text, at } = this;
    if (unquoted && text.startsWith("$'", at) && this.dialect !== "posix") return this.#readAnsiC();
    if (this.#take(unquoted ? BARE_DOLLAR : LONE_DOLLAR)) return;
    this.#expanded = true;
    this.#many ||= unquoted;
    const backticks = match(BACKTICKS, text, at);
    if (text.startsWith("$((", at) || text.startsWith("$[", at))
      opaque("arithmetic", "write the number");
    if (text.startsWith("$(", at)) {
      this.#substitution = true;
      this.at = this.inner.parenthesis(at + 2);
    } else if (backticks) {
      this.#substitution = true;
      this.at = at + backticks[0].length;
      this.inner.backticks(at + 1, this.at - 1);
    } else this.#readParameter();
  }

  #readParameter(): void {
    const { text, at } = this;
    const found = match(BRACED, text, at)?.[0] ?? match(PARAMETER, text, at)?.[0];
    if (found === undefined) {
      const shown = /^\$\{[^}\n]{0,20}\}?|^\$?./su.exec(text.slice(at))?.[0] ?? "$";
      opaque(`the expansion ${shown}`, "use $NAME, ${NAME} or ${NAME:-text}");
    }
    this.#many ||= /^\$\{?[@*]/.test(found);
    this.at += found.length;
    const rest = text.slice(this.at, this.at + 1);
    const ambiguous = /^\$\d$/.test(found)
      ? /\d/
      : found === "$#" || found === "$$"
        ? /[\w{$*@?!#-]/
        : undefined;
    if (!found.endsWith("}") && (GOES_ON.test(rest) || ambiguous?.test(rest)))
      opaque(`${rest} behind ${found}`, "put braces round the name: ${NAME}");
  }

  #readAnsiC(): void {
    const found = match(ANSI_C, this.text, this.at);
    if (!found) opaque("an escape in $'…'", "use a plain quote");
    this.at += found[0].length;
    const plain: Record<string, string> = { "\\n": "\n", "\\t": "\t" };
    this.#value += (found[1] ?? "").replaceAll(/\\./g, (it) => plain[it] ?? it.slice(1));
  }

  #readBraces(): void {
    const start = this.at;
    if (!this.#take(BRACES)) opaque("a brace", "quote it, or write a plain list {a,b}");
    this.#pattern ||= /,|\.\./.test(this.text.slice(start, this.at));
  }

  #take(pattern: RegExp, group = 0): boolean {
    const found = match(pattern, this.text, this.at);
    if (!found) return false;
    this.#value += found[group] ?? "";
    this.at += found[0].length;
    return true;
  }

  #unreadable(char: string): Opaque {
    if (char === "\\") return new Opaque("a folded line", "fold only behind a blank");
    if (char === "'") return new Opaque("a quote that does not end", "close it");
    if (char === "}") return new Opaque("a brace", "quote it");
    const code = char.charCodeAt(0).toString(16).padStart(4, "0");
    return new Opaque(
      `the character U+${code.toUpperCase()}`,
      "use printable text, with \\n line ends",
    );
  }
}
