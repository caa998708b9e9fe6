/** What getBackgroundTask answers about a group: its counts, a line for each job, once it is done what each said. */
import type { ToolContext } from "@opencode-ai/plugin";
import { latestRound } from "../jobs/group.js";
import type { Job } from "../jobs/job.js";
import { isTerminal } from "../jobs/status.js";
import { readCall } from "../notices/wording.js";
import { shares } from "../notices/notice.js";
import { quoteLines } from "../text.js";
import type { Workspace } from "../workspace.js";
import type { Access } from "./access.js";
import { answering } from "./define.js";
import { describeGroup, describeJob, fitting, fittingIn } from "./describe-job.js";

/** Of the whole answer; what is longer is read by itself. */
const MOST_BYTES = 16_000;

/** `ended` ends the wait. */
export async function readGroup(
  workspace: Workspace,
  access: Access,
  context: ToolContext,
  { name, milliseconds, ended }: { name: string; milliseconds: number; ended: AbortSignal },
): Promise<string> {
  const { sessionID } = context;
  const ids = access.group(name, sessionID).map(({ id }) => id);
  return answering(workspace, context, ids, async (tells) => {
    if (milliseconds > 0) {
      await workspace.tasks.waitForGroup(sessionID, name, milliseconds, ended);
    }
    const members = latestRound(access.group(name, sessionID));
    const head = describeGroup({ name, members });
    const now = workspace.clock.now();
    const lines = members.map((job) => describeJob(job, now, workspace.tasks.position(job.id)));
    if (workspace.jobs.isGroupOpen(sessionID, name)) {
      const all = [head, ...lines];
      const shown = members.slice(0, fittingIn(all) - 1);
      const asks = shown.filter(({ blockedOn }) => blockedOn && blockedOn.kind !== "retry");
      tells(asks.map(({ id }) => id));
      const calls = "listBackgroundTasks, listBackgroundProcesses";
      return fitting(all, (more) => `and ${more} more: ${calls}`);
    }
    const answer = await withTexts(workspace, head, members, lines);
    // Those that there was no room for are still to be told.
    tells(answer.told);
    return answer.text;
  });
}

async function withTexts(
  workspace: Workspace,
  head: string,
  members: readonly Job[],
  lines: readonly string[],
): Promise<{ text: string; told: string[] }> {
  const texts = await Promise.all(members.map((job) => textOf(workspace, job)));
  // A line that says how to read on, for each.
  const room = MOST_BYTES - Buffer.byteLength([head, ...lines].join("\n")) - members.length * 80;
  const given = shares(
    texts.map((text) => Buffer.byteLength(quoteLines(text).join("\n")) + 1),
    Math.max(0, room),
  );
  const parts = [head];
  const told: string[] = [];
  let bytes = Buffer.byteLength(head);
  for (const [index, job] of members.entries()) {
    const part = [lines[index] ?? "", ...quoted(job, texts[index] ?? "", given[index] ?? 0)];
    const text = part.join("\n");
    bytes += Buffer.byteLength(text) + 1;
    if (bytes > MOST_BYTES) {
      parts.push(`and ${members.length - index} more, which you are told of by a notice`);
      break;
    }
    parts.push(text);
    if (isTerminal(job.status)) told.push(job.id);
  }
  return { text: parts.join("\n"), told };
}

/** The end of a text in so many bytes, and how to read all of it when something is missing. */
function quoted(job: Job, text: string, most: number): string[] {
  const all = quoteLines(text);
  const kept: string[] = [];
  let left = most;
  for (const line of all.toReversed()) {
    left -= Buffer.byteLength(line) + 1;
    if (left < 0) break;
    kept.unshift(line);
  }
  if (kept.length === all.length) return text === "" ? ["(no text)"] : kept;
  return [...kept, `to read all of it: ${readCall(job)}`];
}

/** What it said, or the end of its output. */
async function textOf({ tasks, processes }: Workspace, job: Job): Promise<string> {
  if (job.kind === "subagent") return (await tasks.result(job)).text;
  const { lines } = await processes.read(job.id, { mode: "tail", lines: 20, maxBytes: 2_048 });
  return lines.map(({ text }) => text).join("\n");
}
