/**
 * The plain grammar. `unbash` proposes how a text is built; here each node's text, with its children taken out, must
 * match the pattern of its type, so that every character is accounted for. Promises: what is accepted means the same
 * to bash, zsh and dash; all else throws `Opaque`. Nothing is run.
 */
import { forEachChild, parse, type HereDoc, type SyntaxNode } from "unbash";
import { literalWord, opaque, type Dialect, type Word } from "./words.js";

export interface SimpleCommand {
  /** With assignments and redirects, as the host's own tool asks for it. */
  readonly written: string;
  /** `NAME=value` as written; a loop's variable is `NAME=` without words. */
  readonly assignments: readonly string[];
  readonly words: readonly Word[];
}

export interface Statements {
  /** In the order in which they start in the text. */
  readonly commands: SimpleCommand[];
  readonly redirects: { readonly writes: boolean; readonly target: Word }[];
}

/** What stands for a child in the text around it: a control character, of which a text that is read has none. */
function mark(letter: string): string {
  return String.fromCharCode(letter.charCodeAt(0) & 31);
}

/** Capitals are children, `_` and `~` blanks, `N` lines without commands, `X` a list, `;` a statement's end. */
function compile(pattern: string): RegExp {
  const blank = String.raw`[ \t]|(?<=[ \t])\\\n(?!#)`;
  const comment = String.raw`(?<=^|[ \t\n;])#[^\n]*(?=\n|$)`;
  const source = pattern
    .replaceAll("X", "N(?:L;|K)N")
    .replaceAll(";", String.raw`_(?:\x3b(?![\x3b&|])|(?:${comment})?\n)`)
    .replaceAll("N", `(?:${blank}|\\n|${comment})*`)
    .replaceAll("_", `(?:${blank})*`)
    .replaceAll("~", `(?:${blank})+`);
  return new RegExp(`^(?:${source.replaceAll(/[A-Z]/g, mark)})$`);
}

