/**
 * What a plain command may do to its own shell: the builtins of bash, zsh and dash, each with the arguments with which it
 * is plain, and the variables that may be set. Promises: a name counts as harmless only if it is on the list, because
 * shells, loaders and programs take code and paths of programs from others.
 */
import { literal, opaque, readTable, shapes, type Word } from "./words.js";

// zsh evaluates what it takes for a number.
const NUMBER = String.raw`(?:-?\d+|#)`;
const NUMERIC = ` ${NUMBER} -(?:eq|ne|lt|le|gt|ge) ${NUMBER}`;
const UNARY = " -[abcdefghknprsuwxzGLNOS]";
const BINARY = "(?:==?|!=|-ef|-nt|-ot)";
const ONE = "[^ $*]+";
const NEVER = "(?!)";
/** NAMES | shapes of what may follow | how to write plainly what may not */
const CHECKS = readTable(
  String.raw`
: cd chdir echo false kill popd pushd pwd true command builtin exec time source . | .* |
bg dirs disown fg times type ulimit umask where which | [^"$*#]* |
break continue exit return shift | (?: ${NUMBER})? | use a literal number
jobs | (?: -[lprs]+)* |
hash | (?: [\w.]+)* |
wait | .* | wait without arguments, or for $!
set | (?: [-+][eux]+| [-+][eux]*o pipefail)+ | use set -e, -u, -x, -o pipefail
export | (?: \w+(?:=[^ "$*#]*)?)* | export NAME=literal of a name such as PORT
unset | (?: \w+)* |
printf | [ ][^-].* | begin with a literal format, and fill it with %s
[ test | (?: !)?(?:(?! [-!']) ${ONE}|${UNARY} ${ONE}|${NUMERIC}|(?! [-!']\S) ${ONE} ${BINARY} ${ONE}) | use one test, with its variables in quotes
[[ | (?: !)?(?:(?! [-!']) \S+|${UNARY} \S+|${NUMERIC}|(?! [-!']\S) \S+ (?:=~|${BINARY}) \S+) | use one test of strings or files
read | ${NEVER} | pass the file to a program (grep, awk, xargs)
trap | ${NEVER} | end what you started in the command itself
alias autoload bind bindkey bye caller compadd comparguments compcall compctl compdescribe compfiles compgen compgroups complete compopt compquote compset comptags comptry | ${NEVER} |
compvalues coproc declare disable echotc echoti emulate enable end eval fc float foreach function functions getln getopts help history if integer let limit local log logout | ${NEVER} |
mapfile nocorrect noglob print private pushln r readarray readonly rehash repeat sched select setopt shopt suspend sysopen sysread syswrite ttyctl typeset unalias unfunction | ${NEVER} |
unhash unlimit unsetopt vared whence zcompile zf_rm zformat zle zmodload zparseopts zpty zregexparse zsocket zstyle zsystem ztcp - | ${NEVER} |`,
  ([args, plainly]) => ({ args: new RegExp(`^(?:${args})$`), plainly }),
);

export function assertPlainBuiltin(name: string, args: readonly Word[]): void {
  const check = CHECKS.get(name);
  if (!check) return;
  let isPlain = check.args.test(shapes(name === "[" ? args.slice(0, -1) : args));
  if (name === "[") isPlain &&= literal(args.at(-1)) === "]";
  // zsh evaluates the arguments of numeric directives, bash sets the variable of %n.
  const format = name === "printf" ? (literal(args[0]) ?? "%") : "";
  if (format.replaceAll(/%[-0]?\d*(?:\.\d+)?[sbcq%]/g, "").includes("%")) isPlain = false;
  // bash evaluates what it takes for an option.
  if (name === "wait") isPlain = args.every((it) => /^(?:[-%]?\d+|"?\$[?!]"?)$/.test(it.raw));
  if (!isPlain)
    opaque(`${name} in this form`, check.plainly || "use a program or plain words instead");
}

const HARMLESS = new RegExp(
  "^(?:[A-Za-z]|PORT|HOST|(?:NODE|APP|RAILS|BABEL)_ENV|CI|DEBUG|VERBOSE|LOG_LEVEL|RUST_LOG|RUST_BACKTRACE|NO_COLOR|" +
    "TERM|TZ|GOOS|GOARCH|CGO_ENABLED|PYTHONUNBUFFERED|COVERAGE|MINIFY|WASM|WASM_SYNC|VERSION|NAME|DIR|FILE|OUT|PID|FOO|BAR|" +
    "dir|files?|names?|out|output|src|url|host|port|pid|line|item|key|value|count|result|code|version|tag|branch|" +
    // What build tools put into web pages, switches, and addresses of servers.
    String.raw`(?:VITE|NEXT_PUBLIC|REACT_APP|ENABLE|DISABLE|FORCE|SKIP)_\w+|\w+_(?:PID|PORT|LEVEL|SNAPSHOT))$`,
);
// In other ones a character may end with the byte of a backslash, and what that escapes runs.
const LOCALE = /^(?:LANG|LC_ALL)=(["']?)(?:C|POSIX|[\w.]+\.utf-?8)\1$/i;

/** A value that a shell would run if it evaluated the variable (`x[y]`, too), or that ends a line, is not harmless. */
export const isHarmlessVariable = (name: string, value = "") =>
  (HARMLESS.test(name) || LOCALE.test(`${name}=${value}`)) && !/\$\(|[`[\r\n]/.test(value);

/** @param assignment `NAME=value` or the name alone. */
export function assertHarmless(assignment: string): void {
  const name = assignment.replace(/=.*/su, "");
  if (!HARMLESS.test(name) && !LOCALE.test(assignment))
    opaque(`a value for the variable ${name}`, "use `env` of the tool, or a short name");
}
