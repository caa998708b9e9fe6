/**
 * Where the two parsers disagree: tree-sitter-bash, with which OpenCode's own tool reads a command, and `unbash`, with
 * which `src/permission` does. Prints for all known attacks, for ordinary commands and for made ones in how many both
 * find the same commands and redirects, and beside what the grammar accepts what it would accept on the other tree.
 * Where tree-sitter sees more in a plain command, the three shells run it: fails if one runs what was not asked for.
 * The other parser's grammar comes from the npm registry into a folder that is removed again, for as a dependency it
 * has 20 MB and an install script.
 *
 * Run: npm run parsers
 */
import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { forEachChild, parse, type SyntaxNode } from "unbash";
import { Language, Parser, type Node } from "web-tree-sitter";
import { agents, readmesOf, scriptsOf } from "../../fixtures/commands/corpora.js";
import { readStatements } from "../../src/permission/grammar.js";
import { judgeCommand } from "../../src/permission/judge.js";
import { literal, Opaque } from "../../src/permission/words.js";
import { unwrap } from "../../src/permission/programs.js";
import { randomFrom, seed } from "../random.js";
import { IN_SH, IN_ZSH, READABLE } from "./attacks.js";
import { FAMILIES } from "./families.js";
import { MARKERS, oddCommand } from "./fuzz.js";
import { UNREADABLE } from "./hidden-attacks.js";
import { ShellBed, SHELLS } from "./shells.js";

/** As OpenCode 1.18 has it. */
const GRAMMAR = "tree-sitter-bash@0.25.0";
const MADE = 20_000;
const EXAMPLES = 5;

/** Tests (`[`, `[[`) are in no list: one parser has them as commands, the other has not. */
interface Reading {
  /** The words of each, as written. */
  readonly commands: string[];
  /** `<` or `>` and the path, as written. */
  readonly redirects: string[];
  /** What is not plain in it. */
  readonly odd: string | undefined;
}

