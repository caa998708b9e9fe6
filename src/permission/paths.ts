/**
 * The paths that a command names, and the directories outside of the project among them. Promises: the same commands'
 * arguments as the host's own tool looks at, and every redirect; containment is judged by names alone, as the host does
 * (symbolic links are not followed); after a `cd` a relative path is judged from every directory that may be the one.
 */
import { stat } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { isInside } from "../system/inside.js";
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

const TAKES_FILES =
  /^(?:rm|cp|mv|mkdir|touch|chmod|chown|cat|ln|rmdir|tee|truncate|unlink|shred|install|mkfifo)$/;
const DEVICES = /^\/dev\/(?:null|zero|u?random|full|tty|std(?:in|out|err)|fd\/\d+)$/;
const MAX_PLACES = 16;

/** The host asks about the directory of these and not about the command. */
export const changesDirectory = (name: string) => /^(?:cd|chdir|pushd|popd)$/.test(name);

export function pathsOfCommand(name: string, args: readonly Word[]): PathUse[] {
  const kind = changesDirectory(name) ? "enter" : "use";
  if (kind === "use" && !TAKES_FILES.test(name)) return [];
  if (name === "cd" && args.length === 0) return [{ kind, path: "~" }];
  const paths = args.map((word) => pathText(word).replace(/^-[^=]*=?/, ""));
  return paths
    .filter((path) => path !== "" && !(name === "chmod" && path.startsWith("+")))
    .map((path) => ({ kind, path }));
}

export function pathOfRedirect(target: Word): PathUse[] {
  const path = pathText(target) || target.raw.replaceAll(/["']|[$`*?[{\\].*/gsu, "");
  return path === "" || DEVICES.test(path) ? [] : [{ kind: "use", path }];
}

/** The fixed part of a path: what stands before the first wildcard. */
function pathText({ raw, value, kind }: Word): string {
  if (value !== undefined) return kind === "literal" ? value : value.replace(/[*?[{].*/su, "");
  const known = /^"?\$(?:(HOME|PWD)|\{(HOME|PWD)\})((?:\/[^$`"'\\*?[{]*)?)/.exec(raw);
  if (!known) return "";
  return ((known[1] ?? known[2]) === "HOME" ? "~" : ".") + (known[3] ?? "");
}

export async function outsideDirectories(uses: readonly PathUse[], cwd: string, project: Project) {
  const { directory, worktree } = project;
  const roots = worktree === "/" ? [directory] : [directory, worktree];
  const isOurs = (path: string) => roots.some((root) => isInside(root, path));
  const outside = new Set(isOurs(cwd) ? [] : [cwd]);
  const places = new Set([cwd]);
  for (const { kind, path } of uses) {
    for (const place of Array.from(places)) {
      const full = resolve(place, path.replace(/^~(?=\/|$)/, homedir()));
      if (kind === "enter" && places.size < MAX_PLACES) places.add(full);
      if (isOurs(full)) continue;
      const isDirectory = async () => (await stat(full).catch(() => undefined))?.isDirectory();
      outside.add(kind === "enter" || (await isDirectory()) ? full : dirname(full));
    }
  }
  return [...outside];
}

/** As the host spells it: everything in the directory. */
export const directoryPattern = (path: string) => join(path, "*").replaceAll("\\", "/");
