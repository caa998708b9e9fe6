/** One way to choose jobs, for lists, kills and cancels: the parts combine with AND, several tags with OR. */
import type { Job } from "./job.js";
import { isTerminal, type JobStatus } from "./status.js";

export interface JobFilter {
  id?: string;
  /** The session that started the job, or the one that a subagent works in. */
  sessionID?: string;
  status?: JobStatus;
  tags?: readonly string[];
  group?: string;
}

export function matches(job: Job, filter: JobFilter): boolean {
  if (filter.id !== undefined && job.id !== filter.id) return false;
  if (filter.sessionID !== undefined && !isOf(job, filter.sessionID)) return false;
  if (filter.status !== undefined && job.status !== filter.status) return false;
  if (filter.group !== undefined && job.group !== filter.group) return false;
  return filter.tags === undefined || filter.tags.some((tag) => job.tags.includes(tag));
}

function isOf(job: Job, sessionID: string): boolean {
  if (job.parentSessionID === sessionID) return true;
  return job.kind === "subagent" && job.sessionID === sessionID;
}

/** Those that a name means, in any case of letters: of live and ended ones the live. */
export function jobsNamed<One extends Job>(jobs: readonly One[], name: string): One[] {
  const meant = name.toLowerCase();
  const all = jobs.filter((job) => job.name.toLowerCase() === meant);
  const live = all.filter(({ status }) => !isTerminal(status));
  return live.length > 0 ? live : all;
}

/** An empty filter would choose everything: what ends jobs refuses it. */
export function isEmptyFilter(filter: JobFilter): boolean {
  const { tags, ...others } = filter;
  return Object.values(others).every((part) => part === undefined) && !tags?.length;
}
