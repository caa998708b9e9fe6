/** How a job is called, who sees it, and one way to choose jobs, for lists, kills and cancels. */
import { randomBytes } from "node:crypto";
import type { Job } from "./job.js";
import { isTerminal, type JobStatus } from "./status.js";

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
const LENGTH = 10;
const ID = new RegExp(`^(?:bg|proc)_[${ALPHABET}]{${LENGTH}}$`);

/** A prefix that names the kind and 10 random characters of Crockford's base 32 (50 bits). */
export function newJobId(prefix: "bg" | "proc"): string {
  let id = `${prefix}_`;
  for (const byte of randomBytes(LENGTH)) id += ALPHABET.charAt(byte & 31);
  return id;
}

export function isJobId(text: string): boolean {
  return ID.test(text);
}

/** By the sessions of this tree: its own jobs, and global processes. */
export function maySee(rootSessionID: string, job: Job): boolean {
  return job.rootSessionID === rootSessionID || (job.kind === "process" && job.global);
}

/** The parts combine with AND, several tags with OR. */
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
