/**
 * The programs that run another command, one line each. Promises: the command behind a known wrapper is
 * handed on; a wrapper with an unknown option, or with words of its own that are not literal, is opaque.
 * Programs that run code by means of their own (`git -c`, `awk`, `python -c`, `npx`) are not among them.
 */
import { normalize } from "node:path";
import { isHarmlessVariable } from "./variables.js";
import { literal, opaque, UNKNOWN_WORD, type Dialect, type Word } from "./words.js";

/** What a wrapper runs. */
export type Inner =
  | { readonly kind: "words"; readonly words: readonly Word[] }
  | { readonly kind: "code"; readonly code: string; readonly dialect: Dialect }
  | { readonly kind: "script"; readonly path: string };

interface Wrapper {
  /** Letters of options without and with a value; long options likewise (`wait`, `signal=`). */
  readonly flags: string;
  readonly values: string;
  readonly long: readonly string[];
  /** Words before the command. */
  readonly operands: number;
  readonly marks: readonly string[];
}

/**
 * NAMES | flags | values | long options | operands | marks. `NAME=`: variables may stand before the command;
 * `-5`: a number is an option; `adds`: it adds words; `code`: the words are shell code, joined with blanks.
 */
const TABLE = `
env | i0v | u | ignore-environment null unset= | 0 | NAME=
cross-env | | | | 0 | NAME=
sudo | AbEHknPS | ugpTU | non-interactive preserve-env user= group= | 0 | NAME=
doas | n | u | | 0 |
nohup builtin busybox toybox linux32 linux64 fakeroot chronic | | | | 0 |
setsid | cfw | | ctty fork wait | 0 |
nice | | n | adjustment= | 0 | -5
ionice | t | cn | class= classdata= | 0 |
timeout gtimeout | fpv | ks | foreground preserve-status verbose kill-after= signal= | 1 |
stdbuf | | ioe | input= output= error= | 0 |
unbuffer | p | | | 0 |
time | pv | | | 0 |
command | pvV | | | 0 |
exec | cl | a | | 0 |
xargs | 0rtx | dELnPsI | null no-run-if-empty verbose max-args= max-procs= delimiter= | 0 | adds
chroot | | | | 1 |
taskset | ac | | | 1 |
chrt | bfior | | | 1 |
strace | cfqtTvy | eops | | 0 |
ltrace | cfStT | enops | | 0 |
caffeinate | dimsu | tw | | 0 |
xvfb-run | a | ns | | 0 |
prlimit | | | nofile= nproc= as= cpu= | 0 |
choom | | n | | 0 |
unshare | imnpuUCTrf | | | 0 |
systemd-run | qtPdG | | user scope pty wait | 0 |
flock | senuxo | wE | shared exclusive nonblock timeout= wait= | 1 |
watch | bcdegtwx | n | color differences interval= | 0 | code
ssh | 46AaCfgkNnqTtvXxY | bcilLpRDW | | 1 | code
`;
const SHELL = {
  flags: "cehilmnpuvxs",
  values: "o",
  long: ["login", "norc", "noprofile", "posix"],
  marks: [],
};

const WRAPPERS: ReadonlyMap<string, Wrapper> = new Map(
  TABLE.trim()
    .split("\n")
    .flatMap((line) => {
      const [names = "", flags = "", values = "", ...others] = line
        .split("|")
        .map((it) => it.trim());
      const [long = [], operands = [], marks = []] = others.map((it) => it.split(" "));
      const wrapper = { flags, values, long, operands: Number(operands[0]), marks };
      return names.split(" ").map((name) => [name, wrapper] as const);
    }),
);

