/**
 * The paths that a command names, and the directories outside of the project among them. Promises: the
 * same commands' arguments as the host's own tool looks at, and every redirect; containment is judged by
 * names alone, as the host does (symbolic links are not followed); after a `cd` a relative path is judged
 * from every directory the command may then be in.
 */
import { homedir } from "node:os";
import { dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import type { Word } from "./words.js";

export interface PathUse {
  /** `enter`: later relative paths may start from it. */
  readonly kind: "enter" | "use";
  readonly path: string;
}

export interface Project {
  readonly directory: string;
  /** The root of the repository; the host says `/` where there is none. */
  readonly worktree: string;
}

const ENTERS = new Set(["cd", "chdir", "pushd", "popd"]);
const TAKES_FILES = new Set(
  "rm cp mv mkdir touch chmod chown cat ln rmdir tee truncate unlink shred install mkfifo".split(
    " ",
  ),
);
const DEVICES = /^\/dev\/(?:null|zero|u?random|full|tty|std(?:in|out|err)|fd\/\d+)$/;
const MAX_PLACES = 16;

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

export function pathOfRedirect(target: Word): PathUse[] {
  const path = pathText(target);
  return !path || DEVICES.test(path) ? [] : [{ kind: "use", path }];
}

/** The fixed part of a path: what stands before the first wildcard. */
function pathText(word: Word): string | undefined {
  if (word.value !== undefined)
    return word.kind === "literal" ? word.value : word.value.slice(0, word.value.search(/[*?[{]/));
  const known = /^"?\$(?:(HOME|PWD)|\{(HOME|PWD)\})((?:\/[^$`"'\\*?[{]*)?)/.exec(word.raw);
  if (!known) return undefined;
  return ((known[1] ?? known[2]) === "HOME" ? "~" : ".") + (known[3] ?? "");
}

export async function outsideDirectories(
  uses: readonly PathUse[],
  cwd: string,
  project: Project,
  isDirectory: (path: string) => Promise<boolean>,
): Promise<string[]> {
  const outside = new Set<string>();
  if (!isInside(cwd, project)) outside.add(cwd);
  const places = new Set([cwd]);
  for (const { kind, path } of uses) {
    const before = Array.from(places); // grows below
    for (const place of before) {
      const full = resolve(place, path.replace(/^~(?=\/|$)/, homedir()));
      if (kind === "enter" && places.size < MAX_PLACES) places.add(full);
      if (isInside(full, project)) continue;
      outside.add(kind === "enter" || (await isDirectory(full)) ? full : dirname(full));
    }
  }
  return [...outside];
}

function isInside(path: string, project: Project): boolean {
  if (contains(project.directory, path)) return true;
  return project.worktree !== "/" && contains(project.worktree, path);
}

function contains(parent: string, path: string): boolean {
  const way = relative(parent, path);
  return way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

/** As the host spells it: everything in the directory. */
export function directoryPattern(directory: string): string {
  return join(directory, "*").replaceAll("\\", "/");
}
