/** What a summary of a session must not forget: the jobs that run and those whose end was not read. Pure. */
import type { Job } from "../jobs/job.js";
import { isTerminal } from "../jobs/status.js";
import { outsideLine } from "./outside-text.js";
import { readCall } from "./wording.js";

const MOST_CHARACTERS = 2_000;

/** Undefined when there is nothing to remember. `unread`: ids of ended jobs that the session was not told of. */
export function compactionNote(
  jobs: readonly Job[],
  unread: ReadonlySet<string>,
): string | undefined {
  const kept = jobs.filter((job) => !isTerminal(job.status) || unread.has(job.id));
  if (kept.length === 0) return undefined;
  const head =
    "Background jobs of this session, to be named with their ids in the summary (their ends are announced by themselves; never poll):";
  const lines = [head];
  let length = head.length;
  for (const [index, job] of kept.entries()) {
    const line = `- ${job.id} ${job.kind} "${outsideLine(job.name, 80)}" ${job.status}, read with ${readCall(job)}`;
    const tail = `- and ${kept.length - index} more: listBackgroundTasks, listBackgroundProcesses`;
    if (length + line.length + tail.length + 2 > MOST_CHARACTERS) {
      lines.push(tail);
      break;
    }
    lines.push(line);
    length += line.length + 1;
  }
  return lines.join("\n");
}
