// Commands that are given shell code as text. Promises: the code is handed on only when its text is
// fixed; a shell that reads code from elsewhere (a pipe, a device) is reported as hiding it.
import { normalize } from "node:path";
import type { Dialect } from "./doubts.js";
import { skipOptions, type SkippedOptions } from "./options.js";
import type { Stdin } from "./simple-command.js";
import { literal, type Word } from "./word.js";

/** What a command that runs another one runs. */
export type Inner =
  | { readonly kind: "words"; readonly words: readonly Word[] }
  | { readonly kind: "code"; readonly code: string; readonly dialect: Dialect | undefined }
  | { readonly kind: "script"; readonly path: string }
  /** A command of its own, if this variable holds more than one word. */
  | { readonly kind: "split"; readonly variable: string }
  | { readonly kind: "hidden"; readonly reason: string };

const DIALECTS: ReadonlyMap<string, Dialect> = new Map([
  ["bash", "bash"],
  ["rbash", "bash"],
  ["zsh", "zsh"],
  ["sh", "posix"],
  ["dash", "posix"],
  ["ash", "posix"],
  ["ksh", "posix"],
  ["ksh93", "posix"],
  ["mksh", "posix"],
]);

const FOREIGN = new Set(
  "fish csh tcsh elvish nu xonsh osh ysh rc es pwsh powershell cmd".split(" "),
);

export function isShell(name: string): boolean {
  return DIALECTS.has(name) || FOREIGN.has(name);
}

/** How to read the code of this shell; `undefined`: its language is another one. */
export function dialectOf(shell: string): Dialect | undefined {
  const name = shell.slice(Math.max(shell.lastIndexOf("/"), shell.lastIndexOf("\\")) + 1);
  return DIALECTS.get(name.replace(/^-|\.exe$/g, ""));
}

const SHELL_OPTIONS = {
  flags: "abcefhklmnprstuvxBCDEHPT",
  values: "oO",
  longFlags: ["posix", "login", "norc", "noprofile", "noediting", "restricted", "verbose"],
};

export function shellInner(name: string, args: readonly Word[], stdin: Stdin | undefined): Inner[] {
  const dialect = dialectOf(name);
  if (!dialect) return hide("code for a shell of another language");
  // `+x` turns an option off; the letters are the same.
  const options = skipOptions(args.map(asOption), SHELL_OPTIONS);
  if (!options) return hide("a shell with options that are not known");
  return [...splits(options.variables), ...codeOf(options, dialect, stdin)];
}

function codeOf(options: SkippedOptions, dialect: Dialect, stdin: Stdin | undefined): Inner[] {
  const [first] = options.rest;
  if (options.seen.has("-c")) {
    const code = literal(first);
    return code === undefined ? hide("code in a variable") : [{ kind: "code", code, dialect }];
  }
  if (!first || options.seen.has("-s") || literal(first) === "-")
    return stdin?.code === undefined
      ? hide("a shell that reads its code from a pipe or file")
      : [{ kind: "code", code: stdin.code, dialect }];
  return scriptInner(first);
}

function asOption(word: Word): Word {
  return word.value !== undefined && /^\+\w/.test(word.value)
    ? { ...word, value: `-${word.value.slice(1)}` }
    : word;
}

/** A file of code is named in the command, so the rule for the command decides about it. */
export function scriptInner(file: Word | undefined): Inner[] {
  const path = literal(file);
  if (path === undefined || /^(?:\/|(?:\.\.\/)+)(?:dev|proc)\//.test(normalize(path)))
    return hide("code from an unnamed file");
  return [{ kind: "script", path }];
}

/** Several words that become one text of code, as for `eval` and `ssh`. */
export function codeInner(words: readonly Word[], dialect: Dialect | undefined): Inner[] {
  const values = words.map(literal);
  if (values.includes(undefined)) return hide("code in a variable");
  return values.length === 0 ? [] : [{ kind: "code", code: values.join(" "), dialect }];
}

/** Of variables that are a command of their own if they hold more than one word. */
export function splits(variables: readonly string[]): Inner[] {
  return variables.map((variable) => ({ kind: "split", variable }));
}

export function hide(reason: string): Inner[] {
  return [{ kind: "hidden", reason }];
}
