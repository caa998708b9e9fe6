// Owns: records of jobs for tests that need one without running it.
import type { ProcessJob, SubagentJob } from "../../src/jobs/job.js";

const AT = new Date(Date.UTC(2026, 0, 1));
const shared = {
  name: "a job",
  tags: [],
  parentSessionID: "ses_parent",
  rootSessionID: "ses_parent",
  notify: true,
  createdAt: AT,
  startedAt: AT,
};

export function subagent(more: Partial<SubagentJob> = {}): SubagentJob {
  return {
    kind: "subagent",
    id: "bg_0123456789",
    status: "running",
    agent: "general",
    depth: 1,
    runs: [],
    progress: { toolCalls: 0, lastUpdate: AT },
    tokens: { input: 0, output: 0, reasoning: 0, cacheRead: 0 },
    cost: 0,
    ...shared,
    ...more,
  };
}

export function process(more: Partial<ProcessJob> = {}): ProcessJob {
  return {
    kind: "process",
    id: "proc_0123456789",
    status: "running",
    command: "serve",
    cwd: "/project",
    shell: "/bin/sh",
    global: false,
    output: { bytes: 0, dropped: 0 },
    ...shared,
    ...more,
  };
}
