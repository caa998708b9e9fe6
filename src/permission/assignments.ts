// Which variables a piece of the syntax tree or a builtin sets. Promises: a name that is not fixed is
// handed on as `undefined`, for the caller to distrust.
import { slice } from "./simple-command.js";
import type { SyntaxNode } from "./syntax.js";
import { literal, readWord, type Word } from "./word.js";

/** For an assignment, a declaration (`export`, `declare`, …), `unset` and the variable of a loop. */
export function assignedNames(node: SyntaxNode, source: string): (string | undefined)[] {
  switch (node.type) {
    case "variable_assignment":
      return [/^\w+/.exec(slice(node, source))?.[0]];
    case "for_statement":
      return node.children
        .filter((child) => child.field === "variable")
        .map((child) => slice(child, source));
    case "declaration_command":
    case "unset_command":
      return node.children.slice(1).flatMap((child) => declaredName(child, source));
    default:
      return [];
  }
}

function declaredName(node: SyntaxNode, source: string): (string | undefined)[] {
  // These have been seen, or will be, as nodes of their own.
  if (/assignment$|_redirect$|^comment$/.test(node.type)) return [];
  const raw = slice(node, source);
  // -n makes a second name for a variable.
  if (/^-\w*n/.test(raw)) return [undefined];
  if (raw.startsWith("-")) return [];
  // Exporting or unsetting changes no program's code; a value does.
  const value = literal(readWord(raw));
  if (value === undefined) return [undefined];
  return value.includes("=") ? [value.slice(0, value.search(/[[+=]/))] : [];
}

/** For the builtins that are plain commands to the grammar: `read PATH`, `printf -v PATH /x`. */
export function namesSetByCommand(name: string, args: readonly Word[]): (string | undefined)[] {
  const values = args.map(literal);
  if (/^(?:read|mapfile|readarray|getopts|vared|sysread)$/.test(name)) return optionless(values);
  if (/^(?:export|declare|typeset|local|readonly|integer|float)$/.test(name))
    return values
      .map((value) => value && /^[^=]+/.exec(value)?.[0])
      .filter((it) => !it?.startsWith("-"));
  // Ksh and zsh fill an array with it.
  if (name === "set" && /^[-+]\w*A/.test(values[0] ?? "")) return values.slice(1, 2);
  if (name !== "printf") return [];
  // The first word may be `-v`.
  if (values[0] === undefined)
    return values.slice(1, 2).filter((it) => /^[A-Za-z_]\w*$/.test(it ?? ""));
  const option = values.findIndex((value) => value?.startsWith("-v"));
  if (option < 0) return [];
  return [values[option] === "-v" ? values[option + 1] : values[option]?.slice(2)];
}

/** Some of these are prompts or numbers; they are no names of dangerous variables either. */
function optionless(values: readonly (string | undefined)[]): (string | undefined)[] {
  return values.filter((value) => value === undefined || /^[A-Za-z_]\w*/.test(value));
}
