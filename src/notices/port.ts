/** What the two managers need of the notices: to say something, and to keep quiet about what was said already. */
import type { Job } from "../jobs/job.js";
import type { Notice } from "./notice.js";

export interface NoticePort {
  /** The parent is told that a job is blocked, stalled, ready or has printed something. Ends announce themselves. */
  announce(job: Job, kind: Exclude<Notice["kind"], "ended">, text: string): void;
  /** Keeps back what these jobs' parents would be told, until the returned function says whether they were told otherwise. */
  hold(jobIDs: readonly string[]): (told: boolean) => void;
  /** Something is on its way to this session: it will be woken, so its run is not over. */
  owes(sessionID: string): boolean;
}
