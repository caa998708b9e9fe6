/**
 * What is known of programs by their names. The builtins of bash, zsh and dash, each with the arguments with which it
 * is plain, and the variables that may be set: a name counts as harmless only if it is on the list, because shells,
 * loaders and programs take code and paths of programs from others. The programs that run another command, one line
 * each: the command behind a known wrapper is handed on; a wrapper with an unknown option, or with words of its own
 * that are not literal, is opaque. Programs that run code by means of their own (`git -c`, `awk`, `python -c`, `npx`)
 * are not among them.
 */
import { normalize } from "node:path";
import { type Dialect, literal, opaque, readTable, shapes, UNKNOWN, type Word } from "./words.js";

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

/** What a wrapper runs: a command, code, or the file of a script. */
type Inner =
  | { readonly words: readonly Word[] }
  | { readonly code: string; readonly dialect: Dialect }
  | { readonly script: string };

/**
 * NAMES | letters of options, and of those with a value | long options | what stands before the command, as shapes |
 * where what is its own has this, code follows
 */
const WRAPPERS = readTable(
  `
env cross-env | i0v | u | ignore-environment null unset= | (?: \\w+=[^ "$*#]*)*
sudo | AbEHknPS | ugpTU | non-interactive preserve-env user= group= | (?: \\w+=[^ "$*#]*)*
nohup builtin busybox toybox | | | |
setsid | cfw | | ctty fork wait |
nice | 0123456789 | n | adjustment= |
timeout gtimeout | fpv | ks | foreground preserve-status verbose kill-after= signal= | OWN
stdbuf | | ioe | input= output= error= |
time command | pvV | | |
exec | cl | a | |
xargs | 0rtx | dELnPsI | null no-run-if-empty verbose max-args= max-procs= delimiter= |
flock | senuxo | wE | shared exclusive nonblock timeout= wait= | OWN |
watch | bcdegtwx | n | color differences interval= | | ^
ssh | 46AaCfgkNnqTtvXxY | bcilLpRDW | | OWN | ^
bash zsh sh dash ash | cehlmnpuvx | | login norc noprofile posix | (?: -[ceux]*o pipefail(?: -[ceux]+)*)? | [ ]-\\w*c
`,
  ([flags, values, long = "", own = "", code]) => {
    const longs = long.replaceAll(/ ?([\w-]+)/g, "|--$1").replaceAll("=", "(?:=LIT?| LIT)");
    const options = `(?: (?:-[${flags}\0]+|-[${flags}\0]*[${values}\0](?:LIT| LIT)${longs})(?= |$))*`;
    const source = `^(${options}(?: --(?= ))?${own.replace("OWN", " (?!-)LIT")})(?: [^ +-]|$)`;
    const pattern = new RegExp(source.replaceAll("LIT", `[^ "$*#]+`));
    return { pattern, code: code ? new RegExp(code) : undefined };
  },
);

/** Programs that run commands in a way that the table above cannot say. */
const OPAQUE = new RegExp(
  "^(?:at|batch|bwrap|caffeinate|choom|chronic|chroot|chrt|cmd|csh|doas|elvish|es|fakeroot|firejail|fish|ionice|ksh|ksh93|linux32|" +
    "linux64|ltrace|mksh|newgrp|nsenter|nu|numactl|osh|parallel|perf|pkexec|powershell|prlimit|proot|pwsh|rbash|rc|rlwrap|runcon|runuser|" +
    "script|setarch|setpriv|sg|strace|su|systemd-run|taskset|tcsh|unbuffer|unshare|valgrind|xonsh|xvfb-run|ysh)$",
);

/** How to read the code of this shell; `undefined`: it is not read. */
export function dialectOf(shell: string): Dialect | undefined {
  const name = /(?:^|[/\\])-?(bash|zsh|(?:d?a)?sh)(?:\.exe)?$/.exec(shell)?.[1];
  return name === "bash" || name === "zsh" ? name : name === undefined ? undefined : "posix";
}

