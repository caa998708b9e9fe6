/** createBackgroundTask: starts a subagent in a child session, or gives one more to do. */
import type { ToolContext } from "@opencode-ai/plugin";
import type { SubagentJob } from "../jobs/job.js";
import type { Launched } from "../subagent/manager.js";
import { isTerminal } from "../jobs/status.js";
import { UserError } from "../ports.js";
import { oneOf } from "../host/agents.js";
import { endStart, grouped, headEnd, oneLine, quoteLines, shownValue } from "../text.js";
import type { Workspace } from "../workspace.js";
import { Access, refuseIdAsName } from "./access.js";
import {
  after,
  aliased,
  group,
  missing,
  optionalId,
  optionalText,
  optionalWorktree,
  tags,
  text,
  type Values,
} from "./fields.js";
import { answering, defineTool, OncePerMessage, withProblem, type Ready } from "./define.js";
import { describeJob } from "./describe-job.js";

const NAME = "createBackgroundTask";
/** Characters of an earlier run's result: no page of it can be read any more. */
const MOST_EARLIER = 16_000;

const FIELDS = {
  description: aliased(optionalText(200), "name", "title"),
  prompt: text(200_000),
  agent: aliased(optionalText(200), "subagent_type", "subagent", "agent_type"),
  model: optionalText(200, "provider/model"),
  tags,
  group: group("Jobs told together, once, when all have ended"),
  after: after("Ids or names: starts when these succeeded"),
  worktree: optionalWorktree("Own git worktree (true), or that of a task"),
  taskId: aliased(
    optionalId("bg", "Send prompt to this one, running or ended; no agent needed"),
    "id",
  ),
};

const NO_LIMIT = "no limit here: getBackgroundTask waits, with wait (seconds)";

export function createBackgroundTask(ready: Ready) {
  const once = new OncePerMessage();
  return defineTool({
    description:
      "Like task, but you go on at once and are told the result. It sees only the prompt: say all it needs and what to report. Never poll; end your turn if nothing else is to do.",
    fields: FIELDS,
    refused: { timeout: NO_LIMIT, timeoutMs: NO_LIMIT },
    async run(given, context) {
      const workspace = await ready(context.sessionID);
      const isFirst = () => once.isFirst(context.messageID);
      const call = { workspace, context, given, isFirst };
      const { taskId } = given;
      return withProblem(
        workspace,
        await (taskId === undefined ? start(call) : resume(call, taskId)),
      );
    },
  });
}

interface Call {
  workspace: Workspace;
  context: ToolContext;
  given: Values<typeof FIELDS>;
  /** Of the calls of one message. */
  isFirst: () => boolean;
}

async function start(call: Call): Promise<string> {
  const { workspace, context, given } = call;
  const { description, agent, worktree, taskId: _, ...rest } = given;
  if (description === undefined) throw missing(FIELDS, "description");
  if (agent === undefined) throw missing(FIELDS, "agent");
  refuseIdAsName("description", description);
  const input = { ...rest, description, ...(worktree !== undefined && { worktree }) };
  const from = { ...caller(context), parentSessionID: context.sessionID };
  const chosen = await askForAgent(call, agent, description);
  return answer(call, await workspace.tasks.launch({ ...input, agent: chosen, ...from }));
}

async function resume(call: Call, taskId: string): Promise<string> {
  const { workspace, context, given } = call;
  const { sessionID } = context;
  const { tasks } = workspace;
  const got = (value: unknown) => JSON.stringify(value);
  if (given.after !== undefined) {
    throw new UserError(
      `after: expected nothing with taskId, got ${got(given.after)}: end your turn until then`,
    );
  }
  if (given.worktree !== undefined) {
    throw new UserError(
      `worktree: expected nothing with taskId, as a task stays where it is, got ${got(given.worktree)}`,
    );
  }
  const task = await (await Access.of(workspace, sessionID)).task(taskId);
  await askForAgent(call, given.agent ?? task.agent, given.description ?? task.name, (agent) => {
    if (!tasks.getTask(task.id) || agent === task.agent) return;
    throw new UserError(
      `agent: expected ${task.agent}, as ${task.id} is one, got ${got(given.agent)}`,
    );
  });
  // What the answer says of its earlier end must not go out beside it.
  return answering(workspace, context, [task.id], async () => {
    const untold = await untoldEnd(workspace, task, sessionID);
    const { prompt, model, tags, group } = given;
    const changes = { model, tags, group, ...caller(context) };
    return [answer(call, await tasks.resume(task.id, prompt, changes)), ...untold].join("\n");
  });
}

function caller({ messageID, agent, abort }: ToolContext) {
  return { parentMessageID: messageID, parentAgent: agent, signal: abort };
}

/**
 * As the host's own task tool asks, and then by the rules about this tool. Resolves with the host's name of the agent,
 * once `check` has let it pass. Throws unless allowed.
 */
async function askForAgent(
  { workspace, context }: Call,
  named: string,
  description: string,
  check: (agent: string) => void = () => undefined,
): Promise<string> {
  const rights = await workspace.permission.launchRights(NAME, context);
  const { offered, denies, namesTool } = rights;
  const agent = rights.nameOf(named);
  check(agent);
  try {
    await context.ask({
      permission: "task",
      patterns: [agent],
      always: ["*"],
      metadata: { description, subagent_type: agent },
    });
    // What a catch-all says of starting subagents, the first question has heard.
    const question = { tool: NAME, pattern: agent, onlyWhereNamed: false };
    if (namesTool) await workspace.permission.askForTool(context, question);
  } catch (thrown) {
    if (!denies(agent)) throw thrown;
    throw new UserError(
      `agent: expected ${oneOf(offered)}, got ${shownValue(agent)}, which the permission rules deny to ${context.agent}`,
      { cause: thrown },
    );
  }
  // The questions may have stood for long.
  if (context.abort.aborted) throw new UserError("the call was aborted; nothing was started");
  return agent;
}

function answer({ workspace, isFirst }: Call, launched: Launched): string {
  const { clock, oneShot } = workspace;
  const { task, position, same } = launched;
  const lines = [describeJob(task, clock.now(), position), ...placeOf(launched)];
  if (!isTerminal(task.status)) {
    if (oneShot) {
      lines.push(
        `This OpenCode ends with your turn, and the subagent with it: before you end it, wait with getBackgroundTask({"taskId":"${task.id}","wait":600}).`,
      );
    } else if (isFirst()) {
      lines.push("You will be told its result: go on, or end your turn; do not poll.");
    }
  }
  // Said once: who starts a third one means it.
  const [other, more] = same;
  if (other && !more) {
    lines.push(`The very same prompt was given to ${other.id} already, which is ${other.status}.`);
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
  const said = text ? quotedHeadAndEnd(text) : ["(no text output)"];
  return [
    "",
    `It had ended before, which you were not told yet: ${describeJob(task, clock.now())}`,
    ...said,
  ];
}

function quotedHeadAndEnd(text: string): string[] {
  if (text.length <= MOST_EARLIER) return quoteLines(text);
  const head = headEnd(text, MOST_EARLIER / 2);
  const end = endStart(text, text.length - MOST_EARLIER / 2);
  return [
    ...quoteLines(text.slice(0, head).trimEnd()),
    `… ${grouped(end - head)} characters left out …`,
    ...quoteLines(text.slice(end)),
  ];
}
