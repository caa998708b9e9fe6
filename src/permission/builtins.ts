/**
 * The shells' own commands that are plain, each with the arguments it may have. Promises: a builtin of
 * bash, zsh or dash that is not in the table is opaque (`ALL` is what the shells list themselves).
 */
import { isHarmlessVariable } from "./variables.js";
import { literal, opaque, type Dialect, type Word } from "./words.js";

const ALL = new Set(
  (
    ". : [ [[ alias autoload bg bind bindkey break builtin bye caller cd chdir command compadd comparguments compcall " +
    "compctl compdescribe compfiles compgen compgroups complete compopt compquote compset comptags comptry " +
    "compvalues continue declare dirs disable disown echo echotc echoti emulate enable end eval exec exit export " +
    "false fc fg float foreach function functions getln getopts hash help history if integer jobs kill let limit local log logout " +
    "mapfile nocorrect noglob popd print printf private pushd pushln pwd r read readarray readonly rehash repeat " +
    "return sched select set setopt shift shopt source suspend test times trap true ttyctl type typeset ulimit " +
    "umask unalias unfunction unhash unlimit unset unsetopt vared wait whence where which zcompile zf_rm zformat zle " +
    "zmodload zparseopts zregexparse zstyle sysread syswrite sysopen zpty zsystem ztcp zsocket coproc - time"
  ).split(" "),
);

type Check = (args: readonly Word[], dialect: Dialect) => boolean;

const any: Check = () => true;
const literals: Check = (args) => args.every((word) => literal(word) !== undefined);
/** zsh evaluates what it takes for a number. */
const number: Check = (args) => args.length === 0 || (args.length === 1 && args.every(isNumber));

const CHECKS: readonly (readonly [names: string, check: Check])[] = [
  [": cd chdir echo false kill popd pushd pwd true", any],
  // The wrappers' table looks at these.
  ["command builtin exec time source .", any],
  ["bg dirs disown fg times type ulimit umask where which", literals],
  ["break continue exit return shift", number],
  ["jobs", (args) => args.every((word) => /^-[lprs]+$/.test(literal(word) ?? ""))],
  ["hash", (args) => args.every((word) => /^[\w.]+$/.test(literal(word) ?? ""))],
  ["wait", (args) => args.every(isJob)],
  ["set", isPlainSet],
  ["export", (args) => args.every(isPlainExport)],
  ["unset", (args) => args.every((word) => isHarmlessVariable(literal(word) ?? ""))],
  ["printf", isPlainPrintf],
  ["test", (args) => isPlainTest(args, false)],
  ["[", (args) => literal(args.at(-1)) === "]" && isPlainTest(args.slice(0, -1), false)],
  ["[[", (args) => isPlainTest(args, true)],
];
const TABLE: ReadonlyMap<string, Check> = new Map(
  CHECKS.flatMap(([names, check]) => names.split(" ").map((name) => [name, check] as const)),
);

const PLAINLY: Readonly<Record<string, string>> = {
  eval: "write the command itself",
  read: "pass the file to a program (grep, awk, xargs)",
  printf: "begin with a literal format, and fill it with %s",
  test: "use one test of strings or files with its variables in quotes, and && or || between tests",
  export: "export NAME=literal of a name such as PORT or NODE_ENV",
  set: "use set -e, -u, -x, -o pipefail",
  trap: "end what you started in the command itself",
  wait: "wait without arguments, or for $!",
  exit: "use a literal number",
};

export function assertPlainBuiltin(name: string, args: readonly Word[], dialect: Dialect): void {
  if (!ALL.has(name) || TABLE.get(name)?.(args, dialect)) return;
  const like = name.startsWith("[")
    ? "test"
    : /^(?:return|break|continue|shift)$/.test(name)
      ? "exit"
      : name;
  opaque(
    `${name} ${TABLE.has(name) ? "with these arguments" : ""}`.trim(),
    PLAINLY[like] ?? "use a program or plain words instead",
  );
}

function isNumber(word: Word): boolean {
  return /^-?\d+$/.test(literal(word) ?? "") || /^"?\$(?:[?#$!]|\{[?#$!]\})"?$/.test(word.raw);
}

/** What a variable holds is looked at with the whole command. */
function isJob(word: Word): boolean {
  return isNumber(word) || /^%\d+$/.test(literal(word) ?? "") || variableOf(word).length > 0;
}

/** The name of a variable that is the whole word. */
export function variableOf({ raw }: Word): string[] {
  const [, name] = /^"?\$(?:(?=\w+"?$)|\{(?=\w+\}"?$))([A-Za-z_]\w*)/.exec(raw) ?? [];
  return name === undefined ? [] : [name];
}

function isPlainSet(args: readonly Word[]): boolean {
  const values = args.map(literal);
  for (let index = 0; index < values.length; index++) {
    const value = values[index] ?? "";
    if (/^[-+][eux]*o$/.test(value)) {
      if (values[++index] !== "pipefail") return false;
    } else if (!/^[-+][eux]+$/.test(value)) return false;
  }
  return values.length > 0;
}

function isPlainExport(word: Word): boolean {
  const text = literal(word);
  return text !== undefined && isHarmlessVariable(/^(\w+)(?:=|$)/.exec(text)?.[1] ?? "");
}

function isPlainPrintf(args: readonly Word[], dialect: Dialect): boolean {
  const format = literal(args[0]);
  if (format === undefined || format.startsWith("-")) return false;
  // zsh evaluates the arguments of numeric directives.
  const directives = format.replaceAll(/%[-0]?\d*(?:\.\d+)?[sbcq%]/g, "");
  return dialect === "zsh" ? !directives.includes("%") : !/%[^%]*n/.test(directives);
}

const UNARY = /^-[abcdefghknprsuwxzGLNOS]$/;
const BINARY = /^(?:==?|!=|-ef|-nt|-ot)$/;
const NUMERIC = /^-(?:eq|ne|lt|le|gt|ge)$/;

/** The operators are literal and stand where they cannot be operands; no operand is evaluated. */
function isPlainTest(args: readonly Word[], double: boolean): boolean {
  const words = literal(args[0]) === "!" ? args.slice(1) : args;
  // Without the quotes a variable of `[` may be several words, operators among them.
  const operands = words.filter((word) => double || word.kind === "literal" || word.kind === "one");
  const [first, second, third] = words;
  if (operands.length !== words.length || words.length > 3 || words.length === 0) return false;
  if (words.length === 1)
    return literal(first) === undefined || !/^[-!(]/.test(literal(first) ?? "");
  const operator = literal(words.length === 2 ? first : second) ?? "";
  if (words.length === 2) return UNARY.test(operator);
  if (!third || /^[-!(]./.test(literal(first) ?? "")) return false;
  if (NUMERIC.test(operator)) return [first, third].every((word) => word && isNumber(word));
  return BINARY.test(operator) || (double && operator === "=~");
}