/** What this command runs besides itself. */
export function unwrap(name: string, args: readonly Word[]): Inner[] {
  if (OPAQUE.test(name)) opaque(name, "run the command itself");
  if (name === "source" || name === ".") return [script(args[0], name)];
  if (name === "find") return findInner(args);
  const wrapper = WRAPPERS.get(name);
  if (!wrapper) return [];
  const own = wrapper.pattern.exec(shapes(args))?.[1] ?? "-";
  const words = args.slice(own.split(" ").length - 1);
  const count = name === "ssh" || name === "watch" ? words.length : 1;
  const taken = words.slice(0, count).map(literal);
  if (own === "-" || taken.includes(undefined))
    opaque(`${name} with words that are not literal, or an unknown option`, "leave them out");
  for (const [, variable = ""] of own.matchAll(/ (\w+=[^ ]*)/g)) assertHarmless(variable);
  const dialect = dialectOf(name);
  if (taken.length === 0 && (dialect || /^(?:ssh|watch)$/.test(name)))
    opaque("a shell that reads its code from a pipe or file", `name what ${name} runs`);
  if (wrapper.code?.test(own)) return [{ code: taken.join(" "), dialect: dialect ?? "posix" }];
  if (dialect) return [script(words[0], name)];
  if (taken.length === 0 || (name === "command" && / -\w*v/i.test(own))) return [];
  // A word with the place holder in it is another one each time.
  if (name === "xargs" && / -\w*I/.test(own.replaceAll(/ -I ?\{\}(?= |$)/g, "")))
    opaque("xargs with another place holder", "use -I{}");
  return [{ words: name === "xargs" ? filledIn(words) : words }];
}

/** What the program puts in the place of `{}`, or behind the words, is not known. */
function filledIn(words: readonly Word[]): Word[] {
  return [...words.map((it) => ((it.value ?? it.raw).includes("{}") ? UNKNOWN : it)), UNKNOWN];
}

/** A file of code is named in the command, so the rule for the command decides about it. */
function script(word: Word | undefined, name: string): Inner {
  const path = literal(word);
  if (path === undefined || path.startsWith("-"))
    opaque(`${name} of a file that is not named`, "write the file's path");
  const file = normalize(path);
  if (/^(?:source|\.)$/.test(name) && (!path.includes("/") || /^(?:\/|~|\.\.)/.test(file)))
    opaque(`${name} of a file that is not in the project`, `write ${name} ./FILE`);
  if (/(?:^|\/)(?:proc\/|(?:std(?:in|out|err)|\d+|tty\w*)$)/.test(file))
    opaque("a script that is a device", "write the command itself");
  return { script: path };
}

/** The value of a test is one word, which is only compared; "$X" is one word, and where find looks it is no action. */
const FIND_TEST =
  "(?:i?(?:name|path|wholename|regex|lname)|newer\\w*|[acm](?:time|min)|size|(?:max|min)depth|type|user|group|perm)";
const FIND_RUN = "(?:exec|ok)(?:dir)?";
const FIND = new RegExp(
  `^(?: [^ $#]+)?(?: -${FIND_TEST} [^ $#]+| -${FIND_RUN}(?: (?![;+](?: |$))\\S+)* [;+](?= |$)|` +
    ` (?!-(?:${FIND_TEST}|${FIND_RUN})(?: |$))[^ "$#]+)*$`,
);

function findInner(args: readonly Word[]): Inner[] {
  if (!FIND.test(shapes(args)))
    opaque("find with words that are not literal", "write them as they are, variables in quotes");
  return args.flatMap((word, index): Inner[] => {
    if (!new RegExp(`^-${FIND_RUN}$`).test(literal(word) ?? "")) return [];
    const rest = args.slice(index + 1);
    const length = rest.findIndex(({ value }) => value === ";" || value === "+");
    return [{ words: filledIn(rest.slice(0, length < 0 ? undefined : length)) }];
  });
}
