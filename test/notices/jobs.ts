// Owns: records of jobs for tests that need one without running it.
import { aProcess, aSubagent } from "../../fixtures/jobs.js";
import type { ProcessJob, SubagentJob } from "../../src/jobs/job.js";

const AT = new Date(Date.UTC(2026, 0, 1));
const shared = {
  name: "a job",
  parentSessionID: "ses_parent",
  rootSessionID: "ses_parent",
  createdAt: AT,
  startedAt: AT,
};

export function subagent(more: Partial<SubagentJob> = {}): SubagentJob {
  const progress = { toolCalls: 0, lastUpdate: AT };
  return aSubagent({ id: "bg_0123456789", sessionID: undefined, progress, ...shared, ...more });
}

export function process(more: Partial<ProcessJob> = {}): ProcessJob {
  return aProcess({ id: "proc_0123456789", identity: undefined, ...shared, ...more });
}
