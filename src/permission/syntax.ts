// Shell text in, a plain syntax tree out. The only module that knows tree-sitter. Promises: the
// parser is loaded once, at first use; a parse is bounded in time and depth; the tree handed out is
// ordinary data that nobody has to free.
import { readFile } from "node:fs/promises";
import { locateWasm, type LocateWasm } from "./wasm.js";

export interface SyntaxNode {
  readonly type: string;
  /** The role in the parent (`name`, `argument`, `redirect`, …), where the grammar names one. */
  readonly field: string | undefined;
  readonly start: number;
  readonly end: number;
  /** True where the grammar made up a token that the text does not have. */
  readonly missing: boolean;
  readonly parent: SyntaxNode | undefined;
  readonly children: SyntaxNode[];
}

/** Returns `undefined` when the text is too deep or takes too long to parse. */
export type ParseShell = (text: string) => SyntaxNode | undefined;

const MAX_PARSE_MS = 1000;
const MAX_DEPTH = 400;

type TreeSitter = typeof import("web-tree-sitter");

// web-tree-sitter keeps its WebAssembly instance in a variable of its own, so a second `init` that
// runs beside the first would pull the memory out from under the first one's parsers.
let runtime: Promise<TreeSitter> | undefined;

async function startRuntime(path: string): Promise<TreeSitter> {
  const wasmBinary = await readFile(path);
  const treeSitter = await import("web-tree-sitter");
  // It would print what it throws as well, and the console belongs to the terminal UI.
  const quiet = { print: () => undefined, printErr: () => undefined };
  // The path goes along with the bytes: without it the library looks for a file of its own.
  await treeSitter.Parser.init({ wasmBinary, locateFile: () => path, ...quiet });
  return treeSitter;
}

async function loadRuntime(path: string): Promise<TreeSitter> {
  runtime ??= startRuntime(path);
  try {
    return await runtime;
  } catch (error) {
    runtime = undefined; // the next attempt may find the file
    throw error;
  }
}

export async function loadShellParser(locate: LocateWasm = locateWasm): Promise<ParseShell> {
  const files = locate();
  const { Parser, Language } = await loadRuntime(files.runtime);
  const grammar = await Language.load(await readFile(files.grammar));

  return (text) => {
    // One parser per text: a parser whose work was cut short would go on with it at the next text.
    const parser = new Parser().setLanguage(grammar);
    const deadline = performance.now() + MAX_PARSE_MS;
    const tree = parser.parse(text, null, { progressCallback: () => performance.now() > deadline });
    try {
      return tree ? copyTree(tree.walk()) : undefined;
    } finally {
      tree?.delete();
      parser.delete();
    }
  };
}

/** Without recursion: the depth of the text is the caller's, the size of our stack is not. */
function copyTree(cursor: import("web-tree-sitter").TreeCursor): SyntaxNode | undefined {
  const copy = (parent: SyntaxNode | undefined): SyntaxNode => ({
    type: cursor.nodeType,
    field: cursor.currentFieldName ?? undefined,
    start: cursor.startIndex,
    end: cursor.endIndex,
    missing: cursor.nodeIsMissing,
    parent,
    children: [],
  });
  try {
    const root = copy(undefined);
    let node = root;
    let depth = 0;
    for (;;) {
      if (cursor.gotoFirstChild()) {
        if (++depth > MAX_DEPTH) return undefined;
        const child = copy(node);
        node.children.push(child);
        node = child;
        continue;
      }
      while (!cursor.gotoNextSibling()) {
        if (!cursor.gotoParent() || !node.parent) return root;
        node = node.parent;
        depth--;
      }
      if (!node.parent) return root;
      const sibling = copy(node.parent);
      node.parent.children.push(sibling);
      node = sibling;
    }
  } finally {
    cursor.delete();
  }
}

/** Every node below and including this one, in the order of the text. */
export function* walk(node: SyntaxNode): Generator<SyntaxNode> {
  const waiting = [node];
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    yield next;
    for (let i = next.children.length - 1; i >= 0; i--) {
      const child = next.children[i];
      if (child) waiting.push(child);
    }
  }
}

export function hasAncestor(node: SyntaxNode, ...types: string[]): boolean {
  for (let up = node.parent; up; up = up.parent) if (types.includes(up.type)) return true;
  return false;
}
