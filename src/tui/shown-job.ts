/**
 * A job as the terminal shows it: the record, whether it still has an owner, and in what state it is for
 * the eye. Pure.
 */
import type { Job } from "../jobs/job.js";
import { isTerminal } from "../jobs/status.js";

export interface ShownJob {
  job: Job;
  /** The folder of the instance that the record was found in; a process's output is below it. */
  folder: string;
  /** The directory whose instance it belongs to. */
  directory: string;
  /** False when its OpenCode is gone: what the record says of a running job is no longer true. */
  ownerAlive: boolean;
  /** Of its OpenCode, if that runs on this machine. */
  ownerPID?: number | undefined;
  /** When its OpenCode wrote last, if that is gone. */
  lastSign?: Date | undefined;
}

export type Look =
  | "blocked"
  | "stalled"
  | "running"
  | "pending"
  | "completed"
  | "failed"
  | "cancelled"
  /** Its OpenCode ended without ending it; the next one to start here settles it. */
  | "lost";

/** Of jobs that go on, the most urgent first. */
export const LIVE_LOOKS: readonly Look[] = ["blocked", "stalled", "running", "pending"];

export function lookOf({ job, ownerAlive }: ShownJob): Look {
  if (isTerminal(job.status)) return job.status;
  if (!ownerAlive) return "lost";
  if (job.status === "pending") return "pending";
  if (job.blockedOn) return "blocked";
  return job.stalledSince ? "stalled" : "running";
}

export function isLive(shown: ShownJob): boolean {
  return shown.ownerAlive && !isTerminal(shown.job.status);
}

/** When it ended; a lost one with the last sign of life of its OpenCode. */
export function endedAt({ job, lastSign }: ShownJob): number {
  return (job.completedAt ?? lastSign ?? job.startedAt ?? job.createdAt).getTime();
}

/** Whose jobs are wanted: those of one session tree, or of a whole directory. Global processes always are. */
export interface Audience {
  directory: string;
  rootSessionID: string | undefined;
}

/**
 * The jobs to show. Session ids are unique, so a session's jobs are recognised wherever they lie; a global process
 * is shown in its own directory only. Ended ones of other owners are not our concern.
 */
export function jobsFor(jobs: readonly ShownJob[], audience: Audience): ShownJob[] {
  const { directory, rootSessionID } = audience;
  return jobs.filter((shown) => {
    const { job } = shown;
    const isHere = shown.directory === directory;
    if (rootSessionID === undefined) return isHere;
    if (job.rootSessionID === rootSessionID) return true;
    return isHere && job.kind === "process" && job.global;
  });
}
