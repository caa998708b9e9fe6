/**
 * The programs that run another command, one line each. Promises: the command behind a known wrapper is handed on; a
 * wrapper with an unknown option, or with words of its own that are not literal, is opaque. Programs that run code by
 * means of their own (`git -c`, `awk`, `python -c`, `npx`) are not among them.
 */
import { normalize } from "node:path";
import { isHarmlessVariable } from "./variables.js";
import { literal, opaque, shapes, UNKNOWN_WORD, type Dialect, type Word } from "./words.js";

/** What a wrapper runs. */
export type Inner =
  | { readonly kind: "words"; readonly words: readonly Word[] }
  | { readonly kind: "code"; readonly code: string; readonly dialect: Dialect }
  | { readonly kind: "script"; readonly path: string };

/**
 * NAMES | letters of options, and of those with a value | long options | what stands before the command, as shapes |
 * where what is its own has this, code follows
 */
const TABLE = `
env | i0v | u | ignore-environment null unset= | (?: \\w+=[^ "$*#]*)*
cross-env | | | | (?: \\w+=[^ "$*#]*)*
sudo | AbEHknPS | ugpTU | non-interactive preserve-env user= group= | (?: \\w+=[^ "$*#]*)*
doas | n | u | |
nohup builtin busybox toybox linux32 linux64 fakeroot chronic | | | |
setsid | cfw | | ctty fork wait |
nice | 0123456789 | n | adjustment= |
ionice | t | cn | class= classdata= |
timeout gtimeout | fpv | ks | foreground preserve-status verbose kill-after= signal= | OWN
stdbuf | | ioe | input= output= error= |
unbuffer | p | | |
time | pv | | |
command | pvV | | |
exec | cl | a | |
xargs | 0rtx | dELnPsI | null no-run-if-empty verbose max-args= max-procs= delimiter= |
chroot | | | | OWN
taskset | ac | | | OWN
chrt | bfior | | | OWN
strace | cfqtTvy | eops | |
ltrace | cfStT | enops | |
caffeinate | dimsu | tw | |
xvfb-run | a | ns | |
prlimit | | | nofile= nproc= as= cpu= |
choom | | n | |
unshare | imnpuUCTrf | | |
systemd-run | qtPdG | | user scope pty wait |
flock | senuxo | wE | shared exclusive nonblock timeout= wait= | OWN(?: -c)? | -c$
watch | bcdegtwx | n | color differences interval= | | ^
ssh | 46AaCfgkNnqTtvXxY | bcilLpRDW | | OWN | ^
bash zsh sh dash ash | cehlmnpuvx | o | login norc noprofile posix | | -\\w*c
su runuser | | | | (?: -l?)?(?:OWN)? -c | ^
script | aefq | | | -[aefq]*c | ^
`;
const WRAPPERS = new Map(
  TABLE.trim()
    .split("\n")
    .flatMap((line) => {
      const [names = "", flags, values, long = "", own = "", code] = line
        .split(" |")
        .map((it) => it.trim());
      const longs = long
        .replaceAll(/[\w-]+/g, "|--$&")
        .replaceAll("=", "(?:=LIT?| LIT)")
        .replaceAll(" ", "");
      const options = `(?: (?:-[${flags}\0]+|-[${flags}\0]*[${values}\0](?:LIT| LIT)${longs})(?= |$))*`;
      const before = own.replace("OWN", "(?: (?!-)LIT)").replace(/^-/, " -");
      const source = `^(${options}(?: --(?= ))?${before})(?: [^ -]|$)`.replaceAll(
        "LIT",
        `[^ "$*#]+`,
      );
      const wrapper = { pattern: new RegExp(source), code: code ? new RegExp(code) : undefined };
      return names.split(" ").map((name) => [name, wrapper] as const);
    }),
);

const SHELLS = new Map<string, Dialect>([
  ["bash", "bash"],
  ["zsh", "zsh"],
  ["sh", "posix"],
  ["dash", "posix"],
  ["ash", "posix"],
]);

/** Programs that run commands in a way that the table above cannot say. */
const OPAQUE = new Set(
  (
    "parallel at batch newgrp sg setarch setpriv nsenter pkexec runcon numactl firejail bwrap proot rlwrap valgrind " +
    "perf rbash ksh ksh93 mksh fish csh tcsh elvish nu xonsh osh ysh rc es pwsh powershell cmd"
  ).split(" "),
);

/** How to read the code of this shell; `undefined`: it is not read. */
export function dialectOf(shell: string): Dialect | undefined {
  return SHELLS.get(/([^/\\]*?)(?:\.exe)?$/.exec(shell)?.[1]?.replace(/^-/, "") ?? "");
}

