/**
 * A task that is not in memory: in the folder of another OpenCode, or with no record left at all. An id that was
 * ever announced leads to its state and text for as long as its child session exists.
 */
import type { Message, SessionInfo } from "../host/host.js";
import type { SubagentJob } from "../jobs/job.js";
import type { SubagentDeps } from "./deps.js";
import { Tally } from "./tally.js";
import { finalText, judge } from "./verdict.js";

/**
 * By job id or by the id of the child session, within the tree of this root. What no owner has is put together
 * from its session and taken into the registry; what another OpenCode owns is only looked at.
 */
export async function findTask(
  deps: SubagentDeps,
  id: string,
  rootSessionID: string,
): Promise<SubagentJob | undefined> {
  const stored = await deps.lookup(id);
  if (stored?.kind === "subagent") return stored;
  const session = await findSession(deps, id, rootSessionID);
  if (!session?.taskID) return undefined;
  const owned = await deps.lookup(session.taskID);
  if (owned?.kind === "subagent") return owned;
  const task = await rebuild(deps, session, session.taskID, rootSessionID);
  // Another call may have asked at the same time.
  const known = deps.jobs.getSubagent(task.id);
  if (!known) deps.jobs.add(task);
  return known ?? task;
}

async function findSession(
  { host, tree }: SubagentDeps,
  id: string,
  rootSessionID: string,
): Promise<SessionInfo | undefined> {
  if (id.startsWith("ses_")) {
    const session = await host.session(id);
    return session && (await tree.root(id)) === rootSessionID ? session : undefined;
  }
  const parents = [rootSessionID];
  for (let parent = parents.shift(); parent !== undefined; parent = parents.shift()) {
    const children = await host.children(parent);
    const found = children.find(({ taskID }) => taskID === id);
    if (found) return found;
    parents.push(...children.map((child) => child.id));
  }
  return undefined;
}

async function rebuild(
  { host, tree }: SubagentDeps,
  session: SessionInfo,
  taskID: string,
  rootSessionID: string,
): Promise<SubagentJob> {
  const [messages, line] = await Promise.all([host.messages(session.id), tree.line(session.id)]);
  const prompt = messages.findLast((message) => message.role === "user" && message.real);
  const promptMessageID = prompt?.id ?? "";
  const verdict = judge({ messages, promptMessageID });
  const end =
    verdict.kind === "ended"
      ? { status: verdict.status, endReason: verdict.reason, error: verdict.error }
      : { status: "failed" as const, endReason: "interrupted" as const, error: NO_RECORD };
  const startedAt = session.createdAt;
  const { status, endReason } = end;
  return {
    kind: "subagent",
    id: taskID,
    name: session.title,
    ...end,
    tags: [],
    parentSessionID: session.parentID ?? rootSessionID,
    rootSessionID,
    notify: true,
    createdAt: startedAt,
    startedAt,
    completedAt: startedAt,
    agent: session.agent ?? "",
    depth: line.length - 1,
    runs: [{ promptMessageID, startedAt, status, endReason }],
    ...workOf(messages, startedAt),
    sessionID: session.id,
    partial: status !== "completed",
    resultLength: finalText(messages, promptMessageID).length,
  };
}

const NO_RECORD = "its record is gone, and its session shows no finished answer";
const NO_TOKENS = { input: 0, output: 0, reasoning: 0, cacheRead: 0 };

/** What its stored messages say of its work. */
function workOf(messages: readonly Message[], lastUpdate: Date) {
  const progress = { toolCalls: 0, lastUpdate };
  const tally = new Tally({ tokens: NO_TOKENS, cost: 0, progress }, 0);
  let lastTool: string | undefined;
  for (const message of messages) {
    if (message.role !== "assistant") continue;
    tally.sawStep(message);
    for (const call of message.tools) tally.sawCall(call);
    lastTool = message.tools.at(-1)?.tool ?? lastTool;
  }
  return { progress: { ...progress, toolCalls: tally.toolCalls, lastTool }, ...tally.totals() };
}
