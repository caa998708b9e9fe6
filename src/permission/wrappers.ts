/**
 * The programs that run another command, one line each. Promises: the command behind a known wrapper is handed on; a
 * wrapper with an unknown option, or with words of its own that are not literal, is opaque. Programs that run code by
 * means of their own (`git -c`, `awk`, `python -c`, `npx`) are not among them.
 */
import { normalize } from "node:path";
import { assertHarmless } from "./builtins.js";
import { literal, opaque, readTable, shapes, UNKNOWN, type Dialect, type Word } from "./words.js";

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
