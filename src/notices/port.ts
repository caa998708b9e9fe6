/** What both managers and the tools need of the notices: to say something, and not to say what an answer says. */
import type { Job } from "../jobs/job.js";
import type { Notice } from "./notice.js";

/** Of all of them, of none, or of these. */
export type Release = (told: boolean | readonly string[]) => void;

export interface NoticePort {
  /** The parent is told that a job is blocked, stalled, ready or has printed something. Ends announce themselves. */
  announce(job: Job, kind: Exclude<Notice["kind"], "ended">, text: string): void;
  /**
   * Runs what makes an answer. Until it settles, notices of these jobs are held back; those of the jobs that it handed
   * to `tells` last are not sent at all, because the answer says the same, and so does an error. With a `recipient`
   * only notices to that session count. Rejects as `answer` does.
   */
  answering<T>(
    jobIDs: readonly string[],
    answer: (tells: (jobIDs: readonly string[]) => void) => Promise<T>,
    recipient?: string,
  ): Promise<T>;
  /** The same by hand: held back until the returned function says of which of them was told otherwise. */
  hold(jobIDs: readonly string[], recipient?: string): Release;
  /** Something is on its way to this session: it will be woken, so its run is not over. */
  owes(sessionID: string): boolean;
  /** We have stopped the run of this session to go on with it: that is no stop of its user's. */
  goesOn(sessionID: string): void;
  /** A tool of ours was called from this session, or a job is started for it: it is in use, and may be woken. */
  used(sessionID: string): void;
}
