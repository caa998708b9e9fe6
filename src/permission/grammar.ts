/**
 * The statements of the plain grammar: shell text in, its simple commands out. Promises: it reads from
 * left to right once, guesses nothing, and throws `Opaque` where the text leaves the grammar or where
 * bash, zsh and dash would read it differently. Nothing is run.
 */
import {
  literalWord,
  match,
  Opaque,
  opaque,
  readBody,
  readWord,
  type Dialect,
  type Word,
} from "./words.js";

export interface Redirect {
  readonly operator: string;
  readonly target: Word;
}

export interface Assignment {
  readonly name: string;
  /** `NAME=value` as written. */
  readonly raw: string;
}

export interface SimpleCommand {
  /** With assignments and redirects, as the host's own tool asks for it. */
  readonly written: string;
  readonly assignments: readonly Assignment[];
  readonly words: readonly Word[];
}

export interface Statements {
  /** In the order in which they start in the text. */
  readonly commands: SimpleCommand[];
  readonly redirects: Redirect[];
  /** Variables of loops. */
  readonly variables: string[];
}

const MAX_DEPTH = 60;
const RESERVED = new Set(
  (
    "{ } ! [[ ]] if then elif else fi for while until do done case esac in select function time coproc " +
    "repeat foreach end nocorrect noglob -"
  ).split(" "),
);
const REDIRECT = /(\d?)(?:(<<-?)(?!<)|(&>>|&>|>>|[<>])(?![<>&|!(]))/y;
const DUPLICATE = /\d?[<>]&(?:\d|-)(?=[ \t\n;&|)]|$)/y;
const BLANKS = /(?:[ \t]+(?:\\\n(?!#))?)+/y;
const KEYWORD = /(?:[a-z]+|[{}!]|\[\[)(?=[ \t\n;&|()]|$)/y;
const COMMENT = /#[^\n]*/y;
const DELIMITER = /(?:([A-Za-z_]\w*)|'(\w+)'|"(\w+)")(?=[ \t\n;&|<>)]|$)/y;
const FUNCTION = /([A-Za-z_][\w-]*)[ \t]*\([ \t]*\)[ \t\n]*(?=\{[ \t\n])/y;
const ASSIGNMENT = /^([A-Za-z_]\w*)=/;

/** Whether the shell takes this word, unquoted, for syntax where a command starts. */
export function isReserved(raw: string): boolean {
  return RESERVED.has(raw);
}

export function readStatements(text: string, dialect: Dialect): Statements {
  const found = { commands: [], redirects: [], variables: [] };
  new StatementReader(text, dialect, found).readAll();
  return found;
}

interface Body {
  readonly delimiter: string;
  readonly quoted: boolean;
  readonly tabs: boolean;
  readonly ended: (end: number) => void;
}

class StatementReader {
  #at = 0;
  #depth: number;
  #pipelines = 0;
  #documents = 0;
  #bodies: Body[] = [];
  readonly #substitutions = {
    parenthesis: (at: number) => this.#substitution(at),
    backticks: (start: number, end: number) => this.#inner(this.text.slice(start, end)).readAll(),
  };
  readonly text: string;
  readonly dialect: Dialect;
  readonly found: Statements;

  constructor(text: string, dialect: Dialect, found: Statements, depth = 0) {
    this.text = text;
    this.dialect = dialect;
    this.found = found;
    this.#depth = depth;
  }

  readAll(): void {
    this.list(0, "");
    this.#assertNoOpenBody();
  }

  /** For text that is cut out of this one. */
  #inner(text: string): StatementReader {
    return new StatementReader(text, this.dialect, this.found, this.#depth);
  }

  /** Statements up to one of `ends`, which is consumed and returned; `""` is the end of the text. */
  list(least: number, ...ends: string[]): string {
    if (++this.#depth > MAX_DEPTH) opaque("code nested too deeply", "write it flatter");
    for (let count = 0; ; count++) {
      this.#skipLines();
      const end = ends.find((it) => this.#isAt(it));
      if (end !== undefined) {
        if (count < least) opaque("an empty list", "write a command in it");
        this.#at += end.length;
        this.#depth--;
        return end;
      }
      if (this.#at >= this.text.length) throw this.#broken();
      this.#andOr();
      this.#skipBlanks();
      if (/[;&\n]/.test(this.#char()) && !this.#isAt(";;")) this.#separator();
      else if (!ends.some((it) => /^(?:|\)|;;)$/.test(it) && this.#isAt(it))) throw this.#broken();
    }
  }

  #assertNoOpenBody(): void {
    if (this.#bodies.length > 0) opaque("a here-document without its end", "close it");
  }

  #separator(): void {
    if (!this.#take(/;(?![;&|])|&(?![&|!>])/y) && this.#char() !== "\n") throw this.#broken();
  }

  #isAt(end: string): boolean {
    if (end === "") return this.#at >= this.text.length;
    if (/^[a-z}]/.test(end)) return match(KEYWORD, this.text, this.#at)?.[0] === end;
    return this.text.startsWith(end, this.#at);
  }

  #andOr(): void {
    for (;;) {
      this.#pipeline();
      this.#skipBlanks();
      if (!this.#take(/&&|\|\|/y)) return;
      this.#skipLines();
    }
  }

  #pipeline(): void {
    this.#pipelines++;
    this.#take(/![ \t]/y);
    for (;;) {
      this.#skipBlanks();
      this.#command();
      this.#skipBlanks();
      if (!this.#take(this.dialect === "posix" ? /\|(?![|&])/y : /\|&?(?!\|)/y)) return;
      this.#skipLines();
    }
  }

  #command(): void {
    const keyword = match(KEYWORD, this.text, this.#at)?.[0] ?? "";
    const compound = this.#compounds.get(keyword);
    const isFunction = match(FUNCTION, this.text, this.#at);
    if (this.#char() === "(") {
      if (this.text[this.#at + 1] === "(") opaque("arithmetic", "write the number");
      this.#compound("(", () => this.list(1, ")"));
    } else if (isFunction && !RESERVED.has(isFunction[1] ?? "")) {
      this.#at += isFunction[0].length + 1;
      this.list(1, "}");
    } else if (compound) this.#compound(keyword, compound);
    else if (keyword === "[[") this.#condition();
    else if (RESERVED.has(keyword) && keyword !== "time")
      opaque(
        `${keyword} at this place`,
        "use if, for, while, case, ( ) or { } in their usual form",
      );
    else this.#simple();
  }

  readonly #compounds: ReadonlyMap<string, () => void> = new Map([
    ["{", () => void this.list(1, "}")],
    ["if", () => this.#if()],
    ["while", () => this.#loop()],
    ["until", () => this.#loop()],
    ["for", () => this.#for()],
    ["case", () => this.#case()],
  ]);

  #compound(opening: string, inside: () => void): void {
    this.#at += opening.length;
    inside();
    for (;;) {
      this.#skipBlanks();
      if (!this.#redirect(() => undefined)) return;
    }
  }

  #if(): void {
    let end = "elif";
    while (end === "elif") {
      this.list(1, "then");
      end = this.list(1, "elif", "else", "fi");
    }
    if (end === "else") this.list(1, "fi");
  }

  #loop(): void {
    this.list(1, "do");
    this.list(1, "done");
  }

  #for(): void {
    const head = this.#take(/[ \t]+([A-Za-z_]\w*)[ \t]+in(?=[ \t;\n])/y);
    if (!head?.[1]) opaque("a loop of another form", "write for NAME in WORDS; do …; done");
    this.found.variables.push(head[1]);
    this.#skipBlanks();
    while (this.#word()) this.#skipBlanks();
    if (!/[;\n]/.test(this.#char())) throw this.#broken();
    this.#separator();
    this.#skipLines();
    if (!this.#isAt("do")) throw this.#broken();
    this.#at += 2;
    this.list(1, "done");
  }

  #case(): void {
    this.#skipBlanks();
    if (!this.#word()) throw this.#broken();
    this.#skipLines();
    if (!this.#isAt("in")) throw this.#broken();
    this.#at += 2;
    for (;;) {
      this.#skipLines();
      if (this.#isAt("esac")) break;
      if (this.#char() === "(") this.#at++;
      this.#casePatterns();
      if (this.list(0, ";;", "esac") === "esac") return;
    }
    this.#at += 4;
  }

  #casePatterns(): void {
    for (;;) {
      this.#skipBlanks();
      const word = this.#word();
      if (!word || word.kind === "many" || word.substitution) throw this.#broken();
      this.#skipBlanks();
      const char = this.#char();
      this.#at++;
      if (char === ")") return;
      if (char !== "|") throw this.#broken();
    }
  }

  /** `[[ … ]]` is read as words and judged like `test`, one `&&` or `||` part at a time. */
  #condition(): void {
    if (this.dialect === "posix") opaque("[[ in a shell without it", "use [ … ]");
    let words: Word[] = [literalWord("[[")];
    const part = () => {
      this.found.commands.push({ written: "", assignments: [], words });
    };
    this.#at += 2;
    for (;;) {
      this.#skipBlanks();
      if (this.#take(/&&|\|\|/y)) {
        part();
        words = words.slice(0, 1);
        continue;
      }
      const operator = this.#take(/==?(?=[ \t])|=~(?=[ \t])/y)?.[0];
      if (operator !== undefined) {
        words.push(literalWord(operator));
        continue;
      }
      const word = this.#word();
      if (!word) opaque("a test of another form", "use [[ A = B ]], [[ -f A ]], && and ||");
      if (word.raw === "]]") break;
      words.push(word);
    }
    part();
  }

  #simple(): void {
    const start = this.#at;
    const assignments: Assignment[] = [];
    const words: Word[] = [];
    // Before the commands of its substitutions, which are read with its words.
    const index = this.found.commands.length;
    const finish = (end: number) => {
      const written = this.text.slice(start, end).trim();
      this.found.commands[index] = { written, assignments, words };
    };
    finish(start);
    let end = start;
    for (;;) {
      this.#skipBlanks();
      if (this.#redirect(finish)) {
        end = this.#at;
        continue;
      }
      const before = this.#at;
      const word = this.#word();
      if (!word) break;
      const [raw = "", name] = (words.length === 0 && ASSIGNMENT.exec(word.raw)) || [];
      if (name !== undefined) assignments.push({ name, raw: word.raw });
      else words.push(word);
      if (raw === "" && words.length === 1 && /^\w+(?:\[|\+=)/.test(word.raw))
        opaque("a subscript or +=", "assign a literal: NAME=value");
      end = this.#at;
      if (/[<>]/.test(this.#char()) && /^(?:\d+|\{.*\})$/.test(this.text.slice(before, end)))
        opaque("a descriptor of this form", "use one digit");
    }
    if (this.#char() === "(") opaque("a parenthesis in a command", "quote it");
    if (end === start) throw this.#broken();
    // There a redirect alone starts a pager.
    if (this.dialect === "zsh" && words.length + assignments.length === 0)
      opaque("a redirect without a command", "write the command");
    finish(end);
  }

  #redirect(finish: (end: number) => void): boolean {
    if (this.#take(DUPLICATE)) return true;
    const found = this.#take(REDIRECT);
    if (!found) {
      if (match(/[<>]|&>/y, this.text, this.#at))
        opaque("a redirect of another form", "use <, >, >>, 2>&1 or <<'END'");
      return false;
    }
    const operator = found[2] ?? found[3] ?? "";
    if (operator.startsWith("&") && this.dialect === "posix")
      opaque("&> in a shell without it", "write > FILE 2>&1");
    this.#skipBlanks();
    if (found[2]) this.#delimiter(operator === "<<-", finish);
    else this.#target(operator);
    return true;
  }

  #target(operator: string): void {
    const target = this.#word();
    if (!target || target.substitution || target.kind === "pattern")
      opaque("a redirect to a computed path", "write the path, or a variable in quotes");
    // zsh reads <1-3> as a pattern, ! as an option and $X:t as a part of the path.
    if (/^(?:[!|]|\d*-\d*$)|\$\w+:[A-Za-z&]/.test(target.raw))
      opaque("a redirect that shells read differently", "quote the path");
    if (target.kind !== "literal" && /^"?\$\{?[@*]/.test(target.raw))
      opaque("a redirect to a computed path", "write the path");
    this.found.redirects.push({ operator, target });
  }

  #delimiter(tabs: boolean, ended: (end: number) => void): void {
    const found = this.#take(DELIMITER);
    const delimiter = found?.[1] ?? found?.[2] ?? found?.[3];
    if (!found || delimiter === undefined)
      opaque("a here-document with an unusual end", "write <<'END'");
    this.#documents++;
    this.#bodies.push({ delimiter, quoted: found[1] === undefined, tabs, ended });
  }

  #readBodies(): void {
    for (const { delimiter, quoted, tabs, ended } of this.#bodies.splice(0)) {
      const end = match(
        new RegExp(`(?:[^\\n]*\\n)*?${tabs ? "\\t*" : ""}${delimiter}(?=\\n|$|\\))`, "y"),
        this.text,
        this.#at,
      );
      if (!end || this.text[this.#at + end[0].length] === ")")
        opaque("a here-document without its end", "put its end on a line of its own");
      const body = end[0].slice(0, end[0].lastIndexOf("\n") + 1);
      if (/(?![\n\t])[\p{Cc}\p{Cs}]/u.test(body)) throw this.#broken();
      if (!quoted) this.#readBody(body);
      this.#at += end[0].length;
      ended(this.#at);
      if (this.#char() === "\n") this.#at++;
    }
  }

  #readBody(body: string): void {
    if (/\\\n/.test(body))
      opaque("a folded line in a here-document", "quote its delimiter: <<'END'");
    readBody(body, this.dialect, this.#inner(body).#substitutions);
  }

  #substitution(at: number): number {
    const [outerAt, outerBodies] = [this.#at, this.#bodies];
    const [pipelines, documents] = [this.#pipelines, this.#documents];
    this.#at = at;
    this.#bodies = [];
    this.list(0, ")");
    this.#assertNoOpenBody();
    // bash prints what it has parsed and parses that again, with the bodies at other places.
    const more = this.#documents - documents;
    if (more > 0 && more + this.#pipelines - pipelines > 2)
      opaque("a here-document beside other commands in $(…)", "use a variable or a file");
    const end = this.#at;
    this.#bodies = outerBodies;
    this.#at = outerAt;
    return end;
  }

  #word(): Word | undefined {
    const read = readWord(this.text, this.#at, this.dialect, this.#substitutions);
    if (!read) return undefined;
    // The shells disagree about where the body of a here-document starts then.
    if (this.#bodies.length > 0 && read.word.raw.includes("\n"))
      opaque("a line's end between a here-document's mark and its body", "put it first");
    this.#at = read.end;
    return read.word;
  }

  #take(pattern: RegExp): RegExpExecArray | undefined {
    const found = match(pattern, this.text, this.#at);
    this.#at += found?.[0].length ?? 0;
    return found;
  }

  #char(): string {
    return this.text.charAt(this.#at);
  }

  #skipBlanks(): void {
    this.#take(BLANKS);
    if (this.#char() !== "#") return;
    if (!/^[ \t\n;]?$/.test(this.text.charAt(this.#at - 1)))
      opaque("a comment at this place", "put it on a line of its own");
    this.#take(COMMENT);
  }

  #skipLines(): void {
    for (;;) {
      this.#skipBlanks();
      if (this.#char() !== "\n") return;
      this.#at++;
      this.#readBodies();
    }
  }

  #broken(): Opaque {
    const near = this.text.slice(this.#at, this.#at + 20);
    const what = near === "" ? "the end of the text" : JSON.stringify(near);
    return new Opaque(`syntax that is not read, at ${what}`, "split it into plain commands");
  }
}
