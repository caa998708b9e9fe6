// Text that the shell treats as code only later: `a='x[$(rm y)]'; echo $((a))` runs `rm`. Promises:
// where both halves are there, the code and something that evaluates, it says so, because nothing
// short of running them tells whether they meet.
import { slice } from "./simple-command.js";
import { walk, type SyntaxNode } from "./syntax.js";
import { readWord } from "./word.js";

const EVALUATORS = /^(?:let|read|unset|test|\[|mapfile|readarray|getopts|wait|declare|typeset)$/;
const EVALUATING = new Set([
  "arithmetic_expansion",
  "test_command",
  "subscript",
  "c_style_for_statement",
  "declaration_command",
  "unset_command",
]);

/**
 * Text in quotes that the shell evaluates later: `a='x[$(rm y)]'; echo $((a))` runs `rm`. True where
 * both halves are there, because nothing short of running it tells whether they meet.
 */
export function mayEvaluateText(root: SyntaxNode, source: string): boolean {
  let code = false;
  let evaluates = false;
  for (const node of walk(root)) {
    const text = slice(node, source);
    if (/^(?:raw_string|ansi_c_string)$/.test(node.type)) code ||= /\$\(|`|\$\{[\s|]/.test(text);
    if (/^(?:string|word)$/.test(node.type)) code ||= /\\(?:\$\(|`)/.test(text);
    evaluates ||= EVALUATING.has(node.type);
    evaluates ||= node.type === "compound_statement" && text.startsWith("((");
    evaluates ||= node.type === "expansion" && /^\$\{!|\[|:\s*[\w(]/.test(text);
    if (node.type === "command_name")
      evaluates ||= EVALUATORS.test(readWord(text).value ?? "") || hasVariableOption(node, source);
  }
  return code && evaluates;
}

function hasVariableOption(name: SyntaxNode, source: string): boolean {
  const written = slice(name, source) === "printf";
  return written && (name.parent?.children.some((it) => slice(it, source) === "-v") ?? false);
}
