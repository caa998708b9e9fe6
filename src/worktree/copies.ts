/**
 * Files that a worktree is given because they are not committed: `.env` files and the project's OpenCode
 * configuration. Each is remembered with a digest, so that an unchanged copy is never taken for the subagent's work.
 * Links are copied as links, and nothing is read or written outside of the two trees.
 */
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import {
  copyFile,
  lstat,
  mkdir,
  readFile,
  readlink,
  realpath,
  rm,
  symlink,
} from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import type { WorktreeRecord } from "../jobs/job.js";
import { errorCode } from "../ports.js";
import { changes, ignoredFiles } from "./git.js";

type Copies = WorktreeRecord["copies"];

/** More is no configuration but a build folder: refused rather than copied for minutes. */
const MOST_COPIES = 1_000;

/** Parts of OpenCode's configuration, which a subagent needs as its parent's tree has them. */
export const CONFIGURATION = /^(?:opencode\.jsonc?|\.opencode\/.+)$/u;
/** Installed by OpenCode itself, and again in the worktree. */
const INSTALLED =
  /^\.opencode\/(?:node_modules\/|package(?:-lock)?\.json$|bun\.lock$|\.gitignore$)/u;

/**
 * What of a tree is not committed and yet wanted: ignored files that match a pattern, and changed, new or ignored
 * files of OpenCode's configuration. Throws a `RangeError` when they are too many.
 */
export async function filesToCopy(tree: string, patterns: readonly string[]): Promise<string[]> {
  const [changed, ignored] = await Promise.all([
    changes(tree),
    ignoredFiles(tree, [...patterns, "opencode.json", "opencode.jsonc", ".opencode/**"]),
  ]);
  const asConfiguration = (path: string) => CONFIGURATION.test(path) && !INSTALLED.test(path);
  const byPattern = new Set(await ignoredFiles(tree, patterns));
  const paths = new Set([
    ...changed.filter(asConfiguration),
    ...ignored.filter((path) => byPattern.has(path) || asConfiguration(path)),
  ]);
  if (paths.size > MOST_COPIES) {
    throw new RangeError(
      `worktreeInclude: expected at most ${MOST_COPIES} files, got ${paths.size}; name them more closely`,
    );
  }
  return [...paths].sort();
}

/**
 * Copies files into another tree and says what each was. One that is gone in the source is removed in the target, and
 * one whose place in the target leads out of it is left out.
 */
export async function copyFiles(
  from: string,
  to: string,
  paths: readonly string[],
): Promise<Copies> {
  const copies: Copies = [];
  const top = await realpath(to);
  for (const path of paths) {
    const target = join(to, ...path.split("/"));
    if (!(await leadsInside(top, dirname(target)))) continue;
    const source = join(from, ...path.split("/"));
    const digest = await digestOf(source);
    await rm(target, { force: true });
    if (digest === undefined) continue;
    await mkdir(dirname(target), { recursive: true });
    const info = await lstat(source);
    if (info.isSymbolicLink()) await symlink(await readlink(source), target);
    else await copyFile(source, target, constants.COPYFILE_FICLONE);
    copies.push({ path, digest });
  }
  return copies;
}

/** The copies that are still what they were. */
export async function unchangedCopies(tree: string, copies: Copies): Promise<string[]> {
  const found: string[] = [];
  for (const { path, digest } of copies) {
    if ((await digestOf(join(tree, ...path.split("/")))) === digest) found.push(path);
  }
  return found;
}

/** SHA-256, or the target of a link; undefined for what does not exist or is neither a file nor a link. */
async function digestOf(path: string): Promise<string | undefined> {
  try {
    const info = await lstat(path);
    if (info.isSymbolicLink()) return `link ${await readlink(path)}`;
    if (!info.isFile()) return undefined;
    return createHash("sha256")
      .update(await readFile(path))
      .digest("hex");
  } catch (thrown) {
    if (isMissing(thrown)) return undefined;
    throw thrown;
  }
}

/** Whether a folder, as far as it exists, is inside of `top` once links are followed. */
async function leadsInside(top: string, folder: string): Promise<boolean> {
  try {
    const way = relative(top, await realpath(folder));
    return way !== ".." && !way.startsWith(`..${sep}`);
  } catch (thrown) {
    if (isMissing(thrown)) return leadsInside(top, dirname(folder));
    throw thrown;
  }
}

function isMissing(thrown: unknown): boolean {
  const code = errorCode(thrown);
  return code === "ENOENT" || code === "ENOTDIR";
}
