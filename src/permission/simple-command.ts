// Takes a simple command of the tree apart: assignments, words, redirections, what it reads from
// standard input. Promises: no word is lost, wherever between the redirections it stands.
import type { SyntaxNode } from "./syntax.js";
import { literal, readWord, type Word } from "./word.js";

export interface Redirect {
  readonly operator: string;
  readonly target: Word;
}

/** `undefined` code: standard input is redirected, and its text is not in the command. */
export interface Stdin {
  readonly code: string | undefined;
}

export interface SimpleCommand {
  /** As the host's own tool asks for it: with assignments and redirections. */
  readonly written: string;
  readonly assignments: readonly string[];
  readonly words: readonly Word[];
  readonly stdin: Stdin | undefined;
}

const NOT_WORDS = new Set([
  "variable_assignment",
  "file_redirect",
  "herestring_redirect",
  "heredoc_redirect",
  "subshell",
  "comment",
]);

export function readCommand(node: SyntaxNode, source: string): SimpleCommand {
  const statement = node.parent?.type === "redirected_statement" ? node.parent : undefined;
  const redirects = [...(statement?.children ?? []), ...node.children].filter((child) =>
    child.type.endsWith("_redirect"),
  );
  return {
    written: slice(statement ?? node, source).trim(),
    assignments: node.children
      .filter((child) => child.type === "variable_assignment")
      .map((child) => slice(child, source)),
    words: [
      ...joinTouching(
        node.children.filter((child) => !NOT_WORDS.has(child.type)),
        source,
        redirects,
      ),
      ...redirects.flatMap((redirect) => wordsBehind(redirect, source)),
    ],
    stdin: readStdin(redirects, source),
  };
}

export function slice(node: SyntaxNode, source: string): string {
  return source.slice(node.start, node.end);
}

/** Pieces with nothing between them are one word to the shell, whatever the grammar makes of them. */
function joinTouching(
  nodes: readonly SyntaxNode[],
  source: string,
  redirects: readonly SyntaxNode[] = [],
): Word[] {
  const spans: { start: number; end: number }[] = [];
  for (const node of nodes) {
    const last = spans.at(-1);
    if (last && last.end === node.start) last.end = node.end;
    else spans.push({ start: node.start, end: node.end });
  }
  return spans.map(({ start, end }) => {
    const word = readWord(source.slice(start, end));
    // `0<<< x` and `{fd}> x`: a descriptor, which the grammar takes for an argument.
    const isDescriptor =
      /^(?:\d+|\{\w+\})$/.test(word.raw) && redirects.some((redirect) => redirect.start === end);
    return isDescriptor ? { ...word, torn: true } : word;
  });
}

/** The grammar hangs `a b` of `echo > file a b` on the redirection; the shell passes it to `echo`. */
function wordsBehind(redirect: SyntaxNode, source: string): Word[] {
  const words = redirect.children.filter(
    (child) => child.field === "destination" || child.field === "argument",
  );
  const own = redirect.type === "file_redirect" ? 1 : 0;
  return joinTouching(words, source).slice(own);
}

export function readRedirect(node: SyntaxNode, source: string): Redirect | undefined {
  const targets = node.children.filter((child) => child.field === "destination");
  const [target] = joinTouching(targets, source);
  const operator = node.children.find((child) => /[<>]/.test(child.type))?.type ?? "";
  return target ? { operator, target } : undefined;
}

function readStdin(redirects: readonly SyntaxNode[], source: string): Stdin | undefined {
  const inputs = redirects.filter(
    (node) => node.type !== "file_redirect" || slice(node, source).includes("<"),
  );
  const [only] = inputs;
  if (!only) return undefined;
  // The last of several wins, and a descriptor may make it something else: too fine to bet on.
  const plain = inputs.length === 1 && !only.children.some((it) => it.type === "file_descriptor");
  if (!plain) return { code: undefined };
  if (only.type === "heredoc_redirect") return { code: heredocText(only, source) };
  if (only.type !== "herestring_redirect") return { code: undefined };
  const word = joinTouching(
    only.children.filter((child) => child.type !== "<<<"),
    source,
  );
  return { code: literal(word[0]) };
}

function heredocText(redirect: SyntaxNode, source: string): string | undefined {
  const start = redirect.children.find((child) => child.type === "heredoc_start");
  const body = redirect.children.find((child) => child.type === "heredoc_body");
  if (!start || !body) return undefined;
  const text = slice(body, source);
  const quoted = /['"\\]/.test(slice(start, source));
  if (!quoted && /[$`\\]/.test(text)) return undefined;
  const stripTabs = redirect.children.some((child) => child.type === "<<-");
  return stripTabs ? text.replaceAll(/^\t+/gm, "") : text;
}
