/** What the search of the list finds a job by: its name and all that is told of it. Pure. */
import type { Job } from "../../jobs/job.js";
import { clean } from "../../cells.js";
import { outcome, waitsFor } from "../describe.js";
import { isLive, lookOf, type ShownJob } from "../shown-job.js";

/** All words of the query, each anywhere. `failed` or `running` is a filter by that. */
export function isFound(shown: ShownJob, query: string, now: number): boolean {
  const words = query.toLowerCase().split(/\s+/u).filter(Boolean);
  if (words.length === 0) return true;
  const all = searched(shown, now).join("\n").toLowerCase();
  return words.every((word) => all.includes(word));
}

function searched(shown: ShownJob, now: number): string[] {
  const { job } = shown;
  const state = isLive(shown) ? (waitsFor(shown, now) ?? "") : outcome(shown);
  return [
    job.name,
    job.id,
    lookOf(shown),
    job.status,
    state,
    job.error ?? "",
    job.group ?? "",
    ...job.tags,
    kindOf(job),
    ...(job.kind === "process"
      ? [job.command, String(job.identity?.pid ?? "")]
      : [job.agent, job.model?.modelID ?? ""]),
  ].map(clean);
}

export function kindOf({ kind }: Pick<Job, "kind">): string {
  return kind === "subagent" ? "task" : "process";
}
