/** createBackgroundTask: starts a subagent in a child session, or gives one more to do. */
import type { ToolContext } from "@opencode-ai/plugin";
import type { SubagentJob } from "../jobs/job.js";
import type { Launched } from "../subagent/manager.js";
import { UserError } from "../ports.js";
import { isTerminal } from "../jobs/status.js";
import { grouped, lastOf, oneLine } from "../text.js";
import type { Workspace } from "../workspace.js";
import { Access } from "./access.js";
import { missing, type Values } from "./arguments.js";
import { askForTool, defineTool, type Ready } from "./define.js";
import { describeJob, MOST_NAMED } from "./describe-job.js";
import { group, optionalId, optionalText, optionalWorktree, tags, text } from "./fields.js";

/** Characters of an earlier result; its session holds all of it. */
const MOST_EARLIER = 4_000;

const FIELDS = {
  description: optionalText(200, { aliases: ["name", "title"] }),
  prompt: text(200_000),
  agent: optionalText(200, { aliases: ["subagent_type", "subagent", "agent_type"] }),
  model: optionalText(200, { about: "provider/model" }),
  tags,
  group: group("Jobs told together, once, when all have ended"),
  worktree: optionalWorktree("Own git worktree (true), or that of a task"),
  taskId: optionalId("bg", {
    about: "Send prompt to this one, running or ended; no agent needed",
    aliases: ["id"],
  }),
};

const NO_LIMIT = "no limit here: getBackgroundTask waits, with wait (seconds)";

export function createBackgroundTask(ready: Ready) {
  return defineTool({
    description:
      "Like task, but you go on at once and are told the result. It sees only the prompt: say all it needs and what to report. Never poll; end your turn if nothing else is to do.",
    fields: FIELDS,
    refused: { timeout: NO_LIMIT, timeoutMs: NO_LIMIT },
    async run({ taskId, ...given }, context) {
      const workspace = await ready(context.sessionID);
      return taskId === undefined
        ? start(workspace, context, given)
        : resume(workspace, context, taskId, given);
    },
  });
}

type Given = Omit<Values<typeof FIELDS>, "taskId">;

/** What a new task cannot be without; one that is continued has it already. */
function needed({ agent, description, ...rest }: Given) {
  if (description === undefined) throw missing(FIELDS, "description");
  if (agent === undefined) throw missing(FIELDS, "agent");
  return { ...rest, agent, description };
}

async function start(workspace: Workspace, context: ToolContext, given: Given): Promise<string> {
  const { worktree, ...input } = needed(given);
  const { tasks, clock, oneShot } = workspace;
  const agent = await tasks.agentName(input.agent);
  await askForAgent(workspace, context, agent, input.description);
  const from = { ...caller(context), parentSessionID: context.sessionID };
  const place = worktree === undefined ? {} : { worktree };
  const launched = await tasks.launch({ ...input, ...place, agent, ...from });
  return answer(launched, clock.now(), oneShot);
}

async function resume(
  workspace: Workspace,
  context: ToolContext,
  taskId: string,
  given: Given,
): Promise<string> {
  const { sessionID } = context;
  const { tasks, clock, oneShot } = workspace;
  if (given.worktree !== undefined) {
    const got = JSON.stringify(given.worktree);
    throw new UserError(
      `worktree: expected nothing with taskId, as a task stays where it is, got ${got}`,
    );
  }
  const task = await (await Access.of(workspace, sessionID)).task(taskId);
  const agent = await tasks.agentName(given.agent ?? task.agent);
  if (tasks.getTask(task.id) && agent !== task.agent) {
    const got = JSON.stringify(given.agent);
    throw new UserError(`agent: expected ${task.agent}, as ${task.id} is one, got ${got}`);
  }
  await askForAgent(workspace, context, agent, given.description ?? task.name);
  const send = async () => {
    const untold = await untoldEnd(workspace, task, sessionID);
    const { prompt, ...changes } = given;
    const launched = await tasks.resume(task.id, prompt, { ...changes, ...caller(context) });
    return [answer(launched, clock.now(), oneShot), ...untold].join("\n");
  };
  // What the answer says of its earlier end must not go out beside it.
  return workspace.notices.answering([task.id], send, sessionID);
}

function caller({ messageID, agent, abort }: ToolContext) {
  return { parentMessageID: messageID, parentAgent: agent, signal: abort };
}

/** As the host's own task tool asks, and then by the rules about this tool. Throws unless allowed. */
async function askForAgent(
  workspace: Workspace,
  context: ToolContext,
  agent: string,
  description: string,
): Promise<void> {
  await context.ask({
    permission: "task",
    patterns: [agent],
    always: ["*"],
    metadata: { description, subagent_type: agent },
  });
  // What a catch-all says of starting subagents, the first question has heard.
  const question = { tool: "createBackgroundTask", pattern: agent, onlyWhereNamed: true };
  await askForTool(workspace, context, question);
  // The questions may have stood for long.
  if (context.abort.aborted) throw new UserError("the call was aborted; nothing was started");
}

function answer(launched: Launched, now: number, oneShot: boolean): string {
  const { task, position, similar } = launched;
  const lines = [describeJob(task, now, position), ...placeOf(launched)];
  if (task.status === "running" || task.status === "pending") {
    lines.push(
      oneShot
        ? `This OpenCode ends with your turn, and the subagent with it: before you end it, wait with getBackgroundTask({"taskId":"${task.id}","wait":600}).`
        : "You will be told its result when it ends. Go on with other work or end your turn; do not poll.",
    );
  }
  for (const other of similar.slice(0, MOST_NAMED)) {
    lines.push(`A task with nearly the same prompt is already ${other.status}: ${other.id}`);
  }
  return lines.join("\n");
}

/** Where it works, if not in the caller's tree, and what is not there. */
function placeOf({ task, uncommitted, withoutWorktree }: Launched): string[] {
  if (withoutWorktree) {
    return [`Started without a worktree: agent ${task.agent} can neither edit nor run commands.`];
  }
  const { folder, base, owner } = task.worktree ?? {};
  if (base === undefined || isTerminal(task.status)) return [];
  if (owner !== task.id) return [`It works in the worktree of ${owner}.`];
  const where =
    folder === undefined ? "It will get a worktree" : `It works in ${oneLine(folder, 400)}`;
  const files = uncommitted === 1 ? "1 file that is" : `${uncommitted} files that are`;
  const missing =
    uncommitted > 0
      ? `; ${files} not committed here ${uncommitted === 1 ? "is" : "are"} not there`
      : "";
  return [`${where}, from commit ${base.slice(0, 12)}${missing}.`];
}

/** How the run before ended, if the caller was not told yet: the new run takes its place in the record. */
async function untoldEnd(
  { notices, tasks, clock }: Workspace,
  task: SubagentJob,
  sessionID: string,
): Promise<string[]> {
  const ends = notices.outbox.unsent(task.id, ["ended"]);
  if (!ends.some(({ parentSessionID }) => parentSessionID === sessionID)) return [];
  const { text } = await tasks.result(task);
  const end = lastOf(text, MOST_EARLIER);
  return [
    "",
    `It had ended before, which you were not told yet: ${describeJob(task, clock.now())}`,
    end.length < text.length ? `the end of its ${grouped(text.length)} characters:` : "it said:",
    end || "(no text output)",
  ];
}