const LIST = String.raw`N(?:S;N|B(?=[ \t\n]|$)N)*S?N`;
/** The text of a node without its children, by the type of the node: its mark as a child, and the pattern. */
const NODES = new Map(
  [
    ["Script", "L", LIST],
    ["CompoundList", "L", LIST],
    ["Statement", "S", "[CDGQPA](?:_&)?"],
    ["AndOr", "A", String.raw`[CDGQP](?:_(?:&&|\|\|)N[CDGQP])+`],
    ["Pipeline", "P", String.raw`(?:!~)?(?:T~C|[CDGQ])(?:_\|&?N[CDGQ])*`],
    ["Command", "C", "[WRF](?:~[WF]|_R)*"],
    ["Redirected", "D", "[DG](?:~F|_R)+"],
    ["If", "D", "if{Xthen{X(?:E;N)*(?:else{X)?fi"],
    ["Elif", "E", "elif{Xthen{NL"],
    ["While", "D", "(?:while|until){Xdo{Xdone"],
    ["For", "D", "for~W~in(?:~W)*;Ndo{Xdone"],
    ["Case", "D", "case~W{Nin{N(?:HN)*(?:M;N)?esac"],
    ["CaseItem", "H", String.raw`\(?_W(?:_\|_W)*_\)N(?:(?:L;?|K)N)?(?:\x3b\x3b)?`],
    ["Subshell", "D", String.raw`\((?!\()N(?:L;?|K)N\)`],
    ["BraceGroup", "G", String.raw`\{{X\}`],
    ["Function", "Q", String.raw`W_\(_\)NG`],
    ["CommandExpansion", "V", String.raw`\$\((?!\()L\)|` + "`L`"],
    ["Word", "W", ""],
    ["Assignment", "W", ""],
    ["HereDoc", "R", ""],
    ["TestCommand", "Q", ""],
    ["Time", "T", ""],
    ["Redirect", "R", String.raw`\d?(?:&>>?|>>?|<)_W`],
  ].map(([type = "", letter = "", pattern = ""]) => {
    const text = compile(pattern.replaceAll(/(?<!\\)\{/g, String.raw`(?=[ \t\n(])`));
    return [type, { letter, text }] as const;
  }),
);

// zsh would read a subscript, `$#name` a length, and a longer name or number than the others.
const PARAMETER =
  /\$(?:[A-Za-z_]\w*(?!\w)|\d(?!\d)|[#$](?![\w{$*@?!#\x16-])|[@*?!])(?!\[|\P{ASCII})|\$\{(?:[A-Za-z_]\w*|\d+|[?#$!@*])(?::?[-+](?:[\w./:@%+,=-]*|'[\w./:@%+,=-]*'))?\}|\$\{[A-Za-z_]\w*(?:##?|%%?)[\w./*?-]+\}|\x16/u
    .source;
const QUOTED = String.raw`"(?:[^"\\$\x60]|\\[^]|\$(?=["\s|).,;/])|${PARAMETER})*"`;
const WORD = String.raw`(?:[\w./:@%+,^=!#~\]*?[-]|(?![\p{Z}\p{C}])\P{ASCII}|'[^']*'|\\[^\n]|\{[\w./:@%+,^=!#~-]*\}|\$(?=[ \t\n)]|$)|${QUOTED}|${PARAMETER}`;
const BODY = new RegExp(String.raw`^(?:[^\\$\x60]|\\[^\n]|\$(?=["\s|).,;/]|$)|${PARAMETER})*`, "u");
const WORDS = {
  posix: new RegExp(`^${WORD})*`, "u"),
  other: new RegExp(`^${WORD}|${String.raw`\$'(?:[^'\\]|\\[nt\\"])*'`})*`, "u"),
};
const QUOTES = /\$'((?:[^'\\]|\\[^])*)'|'([^']*)'|\\([^])|"((?:[^"\\]|\\[^])*)"/gu;
const EXPANSION = /\x16|\$[\w{@*?#$!]/;

/** What the text may be where it leaves the grammar, and how to write that plainly; the first that matches. */
const CONSTRUCTS: readonly (readonly [RegExp, string, string])[] = [
  [/^\$?\(\(|^\$\[/, "arithmetic", "write the number"],
  [/^\$\{[^}\n]{0,20}\}?|^\$./s, "the expansion", "use $NAME, ${NAME} or ${NAME:-text}"],
  [/^(?:\d*|\{\w+\})(?:[<>]|&>)/, "a redirect of another form", "use <, >, >>, 2>&1 or <<'END'"],
  [/^\(/, "a parenthesis in a command", "quote it"],
  [/^\\\n/, "a folded line", "fold only behind a blank, and in no here-document"],
  [/^[{}]/, "a brace", "quote it, or write a plain list {a,b}"],
  [/^[^\n -~]/u, "the character", "use printable text, with \\n line ends"],
];

/** Whether the shell takes this word, unquoted, for syntax where a command starts. */
export function isReserved(raw: string): boolean {
  return /^(?:[-{}!]|\[\[|\]\]|if|then|elif|else|fi|for|while|until|do|done|case|esac|in|select|function|time|coproc|repeat|foreach|end|nocorrect|noglob)$/.test(
    raw,
  );
}

function fail(text: string): never {
  for (const [pattern, construct, plainly] of CONSTRUCTS) {
    const shown = pattern.exec(text)?.[0];
    if (shown === undefined) continue;
    const code = shown.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0");
    const what = { "the expansion": ` ${shown}`, "the character": ` U+${code}` }[construct] ?? "";
    opaque(construct + what, plainly);
  }
  const near = JSON.stringify(text.slice(0, 20));
  opaque(`syntax that is not read, at ${near}`, "quote it, or split it into plain commands");
}

export function readStatements(text: string, dialect: Dialect): Statements {
  const odd = /(?![\n\t])[\p{Cc}\p{Cs}]/u.exec(text);
  if (odd) fail(odd[0]);
  return new Walk(text, dialect).found;
}

class Walk {
  readonly found: Statements = { commands: [], redirects: [] };
  #documents = 0;
  /** The bodies of here-documents, with their ends. */
  readonly #holes: { pos: number; end: number }[] = [];
  readonly #text: string;
  readonly #dialect: Dialect;

  constructor(text: string, dialect: Dialect) {
    this.#text = text;
    this.#dialect = dialect;
    const script = parse(text);
    this.#findHoles(script);
    this.#walk(script);
  }

  #findHoles(node: SyntaxNode): void {
    if (node.type === "HereDoc" && node.closing)
      this.#holes.push({ pos: node.body.pos, end: node.closing.end });
    forEachChild(node, (child) => this.#findHoles(child));
  }

  /** Looks at a node and at all in it. */
  #walk(node: SyntaxNode): void {
    if (node.type === "Script" && (node.errors?.length || node.source !== undefined))
      fail(this.#text.slice(node.errors?.[0]?.pos ?? node.pos, node.end));
    const raw = this.#text.slice(node.pos, node.end);
    if (/^\$?\(\(/.test(raw)) fail(raw);
    if (node.type === "Command") return this.#command(node.pos, node);
    if (node.type === "TestCommand") return this.#condition(node);
    if (node.type === "Redirect") return this.#redirect(node);
    if (node.type === "HereDoc") return void this.#document(node);
    if (node.type === "Word") return void this.#word(node);
    const [children, text] = this.#outline(node);
    if (!NODES.get(node.type)?.text.test(text)) {
      const name = node.type.replaceAll(/\B[A-Z]/g, " $&").toLowerCase();
      fail(name.startsWith("arithmetic") ? "((" : `${name}: ${this.#text.slice(node.pos)}`);
    }
    if (this.#dialect === "posix" && node.type === "Pipeline" && text.includes("|&"))
      opaque("|& in a shell without it", "write 2>&1 |");
    const name = node.type === "For" || node.type === "Function" ? node.name.text : undefined;
    if (name !== undefined && (!/^[A-Za-z_][\w-]*$/.test(name) || isReserved(name))) fail(name);
    if (node.type === "For")
      this.found.commands.push({ written: "", assignments: [`${name}=`], words: [] });
    const [before, documents] = [this.found.commands.length, this.#documents];
    const time =
      node.type === "Pipeline" ? children.find(({ type }) => type === "Time") : undefined;
    for (const child of children)
      if (child.type === "Command" && time && child === children[1])
        this.#command(time.pos, child, this.#text.slice(time.pos, time.end).split(/[ \t]+/));
      else if (child.type !== "Time") this.#walk(child);
    // bash prints what it has parsed and parses that again, with the bodies at other places.
    if (node.type !== "CommandExpansion" || this.#documents === documents) return;
    const isOne = node.script?.commands.every(({ command }) => command.type === "Command");
    if (!isOne || this.found.commands.length - before + this.#documents - documents > 2)
      opaque("a here-document beside other commands in $(…)", "use a variable or a file");
  }

  #children(node: SyntaxNode, wanted?: SyntaxNode["type"]): SyntaxNode[] {
    const children: SyntaxNode[] = [];
    forEachChild(node, (child) => {
      if (wanted ? child.type === wanted : !/^(?:Negation|FileDescriptor)$/.test(child.type))
        children.push(child);
      else if (wanted) children.push(...this.#children(child, wanted));
    });
    return children;
  }

  /** The children of a node, and its text with their marks in their places. */
  #outline(node: SyntaxNode, wanted?: SyntaxNode["type"]): [SyntaxNode[], string] {
    const children = this.#children(node, wanted);
    const holes = this.#holes.filter(({ pos, end }) => node.pos < pos && end <= node.end);
    const cuts = [
      ...children.map((child) => ({ pos: child.pos, end: child.end, mark: this.#mark(child) })),
      ...holes.map((hole) => ({ ...hole, mark: " " })),
    ].sort((a, b) => a.pos - b.pos);
    let [at, text] = [node.pos, ""];
    for (const cut of cuts) {
      if (cut.pos < at) continue;
      text += this.#text.slice(at, cut.pos) + cut.mark;
      at = cut.end;
    }
    return [children, text + this.#text.slice(at, node.end)];
  }

  #mark(node: SyntaxNode): string {
    const letter = NODES.get(node.type)?.letter ?? "Z";
    const last = node.type === "CompoundList" ? node.commands.at(-1) : node;
    if (node.type === "CompoundList" && !last) return "";
    if (last?.type === "Statement" && last.background) return mark(node === last ? "B" : "K");
    if (node.type === "CaseItem" && node.terminator !== ";;") return mark("M");
    return mark(letter === "R" && /\d/.test(this.#text.charAt(node.pos)) ? "F" : letter);
  }

  #command(start: number, node: SyntaxNode, before: readonly string[] = []): void {
    const assignments: string[] = [];
    const words = before.map(literalWord);
    // Before the commands of its substitutions, which are read with its words.
    const index = this.found.commands.push({ written: "", assignments, words }) - 1;
    const [children, text] = this.#outline(node);
    if (!NODES.get("Command")?.text.test(text)) fail(this.#text.slice(node.pos));
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
    const written = this.#text.slice(start, end).trim();
    this.found.commands[index] = { written, assignments, words };
  }

  /** `[[ … ]]` is read as words and judged like `test`, one `&&` or `||` part at a time. */
  #condition(node: SyntaxNode): void {
    if (this.#dialect === "posix") opaque("[[ in a shell without it", "use [ … ]");
    const [children, text] = this.#outline(node, "Word");
    const [, inside] = /^\[\[[ \t]+([^\n]*)[ \t]\]\]$/.exec(text) ?? [];
    const parts: Word[][] = [[]];
    for (const token of inside?.trim().split(/[ \t]+/) ?? ["("]) {
      const child = token === mark("W") ? children.shift() : undefined;
      if (/^(?:&&|\|\|)$/.test(token)) parts.push([]);
      else if (child && !/[()]/.test(this.#text.slice(child.pos, child.end)))
        parts.at(-1)?.push(this.#word(child));
      else if (/^(?:-\w+|==?|!=|=~|!)$/.test(token)) parts.at(-1)?.push(literalWord(token));
      else opaque("a test of another form", "use [[ A = B ]], [[ -f A ]], && and ||");
    }
    for (const part of parts)
      this.found.commands.push({
        written: "",
        assignments: [],
        words: [literalWord("[["), ...part],
      });
  }

  #redirect(node: SyntaxNode): void {
    const raw = this.#text.slice(node.pos, node.end);
    if (/^\d?[<>]&[\d-]$/.test(raw)) return;
    const [[child], text] = this.#outline(node);
    if (!child || !NODES.get("Redirect")?.text.test(text)) fail("<");
    if (/^\d?&/.test(text) && this.#dialect === "posix")
      opaque("&> in a shell without it", "write > FILE 2>&1");
    const target = this.#word(child);
    if (target.substitution || /^"?\$\{?[@*]/.test(target.raw))
      opaque("a redirect to a computed path", "write the path, or a variable in quotes");
    // zsh reads <1-3> as a pattern, ! as an option and $X:t as a part of the path.
    if (target.kind === "pattern" || /^(?:[!|]|\d*-\d*$)|\$\w+:[A-Za-z&]/.test(target.raw))
      opaque("a redirect that shells read differently", "quote the path");
    this.found.redirects.push({ writes: text.includes(">"), target });
  }

  /** Returns where the here-document ends. */
  #document({ pos, end, body, closing }: HereDoc): number {
    const form = /^\d?<<(-?)[ \t]*(?:([A-Za-z_]\w*)|'(\w+)'|"(\w+)")$/.exec(
      this.#text.slice(pos, end),
    );
    if (!form || !closing) opaque("a here-document with an unusual end", "write <<'END'");
    const [, tabs, bare, single, double] = form;
    const last = `${tabs ? "\\t*" : ""}${bare ?? single ?? double}`;
    const text = this.#text.slice(body.pos);
    const all = new RegExp(`^(?:[^\\n]*\\n)*?${last}(?=\\n|$)`).exec(text)?.[0];
    // The shells disagree about where the body starts when a word goes on in the next line.
    if (
      all?.length !== closing.end - body.pos ||
      !/^[^\n]*\n$/.test(this.#text.slice(end, body.pos))
    )
      opaque("a here-document whose body is not the next lines", "put it last in its line");
    this.#documents++;
    if (bare === undefined) return closing.end;
    const [children, outline] = this.#outline(body, "CommandExpansion");
    const read = BODY.exec(outline)?.[0] ?? "";
    if (read !== outline) fail(outline.slice(read.length));
    for (const child of children) this.#walk(child);
    return closing.end;
  }

  #word(node: SyntaxNode): Word {
    const raw = this.#text.slice(node.pos, node.end);
    const [children, text] = this.#outline(node, "CommandExpansion");
    const read = WORDS[this.#dialect === "posix" ? "posix" : "other"].exec(text)?.[0] ?? "";
    if (read !== text || text === "") fail(text.slice(read.length));
    if (this.#dialect === "zsh" && /^=./.test(raw))
      opaque("a word that starts with =", "quote it: zsh puts a program's path there");
    if (/^~[^/]/.test(raw)) opaque("~ with a name", "write the folder's path");
    for (const child of children) this.#walk(child);
    if (raw === "[") return literalWord(raw);
    const bare = text.replaceAll(QUOTES, "");
    const quoted = [...text.matchAll(QUOTES)]
      .map((it) => it[4]?.replaceAll(/\\[^]/g, ""))
      .join(" ");
    const substitution = children.length > 0;
    if (EXPANSION.test(bare) || /\$\{?[@*]/.test(quoted))
      return { raw, value: undefined, kind: "many", substitution };
    if (EXPANSION.test(quoted)) return { raw, value: undefined, kind: "one", substitution };
    const value = text.replaceAll(
      QUOTES,
      (_all, ansi?: string, single?: string, escaped?: string, double?: string) =>
        ansi?.replaceAll(/\\(.)/g, (_, it: string) => ({ n: "\n", t: "\t" })[it] ?? it) ??
        single ??
        escaped ??
        double?.replaceAll(/\\(?:([$`"\\])|\n)/g, "$1") ??
        "",
    );
    const isPattern = /[*?[]|\{[^}]*(?:,|\.\.)/.test(bare);
    return { raw, value, kind: isPattern ? "pattern" : "literal", substitution };
  }
}
