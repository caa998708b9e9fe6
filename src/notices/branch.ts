/** What the notice of an end says of the subagent's branch: where it is, what is on it, and how to see and merge it. */
import { counted } from "../text.js";
import type { WorktreeRecord, WorktreeResult } from "../jobs/job.js";
import { outsideLine } from "./notice.js";

/** Files in conflict that are named. */
const MOST_FILES = 20;
/** A name that needs no quotes in any shell. */
const PLAIN = /^[\w./-]+$/u;

export function branchLines({
  state,
  folder,
  branch,
  base,
  result,
  problem,
}: WorktreeRecord): string[] {
  const lines: string[] = [];
  if (branch !== undefined && folder !== undefined) {
    const where = state === "removed" ? "its folder was removed" : outsideLine(folder, 400);
    lines.push(`branch: ${outsideLine(branch, 200)} · ${where}`);
  }
  if (result) lines.push(...resultLines(result, base, branch ?? ""));
  if (problem !== undefined) lines.push(`worktree: ${outsideLine(problem, 300)}`);
  return lines;
}

function resultLines(result: WorktreeResult, base: string, branch: string): string[] {
  const { commits, files, added, deleted, uncommitted, merge } = result;
  const lines: string[] = [];
  if (commits === 0) lines.push(`no commits beyond ${base.slice(0, 12)}`);
  else {
    lines.push(
      `${counted(commits, "commit")}, ${counted(files, "file")} changed, +${added} \u2212${deleted} against ${base.slice(0, 12)}`,
      mergeLine(result),
    );
    // What it has checked out may not be its branch.
    const name = PLAIN.test(branch) ? branch : result.head;
    if (merge !== "merged") {
      lines.push(`to see it: git diff HEAD...${name}`, `to merge it: git merge ${name}`);
    }
  }
  if (uncommitted > 0) {
    lines.push(`${counted(uncommitted, "file is", "files are")} not committed there`);
  }
  return lines;
}

/** In one line, also for lists. */
export function mergeLine({ merge, into, conflicts = [], why }: WorktreeResult): string {
  const target = outsideLine(into, 100) || "the tree it was made from";
  switch (merge) {
    case "merged":
      return `merged into ${target}`;
    case "clean":
      return `merges into ${target} without conflict`;
    case "conflicts": {
      const shown = conflicts.slice(0, MOST_FILES).map((file) => outsideLine(file, 200));
      const more =
        conflicts.length > MOST_FILES ? [`and ${conflicts.length - MOST_FILES} more`] : [];
      return `conflicts with ${target} in ${[...shown, ...more].join(", ")}`;
    }
    default:
      return `merge not checked: ${outsideLine(why ?? "", 200)}`;
  }
}
