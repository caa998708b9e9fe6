/**
 * `clean`: what is needed no more, and its removal. Of folders of state never one whose owner lives or may live, whose
 * jobs are still to be settled, whose notices are still to be told, that leads to a worktree, or that holds something
 * broken or newer. Of worktrees of subagents only those whose OpenCode is known to be gone: what is uncommitted is
 * committed first, and a branch with commits stays; git refuses to remove whatever else has changes.
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { hasWorktree } from "../jobs/job.js";
import { isTerminal } from "../jobs/status.js";
import { coerceError, errorCode, UserError } from "../ports.js";
import { diskFiles, foldersIn, type StoreFiles } from "../store/files.js";
import type { InstanceView } from "../store/instances.js";
import { counted } from "../text.js";
import { commitLeftovers, examine, remove } from "../worktree/finish.js";
import type { Request } from "./arguments.js";
import { chooseEntry, type Entry, type Survey } from "./survey.js";
import { json, safe, type Terminal } from "./terminal.js";
import { describeWorktree, worktreesOf, type SeenWorktree } from "./worktrees.js";

/** Whether all that was to go is gone; without `yes` nothing is. */
export async function clean(
  found: Survey,
  { yes = false, json: asJSON, jobs }: Pick<Request, "yes" | "json" | "jobs">,
  terminal: Terminal,
  files: StoreFiles = diskFiles,
): Promise<boolean> {
  const all = await worktreesOf(found);
  const named = jobs.map((job) => worktreeNamed(all, chooseEntry(found, job, "end")));
  const trees = await planWorktrees(named.length > 0 ? [...new Set(named)] : all);
  const failed: Failure[] = [];
  const worktrees: typeof trees.remove = [];
  for (const removal of trees.remove) {
    const error = yes ? await removeWorktree(removal.item) : undefined;
    if (error === undefined) worktrees.push(removal);
    else failed.push({ folder: removal.item.folder, error });
  }
  // A folder of state goes only when the worktrees that it leads to are gone.
  const gone = new Set(worktrees.map(({ item }) => item.folder));
  const plan = planFolders(named.length > 0 ? [] : found.instances, gone);
  const planned = plan.remove.map(({ folder }) => folder);
  const result = yes ? removeFolders(found.root, planned, files) : { removed: planned, failed: [] };
  failed.push(...result.failed);
  const folders = result.removed;
  if (asJSON) {
    const kept = [...plan.keep, ...trees.keep];
    terminal.write(
      json({
        removed: yes,
        folders,
        worktrees: worktrees.map(({ item: { folder, branch }, what }) => ({
          folder,
          branch,
          what,
        })),
        failed,
        kept: kept.map(({ item, why }) => ({ folder: item.folder, why })),
      }),
    );
    return failed.length === 0;
  }
  const removed = yes ? "removed" : "would remove";
  for (const { item, what } of worktrees) {
    terminal.write(`${removed} worktree ${describeWorktree(item)}; ${what}\n`);
  }
  for (const folder of folders) terminal.write(`${removed} ${folder}\n`);
  for (const { item, why } of trees.keep) {
    terminal.write(`kept worktree ${describeWorktree(item)}: ${safe(why, 500)}\n`);
  }
  for (const { item, why } of plan.keep) terminal.write(`kept ${item.folder}: ${why}\n`);
  for (const { folder, error } of failed) {
    terminal.complain(`not removed ${safe(folder, 1_000)}: ${safe(error, 500)}\n`);
  }
  if (planned.length + trees.remove.length === 0) terminal.write("Nothing to remove.\n");
  else if (!yes) terminal.write("Call clean --yes to remove them.\n");
  return failed.length === 0;
}

interface Kept<T> {
  item: T;
  why: string;
}

interface Failure {
  folder: string;
  error: string;
}

