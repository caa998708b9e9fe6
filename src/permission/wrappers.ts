// The commands that run other commands, by name. Promises: a rule for the wrapper alone never allows
// what it wraps. Programs that run others by means of their own (`git -c`, `awk`, `python -c`, `npx`)
// are not among them: a rule that allows such a program allows what it can do.
import {
  codeOption,
  evalCode,
  flock,
  hidesCode,
  hidesCodeWith,
  parallel,
  source,
  ssh,
  trap,
  watch,
} from "./code-takers.js";
import {
  beforeStatement,
  chroot,
  commandBuiltin,
  find,
  runs,
  runsWithAssignments,
  xargs,
  type Unwrap,
} from "./runners.js";
import { isShell, shellInner, type Inner } from "./shells.js";
import type { Stdin } from "./simple-command.js";
import type { Word } from "./word.js";

const CHANGES_THE_SHELL = hidesCode("a command that changes what later ones mean");
const LATER = hidesCode("a command that runs code later");

const ENV = {
  flags: "i0v",
  values: "u",
  longFlags: ["ignore-environment", "null", "debug"],
  longValues: ["unset"],
};
// -i and -s start a shell, -e an editor: not among the known ones.
const SUDO = {
  flags: "AbEHknPS",
  values: "ugpTU",
  longFlags: ["preserve-env", "non-interactive", "stdin", "background", "set-home", "askpass"],
  longValues: ["user", "group", "prompt"],
};
const TIMEOUT = {
  flags: "fpv",
  values: "ks",
  longFlags: ["foreground", "preserve-status", "verbose"],
  longValues: ["kill-after", "signal"],
};

const WRAPPERS: ReadonlyMap<string, Unwrap> = new Map<string, Unwrap>([
  ["env", runsWithAssignments(ENV)],
  ["cross-env", runsWithAssignments({})],
  ["sudo", runsWithAssignments(SUDO)],
  ["doas", runs({ flags: "nL", values: "u" })],
  ["xargs", xargs],
  ["find", find],
  ["parallel", parallel],
  ["exec", runs({ flags: "cl", values: "a" })],
  ["command", commandBuiltin],
  ["builtin", runs({})],
  ["noglob", runs({})],
  ["nocorrect", runs({})],
  ["-", runs({})],
  ["repeat", runs({}, 1)],
  ["time", beforeStatement({ flags: "pvaq", values: "of" })],
  ["coproc", beforeStatement({})],
  ["nohup", runs({})],
  ["setsid", runs({ flags: "cfw", longFlags: ["ctty", "fork", "wait"] })],
  ["nice", runs({ values: "n", longValues: ["adjustment"], numbers: true })],
  ["ionice", runs({ flags: "t", values: "cn", longValues: ["class", "classdata"] })],
  ["chrt", runs({ flags: "bfior" }, 1)],
  ["taskset", runs({ flags: "ac", longFlags: ["cpu-list", "all-tasks"] }, 1)],
  ["timeout", runs(TIMEOUT, 1)],
  ["gtimeout", runs(TIMEOUT, 1)],
  ["stdbuf", runs({ values: "ioe", longValues: ["input", "output", "error"] })],
  ["unbuffer", runs({ flags: "p" })],
  ["chroot", chroot],
  ["strace", runs({ flags: "cCfFiknqrtTvwxyYzZ", values: "abeoOpPsSuUX" })],
  ["ltrace", runs({ flags: "cCfiLrStT", values: "aeFlnopsux" })],
  ["caffeinate", runs({ flags: "dimsu", values: "tw" })],
  ["xvfb-run", runs({ flags: "al", values: "nsewp" })],
  ["busybox", runs({})],
  ["toybox", runs({})],
  ["setpriv", runs({})],
  ["prlimit", runs({})],
  ["choom", runs({ values: "n" })],
  ["linux32", runs({})],
  ["linux64", runs({})],
  ["setarch", hidesCode("a command behind options that are not known")],
  ["sg", hidesCode("a shell that reads its code from elsewhere")],
  ["newgrp", hidesCode("a shell that reads its code from elsewhere")],
  ["unshare", runs({ flags: "imnpuUCTrfc" })],
  ["nsenter", runs({})],
  ["systemd-run", runs({ flags: "qtPdG", longFlags: ["user", "scope", "pty", "wait"] })],
  ["fakeroot", runs({})],
  ["chronic", runs({})],
  ["flock", flock],
  ["watch", watch],
  ["ssh", ssh],
  ["su", codeOption],
  ["runuser", codeOption],
  ["script", codeOption],
  ["eval", evalCode],
  ["trap", trap],
  ["source", source],
  [".", source],
  ["alias", CHANGES_THE_SHELL],
  ["emulate", CHANGES_THE_SHELL],
  ["setopt", CHANGES_THE_SHELL],
  ["unsetopt", CHANGES_THE_SHELL],
  ["autoload", CHANGES_THE_SHELL],
  ["zmodload", CHANGES_THE_SHELL],
  ["enable", CHANGES_THE_SHELL],
  ["disable", CHANGES_THE_SHELL],
  ["hash", hidesCodeWith(/^-|=/, "a command that changes what later ones mean")],
  ["mapfile", hidesCodeWith(/^-\w*C/, "a command that runs code later")],
  ["readarray", hidesCodeWith(/^-\w*C/, "a command that runs code later")],
  ["compgen", hidesCodeWith(/^-\w*[CW]/, "a command that runs its argument")],
  ["complete", hidesCodeWith(/^-\w*[CW]/, "a command that runs code later")],
  ["fc", LATER],
  ["at", LATER],
  ["batch", LATER],
]);

/** What this command runs besides itself. */
export function unwrap(name: string, args: readonly Word[], stdin: Stdin | undefined): Inner[] {
  if (isShell(name)) return shellInner(name, args, stdin);
  return WRAPPERS.get(name)?.(args, stdin) ?? [];
}
