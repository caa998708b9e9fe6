/**
 * The plain grammar. `unbash` proposes how a text is built; here each node's text, with its children taken out, must
 * match the pattern of its type, so that every character is accounted for. Promises: what is accepted means the same
 * to bash, zsh and dash; all else throws `Opaque`. Nothing is run.
 */
import { forEachChild, parse, type HereDoc, type SyntaxNode } from "unbash";
import { literalWord, opaque, readTable, type Dialect, type Word } from "./words.js";

export interface SimpleCommand {
  /** With assignments and redirects, as the host's own tool asks for it. */
  readonly written: string;
  /** `NAME=value` as written; so are the values of a loop's variable, without words. */
  readonly assignments: readonly string[];
  readonly words: readonly Word[];
}

interface Statements {
  readonly commands: SimpleCommand[];
  readonly redirects: { readonly writes: boolean; readonly target: Word }[];
}

/** What stands for a child is a control character: a text that is read has none. */
const mark = (letter: string) => String.fromCharCode(letter.charCodeAt(0) & 31);

function compile(pattern: string): RegExp {
  const blank = String.raw`[ \t]|(?<=[ \t])\\\n(?!#)`;
  const comment = String.raw`(?<=^|[ \t\n;])#[^\n]*(?=\n|$)`;
  const source = pattern
    .replaceAll("{", String.raw`(?=[ \t\n(])`)
    .replaceAll("X", "N(?:L;|K)N")
    .replaceAll(";", String.raw`_(?:\x3b(?![\x3b&|])|(?:${comment})?\n)`)
    .replaceAll("N", `(?:${blank}|\\n|${comment})*`)
    .replaceAll("_", `(?:${blank})*`)
    .replaceAll("~", `(?:${blank})+`);
  return new RegExp(`^(?:${source.replaceAll(/[A-Z]/g, mark)})$`);
}

/**
 * The text of a node without its children, by its types and its letter as a child. Capitals are children (`B` and `K`:
 * with `&` at the end, `M`: without `;;`), `_` and `~` blanks, `N` lines without commands, `X` a list, `;` the end of
 * a statement, `{` the end of a reserved word.
 */
const NODES = readTable(
  String.raw`
Script CompoundList | L | N(?:S;N|B(?=[ \t\n]|$)N)*(?:SN)?
Statement | S | [CDGQPA](?:_&)?
AndOr | A | [CDGQP](?:_(?:&&|\|\|)N[CDGQP])+
Pipeline | P | (?:!~)?(?:T~C|[CDGQ])(?:_\|N[CDGQ])*
Command | C | [WR](?:~W|_R)*
Redirected | D | [DG](?:_R)+
If | D | if{Xthen{X(?:E;N)*(?:else{X)?fi
Elif | E | elif{Xthen{NL
While | D | (?:while|until){Xdo{Xdone
For | D | for~W~in(?:~W)*;Ndo{Xdone
Case | D | case~W{Nin{N(?:HN)*(?:M;N)?esac
CaseItem | H | \(?_W(?:_\|_W)*_\)N(?:(?:L;?|K)N)?(?:\x3b\x3b)?
Subshell | D | \(N(?:L;?|K)N\)
BraceGroup | G | \x7b{X\}
Function | Q | W_\(_\)NG
CommandExpansion | V | \$\(L\)|\x60L\x60
Redirect HereDoc | R | \d?(?:&>>?|>>?|<)_W
Word Assignment | W |
TestCommand | Q |
Time | T | time(?:~-p)?`,
  ([letter = "", pattern = ""]) => ({ letter, pattern: compile(pattern) }),
);

// zsh would read a subscript, `$#name` a length, and a longer name or number than the others. \x16 is a substitution.
const PARAMETER =
  String.raw`\$(?:[A-Za-z_]\w*(?!\w)|\d(?!\d)|[#$](?![\w{$*@?!#\x16-])|[@*?!])(?!\[|\\\n|\P{ASCII})|\x16|` +
  String.raw`\$\{(?:[A-Za-z_]\w*|\d+|[?#$!@*])(?::?[-+](?:[\w./:@%+,=-]*|'[\w./:@%+,=-]*'))?\}|` +
  String.raw`\$\{[A-Za-z_]\w*(?:##?|%%?)[\w./*?-]+\}`;