/** `gone`: folders of worktrees that are removed with it. */
function planFolders(instances: readonly InstanceView[], gone: ReadonlySet<string>) {
  const plan: { remove: InstanceView[]; keep: Kept<InstanceView>[] } = { remove: [], keep: [] };
  for (const item of instances) {
    const why = whyKeep(item, gone);
    if (why === undefined) plan.remove.push(item);
    else plan.keep.push({ item, why });
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
  const leadsTo = jobs.filter(
    (job) =>
      hasWorktree(job) && job.worktree.folder !== undefined && !gone.has(job.worktree.folder),
  ).length;
  if (leadsTo > 0) return `it leads to ${counted(leadsTo, "worktree")} of subagents`;
  const unsettled = jobs.filter(({ status }) => !isTerminal(status)).length;
  return unsettled > 0
    ? `${counted(unsettled, "job is", "jobs are")} still to be settled`
    : undefined;
}

/** A name that no project has: a folder on its way out has no owner any more, also if this is interrupted. */
const TRASH = ".trash-";

/**
 * Removes these folders and what an interrupted removal left. One that an OpenCode has claimed meanwhile has neither
 * been removed nor failed to.
 */
function removeFolders(root: string, folders: readonly string[], files: StoreFiles) {
  const removed: string[] = [];
  const failed: Failure[] = [];
  const trash = join(root, `${TRASH}${randomBytes(6).toString("hex")}`);
  if (folders.length > 0) files.makeFolder(trash);
  for (const [at, folder] of folders.entries()) {
    try {
      // At once and as a whole, so that a starting OpenCode claims all of it or nothing.
      files.rename(folder, join(trash, String(at)));
      removed.push(folder);
    } catch (thrown) {
      if (errorCode(thrown) === "ENOENT") continue;
      failed.push({ folder, error: coerceError(thrown).message });
    }
  }
  for (const name of foldersIn(root)) if (name.startsWith(TRASH)) files.remove(join(root, name));
  return { removed, failed };
}

function worktreeNamed(all: readonly SeenWorktree[], { job }: Entry): SeenWorktree {
  const owner = job.kind === "subagent" ? job.worktree?.owner : undefined;
  const found = all.find(({ task }) => owner !== undefined && task?.worktree.owner === owner);
  if (!found) throw new UserError(`${job.id} has no worktree`);
  return found;
}

const UNKNOWN = "no record knows it";

/** `what` becomes of a worktree's branch, and of what is not committed. */
async function planWorktrees(worktrees: readonly SeenWorktree[]) {
  const remove: { item: SeenWorktree; what: string }[] = [];
  const keep: Kept<SeenWorktree>[] = [];
  for (const item of worktrees) {
    const stands = await stateOf(item).catch(coerceError);
    if (stands instanceof Error) {
      keep.push({ item, why: stands.message });
      continue;
    }
    const { commits, uncommitted } = stands;
    const first =
      uncommitted > 0 ? `${counted(uncommitted, "file is", "files are")} committed first, ` : "";
    const branch =
      commits + uncommitted > 0
        ? `its branch stays (${counted(commits, "commit")})`
        : "nothing is lost";
    remove.push({ item, what: first + branch });
  }
  return { remove, keep };
}

/** Rejects with why it is kept. */
async function stateOf({ folder, branch, task, entry }: SeenWorktree) {
  if (!task) throw new Error(UNKNOWN);
  if (entry?.instance.state !== "dead") throw new Error("its OpenCode runs, or is elsewhere");
  if (!isTerminal(task.status)) throw new Error(`${task.id} is still to be settled`);
  return examine({ ...task.worktree, folder, branch }, task.worktree.source);
}

/** Resolves with why it could not be removed. */
async function removeWorktree({ folder, branch, task }: SeenWorktree): Promise<string | undefined> {
  if (!task) return UNKNOWN;
  const made = { ...task.worktree, folder, branch };
  try {
    await commitLeftovers(made, `${task.name}\n\nLeft uncommitted by the subagent ${task.id}.`);
    await remove(made);
    return undefined;
  } catch (thrown) {
    return coerceError(thrown).message;
  }
}
