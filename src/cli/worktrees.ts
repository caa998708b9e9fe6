/** Worktrees of subagents, seen from a shell: which there are, and what is said of each. */
import { existsSync } from "node:fs";
import { hasWorktree, type SubagentJob, type WorktreeRecord } from "../jobs/job.js";
import { isTerminal } from "../jobs/status.js";
import { counted } from "../text.js";
import { findMade } from "../worktree/finish.js";
import { branches } from "../worktree/git.js";
import type { Entry, Survey } from "./survey.js";
import { safe } from "./terminal.js";

export interface SeenWorktree {
  folder: string;
  branch: string;
  /** Undefined for one that no record knows, by its name made for a subagent of ours. */
  task: (SubagentJob & { worktree: WorktreeRecord }) | undefined;
  entry: Entry | undefined;
}

/** How the names of those end that are made here: with the id of their task. */
const OURS = /-[0-9a-hjkmnp-tv-z]{10}(?:-[\w-]+)?$/u;

/** Each folder once. A repository that cannot be read has none. */
export async function worktreesOf({ entries, instances }: Survey): Promise<SeenWorktree[]> {
  const seen = new Map<string, SeenWorktree>();
  for (const entry of entries) {
    const { job } = entry;
    if (!hasWorktree(job)) continue;
    const { source, name, folder, branch } = job.worktree;
    const known =
      folder === undefined || branch === undefined
        ? await findMade(source, name).catch(() => undefined)
        : { folder, branch };
    if (known && existsSync(known.folder)) {
      const isOwner = job.worktree.owner === job.id;
      if (isOwner || !seen.has(known.folder))
        seen.set(known.folder, { ...known, task: job, entry });
    }
  }
  const directories = new Set(instances.flatMap(({ owner }) => owner?.directory ?? []));
  for (const directory of directories) {
    if (!existsSync(directory)) continue;
    // Not a repository, or no git: then it has none.
    const all = await branches(directory).catch(() => []);
    for (const { folder, branch } of all) {
      const isOurs = branch?.startsWith("opencode/") && OURS.test(folder) && existsSync(folder);
      if (!isOurs || branch === undefined || seen.has(folder)) continue;
      seen.set(folder, { folder, branch, task: undefined, entry: undefined });
    }
  }
  return [...seen.values()];
}

export function describeWorktree({ folder, branch, task }: SeenWorktree): string {
  const result = task?.worktree.result;
  const facts = [`branch ${safe(branch, 200)}`];
  if (!task) facts.push("no record knows it");
  else if (!isTerminal(task.status)) facts.push(`${task.id} works in it`);
  else facts.push(task.id);
  if (result) {
    facts.push(counted(result.commits, "commit"));
    if (result.uncommitted > 0) facts.push(`${counted(result.uncommitted, "file")} not committed`);
  }
  return `${safe(folder, 1_000)}: ${facts.join(", ")}`;
}
