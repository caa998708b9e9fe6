/**
 * The shells' own commands that are plain, each with the arguments it may have. Promises: a builtin of bash, zsh or
 * dash that is not in the table is opaque.
 */
import { literal, opaque, shapes, type Dialect, type Word } from "./words.js";

/** What the shells list themselves, besides those in the table. */
const OTHERS = new Set(
  (
    "alias autoload bind bindkey bye caller compadd comparguments compcall compctl compdescribe compfiles " +
    "compgen compgroups complete compopt compquote compset comptags comptry compvalues coproc declare disable echotc " +
    "echoti emulate enable end fc float foreach function functions getln getopts help history if integer let limit " +
    "local log logout mapfile nocorrect noglob print private pushln r read readarray readonly rehash repeat sched " +
    "select setopt suspend sysopen sysread syswrite trap ttyctl typeset unalias unfunction unhash unlimit unsetopt " +
    "vared whence zcompile zf_rm zformat zle zmodload zparseopts zpty zregexparse zsocket zstyle zsystem ztcp -"
  ).split(" "),
);
const [NUMBER, ONE] = [String.raw`(?:-?\d+|#)`, `[^ $*]+`];
const NUMERIC = `${NUMBER} -(?:eq|ne|lt|le|gt|ge) ${NUMBER}`;
const [UNARY, BINARY] = ["-[abcdefghknprsuwxzGLNOS]", "(?:==?|!=|-ef|-nt|-ot)"];

/** Names, the shapes of what may follow, and how to write plainly what may not. */
const TABLE: readonly (readonly [names: string, args: string, plainly?: string])[] = [
  // The wrappers' table looks at some of these.
  [": cd chdir echo false kill popd pushd pwd true command builtin exec time source .", ".*"],
  ["bg dirs disown fg times type ulimit umask where which", `[^"$*#]*`],
  // zsh evaluates what it takes for a number.
  ["break continue exit return shift", `(?: ${NUMBER})?`, "use a literal number"],
  ["jobs", "(?: -[lprs]+)*"],
  ["hash", String.raw`(?: [\w.]+)*`],
  ["wait", String.raw`(?: (?:${NUMBER}|%\d+|["$]))*`, "wait without arguments, or for $!"],
  ["set", "(?: [-+][eux]+| [-+][eux]*o pipefail)+", "use set -e, -u, -x, -o pipefail"],
  ["export", String.raw`(?: \w+(?:=[^ "$*#]*)?)*`, "export NAME=literal of a name such as PORT"],
  ["unset", String.raw`(?: \w+)*`],
  ["printf", " [^-].*", "begin with a literal format, and fill it with %s"],
  [
    "[ test",
    `(?: !)?(?: (?![-!'])${ONE}| ${UNARY} ${ONE}| ${NUMERIC}| (?![-!']\\S)${ONE} ${BINARY} ${ONE})`,
    "use one test of strings or files with its variables in quotes, and && or || between tests",
  ],
  [
    "[[",
    String.raw`(?: !)?(?: (?![-!'])\S+| ${UNARY} \S+| ${NUMERIC}| (?![-!']\S)\S+ (?:${BINARY}|=~) \S+)`,
    "use one test of strings or files",
  ],
  ["eval", "(?!)", "write the command itself"],
  ["read", "(?!)", "pass the file to a program (grep, awk, xargs)"],
  ["trap", "(?!)", "end what you started in the command itself"],
];
const CHECKS = new Map(
  TABLE.flatMap(([names, args, plainly]) =>
    names.split(" ").map((name) => [name, { args: new RegExp(`^(?:${args})$`), plainly }] as const),
  ),
);

export function assertPlainBuiltin(name: string, args: readonly Word[], dialect: Dialect): void {
  const check = CHECKS.get(name);
  if (!check && !OTHERS.has(name)) return;
  const isClosed = name !== "[" || literal(args.at(-1)) === "]";
  const given = shapes(name === "[" ? args.slice(0, -1) : args);
  if (isClosed && check?.args.test(given) && (name !== "printf" || isPlainFormat(args[0], dialect)))
    return;
  opaque(
    check && check.args.source !== "^(?:(?!))$" ? `${name} with these arguments` : name,
    check?.plainly ?? "use a program instead",
  );
}

function isPlainFormat(word: Word | undefined, dialect: Dialect): boolean {
  // zsh evaluates the arguments of numeric directives.
  const directives = literal(word)?.replaceAll(/%[-0]?\d*(?:\.\d+)?[sbcq%]/g, "") ?? "%n";
  return dialect === "zsh" ? !directives.includes("%") : !/%[^%]*n/.test(directives);
}
