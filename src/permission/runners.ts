// Commands that are given another command as words: where it starts. Promises: what is not
// understood is reported as hiding a command, never passed over.
import { carriesCode, isDangerousVariable } from "./environment.js";
import { skipOptions, type OptionTable, type SkippedOptions } from "./options.js";
import { hide, splits, type Inner } from "./shells.js";
import type { Stdin } from "./simple-command.js";
import { bareVariable, isOneWord, literal, UNKNOWN_WORD, type Word } from "./word.js";

export type Unwrap = (args: readonly Word[], stdin: Stdin | undefined) => Inner[];

export function withOptions(table: OptionTable, use: (options: SkippedOptions) => Inner[]): Unwrap {
  return (args) => {
    const options = skipOptions(args, table);
    if (!options) return hide("a command behind options that are not known");
    return [...splits(options.variables), ...use(options)];
  };
}

function command(words: readonly Word[]): Inner[] {
  return words.length === 0 ? [] : [{ kind: "words", words }];
}

/** Options, then `operands` words of its own, then the command. */
export function runs(table: OptionTable, operands = 0): Unwrap {
  return withOptions(table, ({ rest }) => behindOperands(rest, operands));
}

export function behindOperands(words: readonly Word[], operands: number): Inner[] {
  const own = words.slice(0, operands).flatMap(mayBeSeveral);
  return [...own, ...command(words.slice(operands))];
}

/** A bare variable is what everybody writes (`env PORT=$P npm start`): it depends on what is known of it. */
function mayBeSeveral(word: Word): Inner[] {
  if (isOneWord(word)) return [];
  const name = bareVariable(word);
  return name === undefined ? hide("a command behind words that are not fixed") : splits([name]);
}

/** `NAME=value` words before the command, as for `env` and `sudo`. */
function assignmentsThenCommand(words: readonly Word[]): Inner[] {
  const found: Inner[] = [];
  let index = 0;
  for (; index < words.length; index++) {
    const word = words[index];
    const name = /^([^=]+)=/.exec(word?.value ?? word?.raw ?? "")?.[1];
    if (name === undefined) break;
    if (isDangerousVariable(name)) found.push(...hide(`a new value for ${name}`));
    if (carriesCode(word?.value ?? "")) found.push(...hide(`code in the variable ${name}`));
    if (word) found.push(...mayBeSeveral(word));
  }
  return [...found, ...command(words.slice(index))];
}

export function runsWithAssignments(table: OptionTable): Unwrap {
  return withOptions(table, ({ rest }) =>
    // A lone `-` is an option of `env`.
    assignmentsThenCommand(literal(rest[0]) === "-" ? rest.slice(1) : rest),
  );
}

/** A word with the place holder in it is another word each time. */
function replaced(word: Word, mark: string | undefined): Word {
  return mark !== undefined && mark !== "" && word.value?.includes(mark)
    ? { ...word, value: undefined }
    : word;
}

export const xargs = withOptions(
  {
    flags: "0prtxo",
    values: "adEILnPsR",
    longFlags: ["null", "interactive", "no-run-if-empty", "verbose", "exit", "open-tty"],
    longValues: ["arg-file", "delimiter", "max-args", "max-procs", "max-chars"],
  },
  ({ rest, seen }) => {
    const words = rest.map((word) => replaced(word, seen.get("-I")?.value));
    // What it reads comes last: `echo rm x | xargs env` runs `rm x`.
    return words.length === 0 ? [] : command([...words, UNKNOWN_WORD]);
  },
);

const FIND_TESTS =
  /^-(?:i?(?:name|path|wholename|regex|lname)|newer\w*|[acm](?:time|min)|size|(?:max|min)depth|type|user|group|perm)$/;

/** `{-exec,rm,x,\\;}` */
const BRACED_ACTION = /^-|[{,][-'"\\$]/;

export const find: Unwrap = (args) => {
  const found: Inner[] = [];
  for (const [index, word] of args.entries()) {
    const single = /^"[^@*]*"$/.test(word.raw);
    // A variable elsewhere than behind a test may be an action.
    if (FIND_TESTS.test(args[index - 1]?.value ?? "")) {
      if (word.value === undefined) found.push(...mayBeSeveral(word));
    } else if (word.value === undefined && !(single && index === 0))
      found.push(...hide("find with unknown actions"));
    if (word.pattern && BRACED_ACTION.test(word.raw))
      found.push(...hide("find with unknown actions"));
    if (!/^-(?:exec|execdir|ok|okdir)$/.test(word.value ?? "")) continue;
    const rest = args.slice(index + 1);
    const end = rest.findIndex((it) => it.value === ";" || it.value === "+");
    const words = rest.slice(0, end < 0 ? rest.length : end).map((it) => replaced(it, "{}"));
    found.push(...command([...words, UNKNOWN_WORD]));
  }
  return found;
};

export const commandBuiltin = withOptions({ flags: "pvV" }, ({ rest, seen }) =>
  seen.has("-v") || seen.has("-V") ? [] : command(rest),
);

/** Without a command it starts a shell on standard input. */
export const chroot = withOptions({ longValues: ["userspec", "groups"] }, ({ rest }) =>
  rest.length > 1 ? behindOperands(rest, 1) : hide("a shell that reads its code from elsewhere"),
);

const RESERVED = /^(?:[{}!(]|if|then|while|until|for|case|select|function|do|done|\[\[|\(\()$/;

/** `time` and `coproc` stand before whole statements, which the grammar takes for words. */
export function beforeStatement(table: OptionTable): Unwrap {
  return (args, stdin) =>
    args.some((word) => RESERVED.test(word.raw))
      ? hide("a statement the parser takes for a command")
      : runsWithAssignments(table)(args, stdin);
}