const QUOTED = String.raw`"(?:[^"\\$\x60]|\\[^]|\$(?=["\s|).,;/])|${PARAMETER})*"`;
const WORD = String.raw`[\w./:@%+,^=!#~\]*?[-]|(?![\p{Z}\p{C}])\P{ASCII}|'[^']*'|\\[^\n]|\{[\w./:@%+,^=!#~-]*\}|\$(?=[ \t\n)]|$)`;
const BODY = new RegExp(String.raw`^(?:[^\\$\x60]|\\[^\n]|\$(?=["\s|).,;/]|$)|${PARAMETER})*`, "u");
const WORDS = new RegExp(`^(?:${WORD}|${QUOTED}|${PARAMETER})*`, "u");
const QUOTES = /'([^']*)'|\\([^])|"((?:[^"\\]|\\[^])*)"/gu;
const EXPANSION = new RegExp(`${mark("V")}|\\$[\\w{@*?#$!]`);

/** What the text may be where it leaves the grammar, and how to write that plainly; the first that matches. */
const CONSTRUCTS: readonly (readonly [RegExp, string, string])[] = [
  [/^\$?\(\(|^\$\[/, "arithmetic", "write the number"],
  [/^\$'/, "the quoting", "use '…', or printf"],
  [/^(?:\$\{[^}\n]{0,20}\}?|\$.)/s, "the expansion", "use $NAME, ${NAME} or ${NAME:-text}"],
  [/^(?:\d*|\{\w+\})(?:[<>]|&>)/, "a redirect of another form", "use <, >, >>, 2>&1 or <<'END'"],
  [/^\(/, "a parenthesis in a command", "quote it"],
  [/^\\\n/, "a folded line", "fold only behind a blank, and in no here-document"],
  [/^[^\n -~]/u, "the character", "use printable text, with \\n line ends"],
];
const REST = [/^.{0,20}/s, "syntax that is not read,", "quote it, or split it up"] as const;

function fail(text: string): never {
  const [pattern, construct, plainly] = CONSTRUCTS.find(([it]) => it.test(text)) ?? REST;
  const shown = JSON.stringify(pattern.exec(text)?.[0] ?? "");
  const seen = shown.replaceAll(/[^ -~]/gu, (it) => `U+${it.codePointAt(0)?.toString(16)}`);
  opaque(`${construct} ${seen}`, plainly);
}

/** What the shell takes, unquoted, for syntax where a command starts. */
export const RESERVED =
  /^(?:[-{}!]|\[\[|\]\]|if|then|elif|else|fi|for|while|until|do|done|case|esac|in|select|function|time|coproc|repeat|foreach|end|nocorrect|noglob)$/;

export const readStatements = (text: string, dialect: Dialect) => new Walk(text, dialect).found;

class Walk {
  readonly found: Statements = { commands: [], redirects: [] };
  #documents = 0;
  /** The bodies of here-documents, with their ends. */
  readonly #holes: { pos: number; end: number; mark: string }[] = [];
  readonly #text: string;
  readonly #dialect: Dialect;

  constructor(text: string, dialect: Dialect) {
    [this.#text, this.#dialect] = [text, dialect];
    const odd = /(?![\n\t])[\p{Cc}\p{Cs}]/u.exec(text);
    if (odd) fail(odd[0]);
    const script = parse(text);
    this.#findHoles(script);
    this.#walk(script);
  }

  #raw({ pos, end }: Pick<SyntaxNode, "pos" | "end">): string {
    return this.#text.slice(pos, end);
  }

  #findHoles(node: SyntaxNode, depth = 0): void {
    if (depth > 500) opaque("code nested too deeply", "write it flatter");
    if (node.type === "Script" && (node.errors?.length || node.source !== undefined))
      fail(this.#text.slice(node.errors?.[0]?.pos ?? node.pos));
    if (node.type === "HereDoc" && node.closing)
      this.#holes.push({ pos: node.body.pos, end: node.closing.end, mark: " " });
    forEachChild(node, (child) => this.#findHoles(child, depth + 1));
  }

  #walk(node: SyntaxNode, before?: SyntaxNode): void {
    const raw = this.#raw(node);
    const isBackticks = node.type === "CommandExpansion" && raw.startsWith("`");
    if (/^\$?\(\(/.test(raw) || (isBackticks && /[`\\"#]/.test(raw.slice(1, -1)))) fail(raw);
    if (node.type === "TestCommand") return this.#condition(node);
    if (node.type === "Command")
      return this.#command(node, before?.type === "Time" ? before : undefined);
    if (node.type === "Redirect") return this.#redirect(node);
    if (node.type === "HereDoc") return void this.#document(node);
    if (node.type === "Word") return void this.#word(node);
    const [children, text] = this.#outline(node);
    if (!NODES.get(node.type)?.pattern.test(text)) fail(`${node.type.toLowerCase()}: ${raw}`);
    if (node.type === "Function" && !/^[A-Za-z_][\w-]*$/.test(node.name.text)) fail(raw);
    if (node.type === "Function" && RESERVED.test(node.name.text)) fail(raw);
    if (node.type === "For") {
      const assignments = children.slice(0, -1).map((it) => `${node.name.text}=${this.#raw(it)}`);
      this.found.commands.push({ written: "", assignments, words: [] });
    }
    const [commands, documents] = [this.found.commands.length, this.#documents];
    for (const [index, child] of children.entries()) this.#walk(child, children[index - 1]);
    // bash prints what it has parsed and parses that again, with the bodies at other places.
    if (node.type !== "CommandExpansion" || this.#documents === documents) return;
    const more = this.found.commands.length - commands + this.#documents - documents;
    if (more > 2 || node.script?.commands.some(({ command }) => command.type !== "Command"))
      opaque("a here-document beside other commands in $(…)", "use a variable or a file");
  }

  #children(node: SyntaxNode, wanted?: SyntaxNode["type"]): SyntaxNode[] {
    const children: SyntaxNode[] = [];
    forEachChild(node, (child) => {
      if (wanted === undefined ? !/^(?:Neg|FileD)/.test(child.type) : child.type === wanted)
        children.push(child);
      else if (wanted !== undefined) children.push(...this.#children(child, wanted));
    });
    return children;
  }

  /** The children of a node, and its text with their marks in their places. */
  #outline(node: SyntaxNode, wanted?: SyntaxNode["type"]): [SyntaxNode[], string] {
    const children = this.#children(node, wanted);
    const isLong = this.#raw(node).includes("\n");
    const holes = this.#holes.filter((it) => isLong && node.pos < it.pos && it.end <= node.end);
    const cuts = children.map((it) => ({ pos: it.pos, end: it.end, mark: this.#mark(it) }));
    let [at, text] = [node.pos, ""];
    for (const cut of [...cuts, ...holes].sort((a, b) => a.pos - b.pos)) {
      if (cut.pos < at) continue;
      // A body that begins within a word.
      if (wanted !== undefined && cut.mark === " ") fail("<<");
      text += this.#text.slice(at, cut.pos) + cut.mark;
      at = cut.end;
    }
    return [children, text + this.#text.slice(at, node.end)];
  }

  #mark(node: SyntaxNode): string {
    if (node.type === "Statement" && node.background) return mark("B");
    if (node.type === "CaseItem" && node.terminator !== ";;") return mark("M");
    if (node.type === "CompoundList" && node.commands.length === 0) return "";
    if (node.type === "CompoundList" && node.commands.at(-1)?.background) return mark("K");
    return mark(NODES.get(node.type)?.letter ?? "Z");
  }

  /** @param time The reserved word before it, which is a command like others to rules. */
  #command(node: SyntaxNode, time?: SyntaxNode): void {
    const assignments: string[] = [];
    const words = time ? (this.#raw(time).match(/\S+/g) ?? []).map(literalWord) : [];
    // Before the commands of its substitutions, which are read with its words.
    const index = this.found.commands.push({ written: "", assignments, words }) - 1;
    const [children, text] = this.#outline(node);
    if (!NODES.get("Command")?.pattern.test(text)) fail(this.#text.slice(node.pos));
    let end = node.end;
    for (const child of children) {
      if (child.type === "HereDoc") end = Math.max(end, this.#document(child));
      else if (child.type === "Redirect") this.#redirect(child);
      else {
        const word = this.#word(child);
        if (words.length === 0 && /^[A-Za-z_]\w*=/.test(word.raw)) assignments.push(word.raw);
        else if (words.push(word) === 1 && /^\w+(?:\[|\+=)/.test(word.raw))
          opaque("a subscript or +=", "assign a literal: NAME=value");
      }
    }
    // There a redirect alone starts a pager.
    if (this.#dialect === "zsh" && words.length + assignments.length === 0)
      opaque("a redirect without a command", "write the command");
    const written = this.#text.slice((time ?? node).pos, end).trim();
    this.found.commands[index] = { written, assignments, words };
  }

  /** `[[ … ]]` is read as words and judged like `test`, one `&&` or `||` part at a time. */
  #condition(node: SyntaxNode): void {
    if (this.#dialect === "posix") opaque("[[ in a shell without it", "use [ … ]");
    const [children, text] = this.#outline(node, "Word");
    const parts: Word[][] = [[literalWord("[[")]];
    const inside = /^\[\[[ \t]+([^\n]*?)[ \t]+\]\]$/.exec(text)?.[1] ?? "(";
    for (const token of inside.split(/[ \t]+/)) {
      const child = token === mark("W") ? children.shift() : undefined;
      if (/^(?:&&|\|\|)$/.test(token)) parts.push([literalWord("[[")]);
      else if (/^(?:-\w+|==?|!=|=~|!)$/.test(token)) parts.at(-1)?.push(literalWord(token));
      else if (child && !/[()]/.test(this.#raw(child))) parts.at(-1)?.push(this.#word(child));
      else opaque("a test of another form", "use [[ A = B ]], [[ -f A ]], && and ||");
    }
    for (const words of parts) this.found.commands.push({ written: "", assignments: [], words });
  }

  #redirect(node: SyntaxNode): void {
    const raw = this.#raw(node);
    if (/^\d/.test(raw) && !/^\s?$/.test(this.#text.charAt(node.pos - 1))) fail(raw);
    if (/^\d?[<>]&[\d-]$/.test(raw)) return;
    const [[child], text] = this.#outline(node);
    if (!child || !NODES.get("Redirect")?.pattern.test(text)) fail("<");
    if (/^\d?&/.test(text) && this.#dialect === "posix")
      opaque("&> in a shell without it", "write > FILE 2>&1");
    const target = this.#word(child);
    // zsh reads <1-3> as a pattern and ! as an option; what a default or an argument says is not known.
    const isOdd = /^"?\$\{?[@*]|^(?:[!|]|\d*-\d*$)|\$\{?\d|\$\{\w+:?[-+]/.test(target.raw);
    if (target.substitution || target.kind === "pattern" || isOdd)
      opaque("a redirect to a computed path", "write the path in quotes");
    this.found.redirects.push({ writes: text.includes(">"), target });
  }

  /** Returns where the here-document ends. */
  #document({ pos, end, body, closing }: HereDoc): number {
    const [form, tabs, bare, single, double] =
      /^<<(-?)[ \t]*(?:([A-Za-z_]\w*)|'(\w+)'|"(\w+)")$/.exec(this.#text.slice(pos, end)) ?? [];
    if (form === undefined || !closing)
      opaque("a here-document with an unusual end", "write <<'END'");
    const last = `${tabs ? "\\t*" : ""}${bare ?? single ?? double}`;
    const whole = new RegExp(`^(?:[^\\n]*\\n)*?${last}(?=\\n|$)`).exec(this.#text.slice(body.pos));
    // The shells disagree about where the body starts when a word goes on in the next line.
    const between = this.#text.slice(end, body.pos);
    if (whole?.[0].length !== closing.end - body.pos || !/^[^\n]*\n$/.test(between))
      opaque("a here-document whose body is not the next lines", "put it last in its line");
    this.#documents++;
    if (bare !== undefined) this.#read(body, BODY);
    return closing.end;
  }

  /** Text with expansions, and what is in them; returns it with marks for the substitutions. */
  #read(node: SyntaxNode, pattern: RegExp): string {
    const [children, text] = this.#outline(node, "CommandExpansion");
    const length = pattern.exec(text)?.[0].length ?? 0;
    if (length < text.length) fail(text.slice(length));
    if (this.#dialect === "zsh" && /\$[\w?!#$*@]+:[A-Za-z&\\]/.test(text))
      opaque("a modifier behind a variable", "write ${NAME}:text");
    for (const child of children) this.#walk(child);
    return text;
  }

  #word(node: SyntaxNode): Word {
    const raw = this.#raw(node);
    if (this.#dialect === "zsh" && /^=./.test(raw))
      opaque("a word that starts with =", "quote it: zsh puts a program's path there");
    if (/^(?:\w+=)?~[^/]/.test(raw)) opaque("~ with a name", "write the folder's path");
    const text = this.#read(node, WORDS);
    if (raw === "[") return literalWord(raw);
    const substitution = text.includes("\x16");
    const bare = text.replaceAll(QUOTES, "");
    if (bare.endsWith("$") && !/^[\s)]?$/.test(this.#text.charAt(node.end))) fail("$ ");
    const doubles = Array.from(text.matchAll(QUOTES), (it) => it[3] ?? "");
    const quoted = doubles.join(" ").replaceAll(/\\[^]/g, "");
    const isMany = EXPANSION.test(bare) || /\$\{?[@*]/.test(quoted);
    if (isMany || EXPANSION.test(quoted))
      return { raw, value: undefined, kind: isMany ? "many" : "one", substitution };
    const value = text.replaceAll(
      QUOTES,
      (_all, single?: string, escaped?: string, double = "") =>
        single ?? escaped ?? double.replaceAll(/\\(?:([$`"\\])|\n)/g, "$1"),
    );
    const isPattern = /[*?[]|\{[^}]*(?:,|\.\.)/.test(bare);
    return { raw, value, kind: isPattern ? "pattern" : "literal", substitution };
  }
}
