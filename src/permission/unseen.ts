// Compares the text with the tree: is there something in the text that no node accounts for?
// Promises: a substitution or a blank that the shell and the grammar disagree about is found.
import { slice } from "./simple-command.js";
import { walk, type SyntaxNode } from "./syntax.js";

const TEXT_ONLY = ["raw_string", "ansi_c_string", "comment"];

/** The characters that stand for themselves, so that nothing in them is run. */
function literalSpans(
  root: SyntaxNode,
  source: string,
): { quoted: Uint8Array; string: Uint8Array } {
  const quoted = new Uint8Array(source.length);
  const string = new Uint8Array(source.length);
  for (const node of walk(root)) {
    if (TEXT_ONLY.includes(node.type)) quoted.fill(1, node.start, node.end);
    if (node.type === "heredoc_body") {
      const start = node.parent?.children.find((child) => child.type === "heredoc_start");
      if (start && /['"\\]/.test(slice(start, source))) quoted.fill(1, node.start, node.end);
      string.fill(1, node.start, node.end);
    }
    if (node.type === "string") string.fill(1, node.start, node.end);
    if (node.type === "command_substitution") string.fill(0, node.start, node.end);
  }
  return { quoted, string };
}

export function hasUnseenSubstitution(root: SyntaxNode, source: string): boolean {
  const { quoted, string } = literalSpans(root, source);
  const seen = new Set<number>();
  const inBackticks = new Uint8Array(source.length);
  for (const node of walk(root)) {
    if (/_substitution$|^arithmetic_expansion$/.test(node.type)) seen.add(node.start);
    if (node.type !== "command_substitution" || source[node.start] !== "`") continue;
    seen.add(node.end - 1);
    inBackticks.fill(1, node.start, node.end);
  }
  for (const match of source.matchAll(/\$\(|`|[<>]\(|\$\{[\s|]/g)) {
    const at = match.index;
    const escaped = /(?:^|[^\\])(?:\\\\)*\\$/.test(source.slice(Math.max(0, at - 64), at));
    if (quoted[at] || seen.has(at)) continue;
    if (/[<>]/.test(match[0]) && string[at]) continue;
    // An escaped backtick within backticks is where the inner substitution starts.
    if (escaped && !inBackticks[at]) continue;
    return true;
  }
  return false;
}

/** Every character is in a token or is a plain blank; the grammar skips more than the shell does. */
export function hasOddGap(root: SyntaxNode, source: string): boolean {
  let from = 0;
  let inText: SyntaxNode | undefined;
  for (const node of walk(root)) {
    if (node.children.length > 0 && node.type !== "heredoc_body" && node.type !== "string")
      continue;
    if (inText && node.start >= inText.start && node.end <= inText.end) continue;
    if (node.type === "string" || node.type === "heredoc_body") inText = node;
    if (!isBlank(gapBefore(node, source, from))) return true;
    from = Math.max(from, node.end);
  }
  return !isBlank(source.slice(from));
}

function gapBefore(node: SyntaxNode, source: string, from: number): string {
  const gap = source.slice(from, node.start);
  // The grammar also drops a lone dash before a here-document, which is only an argument.
  if (node.type.startsWith("<<")) return gap.replace(/^([ \t]+)-(?=[ \t]*$)/, "$1");
  // The end of a line may be a token, with the first half of its CRLF left outside.
  return source[node.start] === "\n" ? `${gap}\n` : gap;
}

function isBlank(gap: string): boolean {
  const unfolded = gap.replaceAll("\\\n", "");
  // A folded line alone separates nothing: `r\` and `m` on the next line are `rm`.
  if (unfolded === "") return gap === "";
  // Nor does one take back the end of the line before it, as the grammar thinks.
  if (/(?:^|[^\\])\n[^]*\\\n/.test(gap)) return false;
  return /^(?:[ \t\n]|\r\n)*$/.test(unfolded);
}
