/** createBackgroundTask: starts a subagent in a child session, or gives one more to do. */
import type { ToolContext } from "@opencode-ai/plugin";
import type { SubagentJob } from "../jobs/job.js";
import type { Launched } from "../subagent/manager.js";
import { UserError } from "../ports.js";
import { grouped, lastOf } from "../text.js";
import type { Workspace } from "../workspace.js";
import { Access } from "./access.js";
import { askForTool, defineTool, type Ready } from "./define.js";
import { describeJob, MOST_NAMED } from "./describe-job.js";
import { optionalId, optionalText, tags, text } from "./fields.js";

/** Characters of an earlier result; its session holds all of it. */
const MOST_EARLIER = 4_000;

export function createBackgroundTask(ready: Ready) {
  return defineTool({
    description:
      "Start a subagent in the background (research, review, building) and go on. It sees only the prompt: say all it needs. You are told its result: never poll; end your turn if nothing else is to do.",
    fields: {
      description: text(200, "A few words"),
      prompt: text(200_000),
      agent: text(200),
      model: optionalText(200, "provider/model"),
      tags,
      taskId: optionalId("bg", "Continue this one"),
    },
    async run({ taskId, ...given }, context) {
      const { sessionID, messageID, abort } = context;
      const workspace = await ready(sessionID);
      const { tasks, clock } = workspace;
      const task =
        taskId === undefined
          ? undefined
          : await (await Access.of(workspace, sessionID)).task(taskId);
      const agent = await tasks.agentName(given.agent);
      if (task && tasks.getTask(task.id) && agent !== task.agent) {
        const got = JSON.stringify(given.agent);
        throw new UserError(`agent: expected ${task.agent}, as ${task.id} is one, got ${got}`);
      }
      await askForAgent(workspace, context, agent, given.description);
      // The question may have stood for long.
      if (abort.aborted) throw new UserError("the call was aborted; nothing was started");
      const args = { ...given, agent };
      const from = { parentMessageID: messageID, parentAgent: context.agent, signal: abort };
      if (!task) {
        const launched = await tasks.launch({ ...args, ...from, parentSessionID: sessionID });
        return answer(launched, clock.now(), workspace.oneShot);
      }
      // What the answer says of its earlier end must not go out beside it.
      const resume = async () => {
        const untold = await untoldEnd(workspace, task, sessionID);
        const { prompt, model, tags } = args;
        const launched = await tasks.resume(task.id, prompt, { ...from, model, tags });
        return [answer(launched, clock.now(), workspace.oneShot), ...untold].join("\n");
      };
      return workspace.notices.answering([task.id], resume, sessionID);
    },
  });
}

/** As the host's own task tool asks, and then by the rules about this tool. */
async function askForAgent(
  workspace: Workspace,
  context: Pick<ToolContext, "sessionID" | "agent" | "ask">,
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
}

function answer({ task, position, similar }: Launched, now: number, oneShot: boolean): string {
  const lines = [describeJob(task, now, position)];
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
