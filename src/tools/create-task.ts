/** createBackgroundTask: starts a subagent in a child session, or gives one more to do. */
import type { Launched } from "../subagent/manager.js";
import { Access } from "./access.js";
import { defineTool, type Ready } from "./define.js";
import { describeJob, MOST_NAMED } from "./describe-job.js";
import { optionalId, optionalText, tags, text } from "./fields.js";

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
    async run({ taskId, ...args }, { sessionID, messageID, agent, abort }) {
      const workspace = await ready(sessionID);
      const { tasks, clock } = workspace;
      const from = { parentMessageID: messageID, parentAgent: agent, signal: abort };
      let launched: Launched;
      if (taskId === undefined) {
        launched = await tasks.launch({ ...args, ...from, parentSessionID: sessionID });
      } else {
        const access = await Access.of(workspace, sessionID);
        const { id } = await access.task(taskId);
        launched = await tasks.resume(id, args.prompt, from);
      }
      return answer(launched, clock.now(), workspace.oneShot);
    },
  });
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
