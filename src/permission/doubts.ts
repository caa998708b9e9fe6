// Where the syntax tree cannot be trusted to show every command that the shell will run. The grammar
// is not the shell: it leaves substitutions unseen, takes blanks that are none for blanks, and other
// shells read some forms differently. Promises: each such form gives a reason; ordinary text none.
import { hasOddGap, hasUnseenSubstitution } from "./unseen.js";
import { readRedirect, slice } from "./simple-command.js";
import { hasAncestor, walk, type SyntaxNode } from "./syntax.js";
import { isDangerousVariable } from "./environment.js";

/**
 * `posix`: dash and others that lack what Bash added, and read it as something else; also where the shell is
 * the user's and its name is not in the text. `zsh` reads as Bash does, but keeps its tables in variables.
 */
export type Dialect = "bash" | "zsh" | "posix";

export function findDoubts(root: SyntaxNode, source: string, dialect: Dialect): string[] {
  const reasons = new Set<string>();
  for (const node of walk(root)) {
    if (node.type === "ERROR" || node.missing) reasons.add("a part that cannot be parsed");
    const reason = doubtfulNode(node, slice(node, source), dialect, source);
    if (reason !== undefined) reasons.add(reason);
  }
  if (hasUnseenSubstitution(root, source)) reasons.add("a substitution the parser does not see");
  if (hasOddGap(root, source)) reasons.add("blanks that the shell reads as something else");
  return [...reasons];
}

function doubtfulNode(
  node: SyntaxNode,
  text: string,
  dialect: Dialect,
  source: string,
): string | undefined {
  switch (node.type) {
    case "expansion":
      return doubtfulExpansion(node, text, dialect);
    case "ansi_c_string":
      // A shell without $'…' ends the string at this quote.
      return text.includes("\\'") ? "a quote inside $'…'" : undefined;
    case "heredoc_redirect":
      return doubtfulHeredoc(node, source) ? "a here-document with an unusual end" : undefined;
    case "comment":
      return /(?:^|[ \t\n;&|()])$/.test(source.slice(0, node.start).slice(-1)) &&
        !source.slice(0, node.start).endsWith("\\\n")
        ? undefined
        : "a comment that is none";
    case "test_command":
      return dialect === "posix" && text.startsWith("[[") && /[&|<>;(]/.test(text)
        ? "[[ … ]], which sh reads as a command"
        : undefined;
    case "compound_statement":
      return dialect === "posix" && text.startsWith("((")
        ? "(( … )), which sh reads as a subshell"
        : undefined;
    case "file_redirect": {
      const words = node.children.filter((child) => child.field === "destination").length;
      const last = words === 1 && node.parent?.children.at(-1) === node;
      const operator = readRedirect(node, source)?.operator ?? "";
      return dialect === "posix" && operator.startsWith("&>") && !last
        ? "&>, which sh reads as the end of a command"
        : undefined;
    }
    default:
      return undefined;
  }
}

function doubtfulExpansion(node: SyntaxNode, text: string, dialect: Dialect): string | undefined {
  // Inside of double quotes the shells disagree about where a quote within ${…} ends.
  if (/['"]/.test(text) && hasAncestor(node, "string", "heredoc_body"))
    return "quotes inside of a quoted ${…}";
  if (text.endsWith("@P}") || text.startsWith("${(")) return "an expansion that runs its value";
  const assigned = /^\$\{(\w+)(?:\[[^\]]*\])?:?=/.exec(text)?.[1];
  if (assigned !== undefined && isDangerousVariable(assigned, dialect))
    return `a new value for ${assigned}`;
  return undefined;
}

function doubtfulHeredoc(node: SyntaxNode, source: string): boolean {
  const start = node.children.find((child) => child.type === "heredoc_start");
  const body = node.children.find((child) => child.type === "heredoc_body");
  const delimiter = start && /^(?:(\w+)|'(\w+)'|"(\w+)")$/.exec(slice(start, source));
  if (!delimiter || slice(node, source).includes("\r")) return true;
  const end = delimiter[1] ?? delimiter[2] ?? delimiter[3];
  const lines = body ? slice(body, source).split("\n") : [];
  return lines.some((line) => line.replace(/^\t+/, "") === end);
}
