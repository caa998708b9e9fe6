/**
 * `clean`: which folders are needed no more, and their removal. Never one whose owner lives or may live, whose
 * jobs are still to be settled, whose notices are still to be told, or that holds something broken or newer.
 */
import { counted } from "../text.js";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { hasWorktree } from "../jobs/job.js";
import { isTerminal } from "../jobs/status.js";
import { coerceError } from "../ports.js";
import { diskFiles, type StoreFiles, foldersIn } from "../store/files.js";
import type { InstanceView } from "../store/instances.js";
import type { Survey } from "./survey.js";

export interface CleanPlan {
  remove: InstanceView[];
  keep: { instance: InstanceView; why: string }[];
}

/** `gone`: folders of worktrees that are removed with it. */
export function planClean({ instances }: Survey, gone: ReadonlySet<string>): CleanPlan {
  const plan: CleanPlan = { remove: [], keep: [] };
  for (const instance of instances) {
    const why = whyKeep(instance, gone);
    if (why === undefined) plan.remove.push(instance);
    else plan.keep.push({ instance, why });
  }
  return plan;
}

function whyKeep(
  { state, jobs, notices, problems, owner }: InstanceView,
  gone: ReadonlySet<string>,
): string | undefined {
  if (state === "alive") return "its OpenCode runs";
  if (!owner) return "its owner is unknown";
  if (state === "elsewhere") return "its OpenCode is on another machine or in another container";
  if (problems.length > 0) return "it holds something that could not be read";
  if (notices.length > 0)
    return `${counted(notices.length, "notice is", "notices are")} still to be told`;
  const worktrees = jobs.filter(
    (job) =>
      hasWorktree(job) && job.worktree.folder !== undefined && !gone.has(job.worktree.folder),
  ).length;
  if (worktrees > 0) return `it leads to ${counted(worktrees, "worktree")} of subagents`;
  const unsettled = jobs.filter(({ status }) => !isTerminal(status)).length;
  return unsettled > 0
    ? `${counted(unsettled, "job is", "jobs are")} still to be settled`
    : undefined;
}

/** A name that no project has: a folder on its way out has no owner any more, also if this is interrupted. */
const TRASH = ".trash-";

/**
 * Removes the folders of the plan and what an interrupted removal left. Returns what could not be removed; one
 * that an OpenCode has claimed meanwhile is none of these.
 */
export function removeFolders(
  root: string,
  folders: readonly string[],
  files: StoreFiles = diskFiles,
): { folder: string; error: string }[] {
  const failed: { folder: string; error: string }[] = [];
  const trash = join(root, `${TRASH}${randomBytes(6).toString("hex")}`);
  if (folders.length > 0) files.makeFolder(trash);
  for (const [at, folder] of folders.entries()) {
    try {
      // At once and as a whole, so that a starting OpenCode claims all of it or nothing.
      files.rename(folder, join(trash, String(at)));
    } catch (thrown) {
      const error = coerceError(thrown);
      if (!("code" in error && error.code === "ENOENT"))
        failed.push({ folder, error: error.message });
    }
  }
  for (const name of foldersIn(root)) if (name.startsWith(TRASH)) files.remove(join(root, name));
  return failed;
}
