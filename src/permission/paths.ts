// The paths that a command names. Promises: the same commands' arguments as the host's own tool looks
// at, and besides them redirections and the usual writers; a path that depends on a variable other
// than HOME and PWD is not looked at (nor does the host).
import type { Redirect } from "./simple-command.js";
import { literal, type Word } from "./word.js";

export interface PathUse {
  /** `enter`: later relative paths may start from it. */
  readonly kind: "enter" | "use";
  readonly path: string;
}

const ENTERS = new Set(["cd", "chdir", "pushd", "popd"]);
const TAKES_FILES = new Set(
  "rm cp mv mkdir touch chmod chown cat ln rmdir tee truncate unlink shred install mkfifo".split(
    " ",
  ),
);

/** The host asks about the directory of these and not about the command. */
export function changesDirectory(name: string): boolean {
  return ENTERS.has(name);
}

export function pathsOfCommand(name: string, args: readonly Word[]): PathUse[] {
  const kind = changesDirectory(name) ? "enter" : "use";
  if (kind === "use" && !TAKES_FILES.has(name)) return [];
  if (name === "cd" && args.length === 0) return [{ kind, path: "~" }];
  return args.flatMap((word) => {
    const path = pathText(word)?.replace(/^-[^=]*=?/, "");
    const mode = name === "chmod" && path?.startsWith("+");
    return path && !mode ? [{ kind, path }] : [];
  });
}

const DEVICES = /^\/dev\/(?:null|zero|u?random|full|tty|std(?:in|out|err)|fd\/\d+)$/;

export function pathOfRedirect({ operator, target }: Redirect): PathUse[] {
  const path = pathText(target);
  if (!path || DEVICES.test(path)) return [];
  if (operator.endsWith("&") && /^(?:\d+-?|-)$/.test(path)) return [];
  return [{ kind: "use", path }];
}

/** The fixed part of a path: what stands before the first wildcard. */
function pathText(word: Word): string | undefined {
  const text = literal(word);
  if (text !== undefined) return text;
  if (word.value !== undefined) return word.value.slice(0, word.value.search(/[*?[{]/));
  const known = /^"?\$(?:(HOME|PWD)|\{(HOME|PWD)\})((?:\/[^$`"'\\*?[{]*)?)/.exec(word.raw);
  if (!known) return undefined;
  return ((known[1] ?? known[2]) === "HOME" ? "~" : ".") + (known[3] ?? "");
}