const SHELLS: ReadonlyMap<string, Dialect> = new Map([
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
  const name = shell.slice(Math.max(shell.lastIndexOf("/"), shell.lastIndexOf("\\")) + 1);
  return SHELLS.get(name.replace(/^-|\.exe$/g, ""));
}

/** What this command runs besides itself. */
export function unwrap(name: string, args: readonly Word[]): Inner[] {
  if (OPAQUE.has(name)) opaque(name, "run the command itself");
  const shell = SHELLS.get(name);
  if (shell) return [shellInner(name, args, shell)];
  if (name === "source" || name === ".") return [script(literal(args[0]), name)];
  if (name === "find") return findInner(args);
  if (name === "su" || name === "runuser" || name === "script") return codeOption(name, args);
  const wrapper = WRAPPERS.get(name);
  return wrapper ? wrapped(name, wrapper, args) : [];
}

function wrapped(name: string, wrapper: Wrapper, args: readonly Word[]): Inner[] {
  const { seen, rest } = skipOptions(name, wrapper, args);
  if (name === "command" && (seen.has("v") || seen.has("V"))) return [];
  let words = rest;
  if (name === "env" && literal(words[0]) === "-") words = words.slice(1);
  for (let own = wrapper.operands; own > 0; own--) {
    ownWord(name, words[0]);
    words = words.slice(1);
  }
  while (wrapper.marks.includes("NAME=") && words[0]?.raw.includes("=")) {
    const text = ownWord(name, words[0]);
    if (!isHarmlessVariable(/^(\w+)=/.exec(text)?.[1] ?? ""))
      opaque(
        `${name} with the variable ${text.replace(/=.*/su, "")}`,
        "set it with `env` of the tool",
      );
    words = words.slice(1);
  }
  // Without a command these start a shell.
  if (words.length === 0 && /^(?:ssh|watch|chroot)$/.test(name))
    opaque(`${name} without a command`, "name the command");
  const isCode = name === "flock" && /^(?:-c|--command)$/.test(literal(words[0]) ?? "");
  if (isCode) words = [words[1] ?? UNKNOWN_WORD];
  if (isCode || wrapper.marks.includes("code")) {
    const code = words.map((it) => ownWord(name, it)).join(" ");
    return [{ kind: "code", code, dialect: "posix" }];
  }
  if (wrapper.marks.includes("adds") && words.length > 0) {
    // A word with the place holder in it is another one each time.
    const before = args.slice(0, args.length - rest.length).map((it) => it.value);
    if (seen.has("I") && !/(?:^| )-I ?\{\}/.test(before.join(" ")))
      opaque("xargs with another place holder", "use -I{}");
    words = [...words.map((it) => (it.raw.includes("{}") ? UNKNOWN_WORD : it)), UNKNOWN_WORD];
  }
  return words.length === 0 ? [] : [{ kind: "words", words }];
}

function ownWord(name: string, word: Word | undefined): string {
  const text = literal(word);
  if (text === undefined)
    opaque(`${name} with words that are not literal`, "write them as they are");
  return text;
}

function skipOptions(
  name: string,
  wrapper: Omit<Wrapper, "operands">,
  args: readonly Word[],
): { seen: Set<string>; rest: readonly Word[] } {
  const seen = new Set<string>();
  const unknown = (text: string): never =>
    opaque(`${name} with the option ${text}`, "leave it out, or run the command itself");
  for (let index = 0; index < args.length; index++) {
    const text = literal(args[index]);
    if (text === undefined) {
      // However it goes on, a word that starts like this is no option.
      if (args[index]?.kind !== "many" && /^"?[\w./]/.test(args[index]?.raw ?? ""))
        return { seen, rest: args.slice(index) };
      opaque(`${name} with words that are not literal`, "write them as they are");
    }
    if (text === "--") return { seen, rest: args.slice(index + 1) };
    if (!/^-./.test(text)) return { seen, rest: args.slice(index) };
    if (wrapper.marks.includes("-5") && /^-\d+$/.test(text)) continue;
    const [long = "", value] = text.startsWith("--") ? text.slice(2).split(/=(.*)/su) : [];
    if (long !== "") {
      if (wrapper.long.includes(long)) continue;
      if (!wrapper.long.includes(`${long}=`)) unknown(text);
      if (value === undefined) ownWord(name, args[++index]);
      continue;
    }
    for (let at = 1; at < text.length; at++) {
      const letter = text.charAt(at);
      seen.add(letter);
      if (wrapper.flags.includes(letter)) continue;
      if (!wrapper.values.includes(letter)) unknown(text);
      if (at === text.length - 1) ownWord(name, args[++index]);
      break;
    }
  }
  return { seen, rest: [] };
}

function shellInner(name: string, args: readonly Word[], dialect: Dialect): Inner {
  const { seen, rest } = skipOptions(name, SHELL, args);
  if (seen.has("i")) opaque("an interactive shell", `use ${name} -c 'command'`);
  if (seen.has("c")) return { kind: "code", code: ownWord(name, rest[0]), dialect };
  if (rest.length === 0 || seen.has("s") || literal(rest[0]) === "-")
    opaque(
      "a shell that reads its code from a pipe or file",
      `use ${name} -c 'command' or a script's path`,
    );
  return script(literal(rest[0]), name);
}

/** A file of code is named in the command, so the rule for the command decides about it. */
function script(path: string | undefined, name: string): Inner {
  if (path === undefined || path.startsWith("-"))
    opaque(`${name} of a file that is not named`, "write the file's path");
  const sources = name === "source" || name === ".";
  const file = normalize(path);
  if (sources && !path.includes("/"))
    opaque(`${name} of a name that PATH is searched for`, `write ${name} ./${path}`);
  if (sources && /^(?:\/|~|\.\.)/.test(file))
    opaque(`${name} of a file outside of the project`, "write its path in it, or run it with bash");
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
    const text = literal(word);
    const isValue = FIND_TESTS.test(literal(args[index - 1]) ?? "");
    const fixed = text !== undefined || (word?.kind === "pattern" && !/[{'"\\]/.test(word.raw));
    // "$X" is one word, and where find looks it is no action.
    if (!fixed && !(word?.kind === "one" && (isValue || index === 0)))
      opaque("find with words that are not literal", "write them as they are, variables in quotes");
    if (isValue || !/^-(?:exec|execdir|ok|okdir)$/.test(text ?? "")) continue;
    const length = args.slice(index + 1).findIndex((it) => it.value === ";" || it.value === "+");
    const words = args.slice(index + 1, length < 0 ? args.length : index + 1 + length);
    found.push({
      kind: "words",
      words: [...words.map((it) => (it.value?.includes("{}") ? UNKNOWN_WORD : it)), UNKNOWN_WORD],
    });
    index += words.length;
  }
  return found;
}

/** `-c CODE`, harmless flags and one operand, nothing else: further options name a shell or a command. */
function codeOption(name: string, args: readonly Word[]): Inner[] {
  const values = args.map((word) => ownWord(name, word));
  const at = values.findIndex((it) => /^-[aefq]*c$/.test(it));
  const others = values.filter((_it, index) => index !== at && index !== at + 1);
  const operands = others.filter((it) => !/^-[aeflq]*$/.test(it));
  const code = values[at + 1];
  if (
    at < 0 ||
    code === undefined ||
    operands.length > 1 ||
    operands.some((it) => it.startsWith("-"))
  )
    opaque(`${name} of this form`, `use ${name} -c 'command'`);
  return [{ kind: "code", code, dialect: "posix" }];
}
