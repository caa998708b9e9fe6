/**
 * What is done with a worktree once no job works in it: what is uncommitted is committed, the branch is looked at, and
 * a tree without work is removed. Loses nothing: git itself refuses to remove what has changes.
 */
import { existsSync } from "node:fs";
import { basename } from "node:path";
import type { WorktreeRecord, WorktreeResult } from "../jobs/job.js";
import { unchangedCopies } from "./copies.js";
import {
  branches,
  changes,
  checkedOut,
  checkMerge,
  commitAll,
  deleteBranchAt,
  dropCopies,
  GitError,
  isMerged,
  removeWorktree,
  summarize,
} from "./git.js";

/** A worktree that the host has made. */
export type Made = WorktreeRecord & { folder: string; branch: string };

const LOCK_TRIES = 20;
const LOCK_PAUSE_MS = 500;

/** Commits what is uncommitted, without unchanged copies of ours. */
export async function commitLeftovers({ folder, copies }: Made, message: string): Promise<void> {
  await unlocked(async () => commitAll(folder, message, await unchangedCopies(folder, copies)));
}

/** How its branch stands; `target` is the tree into which it would be merged. */
export async function examine(made: Made, target: string): Promise<WorktreeResult> {
  const { folder, base, copies } = made;
  const [summary, left, spared] = await Promise.all([
    summarize(folder, base),
    changes(folder),
    unchangedCopies(folder, copies),
  ]);
  const uncommitted = left.filter((path) => !spared.includes(path)).length;
  // A subagent may have left its branch for another: what is checked is what it has checked out.
  return { ...summary, uncommitted, ...(await mergeOf(target, summary.head, summary.commits)) };
}

async function mergeOf(
  target: string,
  head: string,
  commits: number,
): Promise<Pick<WorktreeResult, "into" | "merge" | "conflicts" | "why">> {
  if (!existsSync(target)) return { into: "", merge: "unchecked", why: `${target} is gone` };
  try {
    const into = await checkedOut(target);
    if (commits > 0 && (await isMerged(target, head))) return { into, merge: "merged" };
    return { into, ...(await checkMerge(target, head)) };
  } catch (thrown) {
    if (!(thrown instanceof GitError)) throw thrown;
    return { into: "", merge: "unchecked", why: thrown.message };
  }
}

/** Nothing in it would be missed: no work, or work that the parent has. */
export function isSpent({ commits, uncommitted, merge }: WorktreeResult): boolean {
  return uncommitted === 0 && (commits === 0 || merge === "merged");
}

/** Removes the folder, and the branch if it has no commit beyond its base. Rejects when git refuses. */
export async function remove(made: Made): Promise<void> {
  const { folder, branch, base, copies } = made;
  if (!existsSync(folder)) return;
  const [main] = await branches(folder);
  const repository = main?.folder ?? folder;
  await dropCopies(folder, await unchangedCopies(folder, copies));
  await unlocked(() => removeWorktree(repository, folder));
  await deleteBranchAt(repository, branch, base);
}

/** A git that outlived a killed host may still hold the index for a moment. */
async function unlocked<T>(work: () => Promise<T>): Promise<T> {
  for (let left = LOCK_TRIES; ; left -= 1) {
    try {
      return await work();
    } catch (thrown) {
      const isLocked = thrown instanceof GitError && /\.lock'?: File exists/u.test(thrown.message);
      if (!isLocked || left === 0) throw thrown;
      await new Promise((resolve) => setTimeout(resolve, LOCK_PAUSE_MS));
    }
  }
}

/** The worktree of this name, as far as the host came with it: in the host's own folder, on the branch of that name. */
export async function findMade(
  repository: string,
  name: string,
): Promise<{ folder: string; branch: string } | undefined> {
  const all = await branches(repository);
  // A taken name was given a suffix.
  const found = all.find(({ folder }) => basename(folder).startsWith(name));
  return found && { folder: found.folder, branch: found.branch ?? `opencode/${name}` };
}