/** What this command runs besides itself. */
export function unwrap(name: string, args: readonly Word[]): Inner[] {
  if (OPAQUE.has(name)) opaque(name, "run the command itself");
  if (name === "source" || name === ".") return [script(args[0], name)];
  if (name === "find") return findInner(args);
  const wrapper = WRAPPERS.get(name);
  if (!wrapper) return [];
  const own = wrapper.pattern.exec(shapes(args))?.[1];
  const words = args.slice((own ?? "").split(" ").length - 1);
  if (own === undefined || words.slice(0, 1).some(isComputed))
    opaque(
      `${name} with words that are not literal, or with an option that is not known`,
      "leave them out, or run the command itself",
    );
  for (const [, variable = ""] of own.matchAll(/ (\w+)=/g))
    if (!isHarmlessVariable(variable))
      opaque(`${name} with the variable ${variable}`, "set it with `env` of the tool");
  if (wrapper.code?.test(own)) {
    const dialect = SHELLS.get(name);
    if (/^(?:ssh|watch)$/.test(name)) return [codeOf(name, words)];
    if (!dialect && !/^(?: [^ -][^ ]*)?$/.test(shapes(words.slice(1))))
      opaque(`${name} of this form`, `use ${name} -c 'command'`);
    return [codeOf(name, words.slice(0, 1), dialect)];
  }
  if (SHELLS.has(name)) return [script(words[0], name)];
  if (words.length === 0 && name === "chroot") opaque("chroot without a command", "name it");
  if (words.length === 0 || (name === "command" && / -\w*v/i.test(own))) return [];
  if (name !== "xargs") return [{ kind: "words", words }];
  // A word with the place holder in it is another one each time.
  if (/ -\w*I/.test(own.replaceAll(/ -I ?\{\}(?= |$)/g, "")))
    opaque("xargs with another place holder", "use -I{}");
  return [{ kind: "words", words: filledIn(words) }];
}

function isComputed(word: Word): boolean {
  return literal(word) === undefined;
}

/** What the program puts in the place of `{}`, or behind the words, is not known. */
function filledIn(words: readonly Word[]): Word[] {
  return [...words.map((it) => (it.raw.includes("{}") ? UNKNOWN_WORD : it)), UNKNOWN_WORD];
}

function codeOf(name: string, words: readonly Word[], dialect: Dialect = "posix"): Inner {
  if (words.length === 0 || words.some(isComputed))
    opaque(`${name} with code that is not literal`, "write the code in quotes");
  return { kind: "code", code: words.map(({ value }) => value).join(" "), dialect };
}

/** A file of code is named in the command, so the rule for the command decides about it. */
function script(word: Word | undefined, name: string): Inner {
  if (!word)
    opaque(
      "a shell that reads its code from a pipe or file",
      `use ${name} -c 'command' or a script's path`,
    );
  const path = literal(word);
  if (path === undefined || path.startsWith("-"))
    opaque(`${name} of a file that is not named`, "write the file's path");
  const file = normalize(path);
  const sources = name === "source" || name === ".";
  if (sources && (!path.includes("/") || /^(?:\/|~|\.\.)/.test(file)))
    opaque(`${name} of a file that is not in the project`, `write ${name} ./FILE`);
  if (/(?:^|\/)(?:dev\/(?:std|fd|tty)|proc\/)/.test(file))
    opaque("a script that is a device", "write the command itself");
  return { kind: "script", path };
}

/** Options whose value is one word that is only compared. */
const FIND_TESTS =
  /^-(?:i?(?:name|path|wholename|regex|lname)|newer\w*|[acm](?:time|min)|size|(?:max|min)depth|type|user|group|perm)$/;

function findInner(args: readonly Word[]): Inner[] {
  const found: Inner[] = [];
  for (let index = 0; index < args.length; index++) {
    const word = args[index];
    const isValue = FIND_TESTS.test(literal(args[index - 1]) ?? "");
    // "$X" is one word, and where find looks it is no action.
    const isFixed =
      word?.kind === "literal" || (word?.kind === "pattern" && !/[{'"\\]/.test(word.raw));
    if (!isFixed && !(word?.kind === "one" && (isValue || index === 0)))
      opaque("find with words that are not literal", "write them as they are, variables in quotes");
    if (isValue || !/^-(?:exec|execdir|ok|okdir)$/.test(literal(word) ?? "")) continue;
    const rest = args.slice(index + 1);
    const length = rest.findIndex(({ value }) => value === ";" || value === "+");
    const words = length < 0 ? rest : rest.slice(0, length);
    found.push({ kind: "words", words: filledIn(words) });
    index += words.length;
  }
  return found;
}
