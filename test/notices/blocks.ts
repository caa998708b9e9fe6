// Owns: what a notice is made of, for tests of its words: entries, blocks of ended jobs, the notice of them.
import { type Notice, storedQuote } from "../../src/notices/notice.js";
import type { Job } from "../../src/jobs/job.js";
import { composeNotice, type News } from "../../src/notices/wording.js";
import { subagent } from "./jobs.js";

export const NOW = Date.UTC(2026, 0, 1, 0, 1);

export function notice(kind: Notice["kind"], text?: string, jobID = "bg_0123456789"): Notice {
  const parentSessionID = "ses_parent";
  return { id: "ntc_1", parentSessionID, jobID, kind, text, createdAt: new Date(NOW) };
}

/** The end of a job with its words, as the outbox keeps them. */
export function end(job: Job, text: string, total = text.length): News {
  const jobID = job.id;
  return {
    job,
    notices: [{ ...notice("ended", undefined, jobID), quote: storedQuote(job, { text, total }) }],
  };
}

export function ended(text: string, total = text.length): News {
  const at = new Date(NOW);
  return end(
    subagent({ status: "completed", endReason: "finished", completedAt: at }),
    text,
    total,
  );
}

export const compose = (...news: News[]) => composeNotice(news, [], NOW);
export const quotedOf = (text: string) => text.split("\n").filter((line) => line.startsWith("| "));
