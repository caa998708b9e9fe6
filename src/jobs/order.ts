/**
 * What a job that comes after others waits for: that each of them has completed or, a process with readiness, is ready.
 * Where one fails or is cancelled there is nothing to wait for any more. Pure.
 */
import { UserError } from "../ports.js";
import { shownValue } from "../text.js";
import { isJobId, jobsNamed, maySee } from "./filter.js";
import type { Job, SubagentJob } from "./job.js";
import type { JobRegistry } from "./registry.js";

export type Standing = "open" | "done" | "failed";

/** Undefined is one whose record is gone: how it ended is not known any more. */
export function standingOf(job: Job | undefined): Standing {
  if (job === undefined) return "failed";
  if (job.status === "completed") return "done";
  if (job.status === "failed" || job.status === "cancelled") return "failed";
  return job.kind === "process" && job.readyAt !== undefined ? "done" : "open";
}

/** It has not begun, and others come before it. */
export function waitsForOthers({ after = [], runs, sessionID }: SubagentJob): boolean {
  return after.length > 0 && runs.length === 0 && sessionID === undefined;
}

/** Who names the jobs. */
interface Namer {
  sessionID: string;
  rootSessionID: string;
}

/**
 * The ids of the jobs that are named, by id or by name. Throws a UserError for one that the session may not see, that
 * is unknown, that more than one job has as its name, that has failed already, and for one that waits for the caller.
 */
export function resolveAfter(jobs: JobRegistry, namer: Namer, names: readonly string[]): string[] {
  const above = ancestors(jobs, namer.sessionID);
  const ids = new Set<string>();
  for (const name of names) {
    const job = jobNamed(jobs, namer, name);
    if (standingOf(job) === "failed") {
      throw new UserError(
        `after: expected jobs that can still complete, got ${job.id}, which is ${job.status} already: nothing would ever start`,
      );
    }
    const cycle = firstOf(jobs, job.id, above);
    if (cycle !== undefined) {
      const why = cycle === job.id ? "is" : `waits for ${cycle}, which is`;
      throw new UserError(
        `after: expected no job that waits for the caller, got ${job.id}, which ${why} the caller or above it: both would wait for ever`,
      );
    }
    ids.add(job.id);
  }
  return [...ids];
}

function jobNamed(jobs: JobRegistry, { rootSessionID }: Namer, name: string): Job {
  const mayBeSeen = (job: Job) => maySee(rootSessionID, job);
  const byID = jobs.get(name);
  if (byID && mayBeSeen(byID)) return byID;
  // A name in the form of an id is none: a caller that writes an id means that one job.
  const named = isJobId(name) ? [] : jobsNamed(jobs.all().filter(mayBeSeen), name);
  const [only, other] = named;
  if (only && !other) return only;
  const known = only ? named : jobs.byRoot(rootSessionID);
  const ids = known.map(({ id }) => id).slice(-10);
  const expected = only
    ? `one id (${ids.join(", ")}), as ${named.length} jobs are named so`
    : `ids or names of jobs of this session tree (${ids.join(", ") || "none here"})`;
  throw new UserError(`after: expected ${expected}, got ${shownValue(name)}`);
}

/** The tasks that cannot end before a task of this session has ended: the one that works in it, and those above. */
function ancestors(jobs: JobRegistry, sessionID: string): Set<string> {
  const ids = new Set<string>();
  for (let task = jobs.findBySession(sessionID); task && !ids.has(task.id);) {
    ids.add(task.id);
    task = jobs.findBySession(task.parentSessionID);
  }
  return ids;
}

/** The first of these that the job is or waits for, over any number of others. */
function firstOf(jobs: JobRegistry, id: string, some: ReadonlySet<string>): string | undefined {
  const seen = new Set<string>();
  const left = [id];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    if (some.has(next)) return next;
    if (seen.has(next)) continue;
    seen.add(next);
    const job = jobs.get(next);
    if (job?.status === "pending") left.push(...(job.after ?? []));
  }
  return undefined;
}
