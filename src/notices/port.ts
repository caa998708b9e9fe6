/** What the two managers need of the notices: to say something, and to keep quiet about what was said already. */
import type { Job } from "../jobs/job.js";
import type { Notice } from "./notice.js";

/** Of all of them, of none, or of these. */
export type Release = (told: boolean | readonly string[]) => void;

export interface NoticePort {
  /** The parent is told that a job is blocked, stalled, ready or has printed something. Ends announce themselves. */
  announce(job: Job, kind: Exclude<Notice["kind"], "ended">, text: string): void;
  /**
   * Keeps back what would be told of these jobs, until the returned function says whether it was told otherwise,
   * or of which of them. With a `hearer` only what that session would be told.
   */
  hold(jobIDs: readonly string[], hearer?: string): Release;
  /** Something is on its way to this session: it will be woken, so its run is not over. */
  owes(sessionID: string): boolean;
}
