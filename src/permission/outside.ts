// Which directories outside of the project a command touches. Promises: containment is judged by
// names alone, as the host does; after a `cd` a relative path is judged from every directory the
// command may then be in.
import { homedir } from "node:os";
import { dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import type { PathUse } from "./paths.js";

export interface Project {
  readonly directory: string;
  /** The root of the repository; the host says `/` where there is none. */
  readonly worktree: string;
}

const MAX_PLACES = 16;

function isInside(path: string, project: Project): boolean {
  if (contains(project.directory, path)) return true;
  return project.worktree !== "/" && contains(project.worktree, path);
}

function contains(parent: string, path: string): boolean {
  const way = relative(parent, path);
  return way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
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

/** As the host spells it: everything in the directory. */
export function directoryPattern(directory: string): string {
  return join(directory, "*").replaceAll("\\", "/");
}
