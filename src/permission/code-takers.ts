// Commands that are given shell code as an argument. Promises: the code is handed on only when its
// whole text is fixed; otherwise it is reported as hidden.
import { behindOperands, withOptions, type Unwrap } from "./runners.js";
import { codeInner, hide, scriptInner } from "./shells.js";
import { literal, UNKNOWN_WORD, type Word } from "./word.js";

export const evalCode: Unwrap = (args) =>
  codeInner(literal(args[0]) === "--" ? args.slice(1) : args, undefined);

export const source: Unwrap = (args) => scriptInner(literal(args[0]) === "--" ? args[1] : args[0]);

export const trap = withOptions({ flags: "lp" }, ({ rest, seen }) => {
  const [code] = rest;
  return seen.size > 0 || !code || literal(code) === "-" ? [] : codeInner([code], undefined);
});

export const watch = withOptions(
  {
    flags: "bcdegtwx",
    values: "nq",
    longFlags: ["beep", "color", "differences", "errexit", "chgexit", "no-title", "exec"],
    longValues: ["interval"],
  },
  ({ rest }) => codeInner(rest, "posix"),
);

export const ssh = withOptions(
  // Without -o and -F, which can name a program to run here.
  { flags: "46AaCfgkKMNnqsTtvXxYy", values: "bcDEeIiJLlmpQRSWw" },
  ({ rest, seen }) => {
    const code = rest.slice(1);
    if (code.length === 0) return seen.has("-N") ? [] : hide("a shell on another machine");
    return codeInner(code, "posix");
  },
);

export const flock = withOptions(
  {
    flags: "senuxo",
    values: "wE",
    longFlags: ["shared", "exclusive", "unlock", "nonblock", "close", "no-fork"],
    longValues: ["timeout", "wait", "conflict-exit-code"],
  },
  ({ rest }) => {
    const [, second, third] = rest;
    if (/^(?:-c|--command)$/.test(second?.value ?? ""))
      return codeInner([third ?? UNKNOWN_WORD], "posix");
    return behindOperands(rest, 1);
  },
);

export const parallel = withOptions(
  { flags: "k0Xmvt", values: "jnNL", longFlags: ["keep-order", "bar"], longValues: ["jobs"] },
  ({ rest }) => {
    const end = rest.findIndex((word) => word.value?.startsWith(":::"));
    const words = end < 0 ? rest : rest.slice(0, end);
    // Arguments are pasted into the code; without a command they are the code.
    const pasted = words.length === 0 || words.some((word) => /\{.*\}/.test(word.raw));
    return pasted ? hide("code made of arguments") : codeInner([...words], undefined);
  },
);

const HARMLESS = /^-[aeflpqP]*$|^--(?:login|pty|fast|quiet|append|return|flush)$/;

/**
 * `-c CODE` anywhere; without it the program starts a shell on standard input. Of several the last one counts,
 * other options name a shell, and a second operand may be a command: beside it there is one operand at most.
 */
export const codeOption: Unwrap = (args) => {
  const at = args.findIndex((word) => /^-[aeflpqP]*c$|^--command$/.test(word.value ?? ""));
  const others = args
    .filter((_word, index) => index !== at && index !== at + 1)
    .filter((word) => !HARMLESS.test(literal(word) ?? ""));
  const isOperand = (word: Word) => literal(word) !== undefined && !word.value?.startsWith("-");
  if (at < 0 || others.length > 1 || !others.every(isOperand))
    return hide("a shell that reads its code from elsewhere");
  return codeInner([args[at + 1] ?? UNKNOWN_WORD], "posix");
};

export function hidesCode(reason: string): Unwrap {
  return () => hide(reason);
}

export function hidesCodeWith(option: RegExp, reason: string): Unwrap {
  return (args) =>
    args.some((word) => word.value === undefined || option.test(word.value)) ? hide(reason) : [];
}
