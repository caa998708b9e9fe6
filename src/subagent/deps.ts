/** What the subagents need of the rest of the house. */
import type { Context } from "../context.js";
import type { HostEvent } from "../host/events.js";
import type { IdSource } from "../host/ids.js";
import type { SessionTree } from "../host/session-tree.js";
import type { Job } from "../jobs/job.js";
import type { WaitingJobs } from "../jobs/waiting.js";
import type { EndReason } from "../jobs/status.js";
import type { Notices } from "../notices/notices.js";
import type { Worktrees } from "../worktree/worktrees.js";

export interface SubagentDeps extends Context {
  tree: SessionTree;
  ids: IdSource;
  worktrees: Pick<Worktrees, "plan" | "recordOf" | "enter" | "settled">;
  notices: Notices;
  /** Tasks that come after other jobs wait there. */
  waiting: Pick<WaitingJobs, "add">;
  /** No user is there to answer a question (`opencode run`): the host rejects it, and the subagent goes on. */
  unattended?: boolean;
  /** Ends the session processes that a session started. */
  endProcessesOf: (sessionID: string, reason: EndReason) => Promise<void>;
  /** One event for every part of the house. */
  handle: (event: HostEvent) => void;
  /** Records in other owners' folders. */
  lookup: (jobID: string) => Promise<Job | undefined>;
  persist: () => Promise<void>;
  restore: () => Promise<void>;
}