async function treeSitter(): Promise<Parser> {
  const folder = await mkdtemp(join(tmpdir(), "parsers-"));
  try {
    const options = { cwd: folder, encoding: "utf8" } as const;
    const archive = execFileSync("npm", ["pack", "--silent", GRAMMAR], options).trim();
    const file = "package/tree-sitter-bash.wasm";
    execFileSync("tar", ["-xzf", archive, file], options);
    await Parser.init();
    return new Parser().setLanguage(await Language.load(join(folder, file)));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The plain grammar in the words of tree-sitter's: nodes, and tokens that make one of them another. */
const PLAIN_NODES = new Set(
  (
    "program comment command command_name word string string_content raw_string concatenation simple_expansion " +
    "expansion command_substitution brace_expression number variable_name special_variable_name list pipeline " +
    "variable_assignment variable_assignments file_redirect file_descriptor heredoc_redirect heredoc_start " +
    "heredoc_body heredoc_content heredoc_end redirected_statement negated_command subshell compound_statement " +
    "if_statement elif_clause else_clause for_statement while_statement do_group case_statement case_item " +
    "extglob_pattern regex function_definition declaration_command unset_command test_command unary_expression " +
    "binary_expression test_operator parenthesized_expression"
  ).split(" "),
);
const ODD_TOKENS = new Set(
  "|& ;& ;;& (( $(( += <> >| <& <<< select coproc declare typeset local readonly function = @ , ^ / : ! ${!".split(
    " ",
  ),
);

/** Where a token is what the grammar accepts it as. */
const ALLOWED_IN: Readonly<Record<string, RegExp>> = {
  "=": /^(?:variable_assignment|binary_expression)$/,
  "!": /^(?:negated_command|unary_expression|test_command)$/,
  ":": /^$/,
};

function bySitter(parser: Parser, text: string): Reading {
  const [commands, redirects]: [string[], string[]] = [[], []];
  let odd: string | undefined;
  const tree = parser.parse(text);
  if (!tree) throw new Error("the parser has no language");

  function words(node: Node): string[] {
    const found: string[] = [];
    for (const child of node.children) {
      if (!child || (child.type === "variable_assignment" && node.type === "command")) continue;
      if (/^(?:file|herestring|heredoc)_redirect$/.test(child.type)) found.push(...more(child));
      else found.push(child.text);
    }
    return found;
  }
  /** Words behind a redirect, which belong to the command. */
  function more(node: Node): string[] {
    if (node.type === "heredoc_redirect")
      return node.childrenForFieldName("argument").map((it) => it?.text ?? "");
    if (node.type !== "file_redirect") return [];
    return node
      .childrenForFieldName("destination")
      .slice(1)
      .map((it) => it?.text ?? "");
  }
  function walk(node: Node): void {
    const up = node.parent?.type ?? "";
    const isOdd = node.isNamed
      ? !PLAIN_NODES.has(node.type) || node.isMissing
      : node.isMissing || (ODD_TOKENS.has(node.type) && !ALLOWED_IN[node.type]?.test(up));
    if (isOdd) odd ??= `${node.type} ${JSON.stringify(node.text.slice(0, 20))}`;
    if (node.type === "command_name" && /[$`*?[{]/.test(node.text.replaceAll(/'[^']*'|\[$/g, "")))
      odd ??= "a computed name";
    if (/^(?:command|declaration_command|unset_command)$/.test(node.type)) {
      const outer = node.parent?.type === "redirected_statement" ? node.parent : undefined;
      const last = outer?.childrenForFieldName("redirect").flatMap((it) => (it ? more(it) : []));
      const all = [...words(node), ...(last ?? [])];
      if (all[0] !== "[") commands.push(all.join("\0"));
    }
    if (node.type === "file_redirect") {
      const target = node.childForFieldName("destination")?.text ?? "";
      const operator =
        node.children.map((it) => it?.type ?? "").find((it) => /[<>]/.test(it)) ?? "";
      if (!operator.endsWith("&") || !/^[\d-]?$/.test(target))
        redirects.push(`${operator.includes(">") ? ">" : "<"} ${target}`);
    }
    for (const child of node.children) if (child) walk(child);
  }
  walk(tree.rootNode);
  tree.delete();
  return { commands, redirects, odd };
}

/** The parser alone, without the patterns by which `src/permission` checks what it proposes. */
function byUnbash(text: string): Reading {
  const [commands, redirects]: [string[], string[]] = [[], []];
  let odd: string | undefined;
  const raw = ({ pos, end }: SyntaxNode) => text.slice(pos, end);
  function walk(node: SyntaxNode, before?: SyntaxNode): void {
    if (node.type === "Script" && node.errors?.length) odd ??= node.errors[0]?.message;
    if (node.type === "Command" && node.name && node.name.text !== "[") {
      const suffix = node.suffix.filter((it) => it.type === "Word" || it.type === "Assignment");
      const time = before?.type === "Time" ? (raw(before).match(/\S+/g) ?? []) : [];
      commands.push([...time, ...[node.name, ...suffix].map(raw)].join("\0"));
    }
    if (node.type === "Redirect" && !/^\d?[<>]&[\d-]$/.test(raw(node)))
      redirects.push(
        `${node.operator.includes(">") ? ">" : "<"} ${node.target ? raw(node.target) : ""}`,
      );
    let last: SyntaxNode | undefined;
    forEachChild(node, (child) => {
      walk(child, last);
      last = child;
    });
  }
  walk(parse(text));
  return { commands, redirects, odd };
}

/** What `src/permission` makes of it, and the codes in it that are read by themselves. */
function byGrammar(text: string): Reading & { codes: string[] } {
  try {
    const found = readStatements(text, "bash");
    const simple = found.commands.map(({ words }) => words).filter((it) => it.length > 0);
    const commands = simple
      .filter(([first]) => !/^\[\[?$/.test(first?.raw ?? ""))
      .map((words) => words.map(({ raw }) => raw).join("\0"));
    const redirects = found.redirects.map(
      ({ writes, target }) => `${writes ? ">" : "<"} ${target.raw}`,
    );
    const codes = simple.flatMap(([first, ...args]) => codesOf(literal(first), args));
    return { commands, redirects, odd: undefined, codes };
  } catch (error) {
    if (!(error instanceof Opaque)) throw error;
    return { commands: [], redirects: [], odd: error.message, codes: [] };
  }
}

function codesOf(name: string | undefined, args: Parameters<typeof unwrap>[1]): string[] {
  try {
    const inner = name === undefined ? [] : unwrap(name.replace(/^.*\//su, ""), args);
    return inner.flatMap((it) => {
      if ("code" in it) return [it.code];
      return "words" in it ? codesOf(literal(it.words[0]), it.words.slice(1)) : [];
    });
  } catch (error) {
    if (!(error instanceof Opaque)) throw error;
    return [];
  }
}

/** tree-sitter loses words at the end of some commands with here-documents: a beginning is enough. */
const missing = (all: readonly string[], from: readonly string[]) =>
  all.filter((it) => !from.some((other) => other === it || other.startsWith(`${it}\0`)));
/** What is opaque for its words (builtins, wrappers, variables) is so whichever parser found them. */
function patternsOf(text: string, shell: string): readonly string[] | undefined {
  try {
    return judgeCommand(text, shell).patterns;
  } catch (error) {
    if (!(error instanceof Opaque)) throw error;
    return undefined;
  }
}

/** What a shell runs of it that was not asked for. */
async function unaskedIn(bed: ShellBed, text: string): Promise<string[]> {
  const found: string[] = [];
  for (const shell of SHELLS) {
    const names = patternsOf(text, shell)?.map((it) => it.split(/\s/)[0]);
    if (!names) continue;
    const ran = await bed.run(text, shell, { a: "zz", b: "a[$(zz)]" });
    found.push(...ran.filter((it) => !names.includes(it)).map((it) => `${shell} ran ${it}`));
  }
  return found;
}
const isSame = (one: Reading, other: Reading) =>
  one.commands.toSorted().join("\n") === other.commands.toSorted().join("\n") &&
  one.redirects.toSorted().join("\n") === other.redirects.toSorted().join("\n") &&
  (one.odd === undefined) === (other.odd === undefined);

const parser = await treeSitter();
const bed = new ShellBed([...MARKERS, "rm"]);
await bed.open();
const random = randomFrom(seed);
const SETS: Readonly<Record<string, readonly string[]>> = {
  "known attacks": [
    ...READABLE,
    ...UNREADABLE,
    ...IN_SH,
    ...IN_ZSH,
    ...Object.values(FAMILIES).flat(),
  ],
  "what coding agents send": agents(),
  "scripts of installed packages": scriptsOf(),
  "commands of their READMEs": readmesOf(),
  [`made commands (seed ${seed})`]: Array.from({ length: MADE }, () => oddCommand(random)),
};

const unasked: string[] = [];
for (const [name, texts] of Object.entries(SETS)) {
  const counts = {
    texts: 0,
    same: 0,
    plainToBoth: 0,
    opaqueToBoth: 0,
    opaqueByWords: 0,
    stricter: 0,
    seesMore: 0,
    unasked: 0,
  };
  const differ: string[] = [];
  const stricter: string[] = [];
  const more: string[] = [];
  const waiting = [...texts];
  for (let text = waiting.shift(); text !== undefined; text = waiting.shift()) {
    const [theirs, raw, ours] = [bySitter(parser, text), byUnbash(text), byGrammar(text)];
    waiting.unshift(...ours.codes);
    const shown = JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
    counts.texts++;
    if (isSame(theirs, raw)) counts.same++;
    else differ.push(shown);
    if (ours.odd !== undefined && theirs.odd !== undefined) counts.opaqueToBoth++;
    else if (ours.odd !== undefined) {
      counts.stricter++;
      stricter.push(`${shown}: ${ours.odd}`);
    } else if (!patternsOf(text, "bash")) counts.opaqueByWords++;
    else {
      const unseen = [
        ...(theirs.odd === undefined ? [] : [theirs.odd]),
        ...missing(theirs.commands, ours.commands),
        ...missing(theirs.redirects, ours.redirects),
      ];
      if (unseen.length === 0) counts.plainToBoth++;
      else {
        counts.seesMore++;
        const ran = await unaskedIn(bed, text);
        counts.unasked += ran.length;
        if (ran.length > 0) unasked.push(`${shown}: ${ran.join(", ")}`);
        more.push(`${shown}: ${JSON.stringify(unseen)}`);
      }
    }
  }
  console.log(`\n${name}: ${JSON.stringify(counts)}`);
  for (const [what, lines] of Object.entries({ differ, stricter, more, unasked }))
    for (const line of lines.slice(0, EXAMPLES)) console.log(`  ${what}: ${line}`);
}
parser.delete();
await bed.close();
if (unasked.length > 0) process.exitCode = 1;
