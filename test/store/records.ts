// Owns: sample records and notices for what is stored.
import type { Job, ProcessJob, SubagentJob } from "../../src/jobs/job.js";
import type { Notice } from "../../src/notices/notice.js";
import { aProcess, aSubagent } from "../../fixtures/jobs.js";

export const WHEN = new Date("2026-11-21T10:00:00.000Z");

export function subagent(id: string, changes: Partial<SubagentJob> = {}): SubagentJob {
  return aSubagent({
    id,
    name: `task ${id}`,
    agent: "explore",
    tags: ["a"],
    createdAt: WHEN,
    startedAt: WHEN,
    runs: [{ promptMessageID: "msg_1", startedAt: WHEN, status: "running" }],
    tokens: { input: 1, output: 2, reasoning: 0, cacheRead: 4 },
    cost: 0.25,
    ...changes,
  });
}

export function processJob(id: string, changes: Partial<ProcessJob> = {}): ProcessJob {
  return aProcess({
    id,
    name: `process ${id}`,
    notify: false,
    createdAt: WHEN,
    startedAt: WHEN,
    output: { bytes: 10, dropped: 0 },
    ...changes,
  });
}

export function ended(job: SubagentJob, at: Date): SubagentJob {
  return { ...job, status: "completed", endReason: "finished", completedAt: at };
}

export function noticeOf(job: Job, id = `note_${job.id}`): Notice {
  return {
    id,
    parentSessionID: job.parentSessionID,
    jobID: job.id,
    kind: "ended",
    text: "done",
    createdAt: WHEN,
  };
}
