// Owns: what a notice is made of, for tests of its words: entries, blocks of ended jobs, the notice of them.
import type { Notice } from "../../src/notices/notice.js";
import { composeNotice, type NoticeBlock } from "../../src/notices/wording.js";
import { subagent } from "./jobs.js";

export const NOW = Date.UTC(2026, 0, 1, 0, 1);

export function notice(kind: Notice["kind"], text?: string, jobID = "bg_0123456789"): Notice {
  const parentSessionID = "ses_parent";
  return { id: "ntc_1", parentSessionID, jobID, kind, text, createdAt: new Date(NOW) };
}

export function ended(text: string, total = text.length): NoticeBlock {
  const job = subagent({ status: "completed", endReason: "finished", completedAt: new Date(NOW) });
  return { job, notices: [notice("ended")], excerpt: { text, total } };
}

export const compose = (...blocks: NoticeBlock[]) => composeNotice(blocks, [], NOW);
export const quotedOf = (text: string) => text.split("\n").filter((line) => line.startsWith("| "));
