/** The builtins of bash, zsh and dash, each with the arguments with which it is plain. */
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
