/** cancelBackgroundTasks: aborts subagents and what they started; their sessions and texts are kept. */
import { isTerminal } from "../jobs/status.js";
import { UserError } from "../ports.js";
import { Access, isOwnGroup, requireFilter } from "./access.js";
import { askForTool, defineTool, type Ready } from "./define.js";
import { describeJob, fitting } from "./describe-job.js";
import { group, optionalFlag, optionalId, sessionId, status, tags } from "./fields.js";

export function cancelBackgroundTasks(ready: Ready) {
  return defineTool({
    description:
      "Cancel subagents and what they started; their text stays. At least one filter; all: status running.",
    fields: {
      taskId: optionalId("bg", { aliases: ["id"] }),
      sessionId: sessionId("Its own or its parent's"),
      status,
      tags,
      group: group(),
      remove: optionalFlag("Its worktree, too"),
    },
    async run({ taskId, remove = false, ...rest }, context) {
      const { sessionID, abort } = context;
      requireFilter({ id: taskId, ...rest }, "taskId");
      if (remove && taskId === undefined) {
        throw new UserError("remove: expected a taskId with it, got none; nothing was ended");
      }
      const workspace = await ready(sessionID);
      await askForTool(workspace, context, {
        tool: "cancelBackgroundTasks",
        pattern: "*",
        onlyWhereNamed: false,
      });
      const access = await Access.of(workspace, sessionID);
      const id = taskId === undefined ? undefined : (await access.task(taskId)).id;
      if (id !== undefined && !workspace.jobs.get(id)) {
        throw new UserError(`taskId: ${id} is run by another OpenCode, which alone can end it`);
      }
      const line = await workspace.tree.line(sessionID);
      const filter = { id, ...rest };
      const chosen = access
        .select("subagent", filter)
        .filter((task) => isOwnGroup(task, filter, sessionID));
      // A subagent cannot end the run it is part of.
      const targets = chosen.filter((task) => !task.sessionID || !line.includes(task.sessionID));
      if (taskId !== undefined && targets.length === 0 && chosen.length > 0) {
        throw new UserError(
          `taskId: ${taskId} is this session or one above it, which it cannot cancel`,
        );
      }
      if (targets.length === 0) return "no task matched; nothing was cancelled";
      const live = targets.filter((task) => !isTerminal(task.status)).map((task) => task.id);
      const cancel = async (tells: (ids: string[]) => void): Promise<string> => {
        await workspace.tasks.cancel(live, "cancelled_by_agent");
        if (!abort.aborted) tells(live);
        await Promise.all(live.map((each) => workspace.worktrees.settled(each)));
        const [task] = targets;
        const removed = remove && task ? [await workspace.removeWorktree(task.id)] : [];
        const lines = targets.map((task) => {
          const job = workspace.tasks.getTask(task.id) ?? task;
          const had = live.includes(task.id) ? "" : " → had ended already";
          return describeJob(job, workspace.clock.now()) + had;
        });
        return fitting(
          [...lines, ...removed],
          lines.length + removed.length,
          (more) => `and ${more} more: listBackgroundTasks tells`,
        );
      };
      return workspace.notices.answering(live, cancel, sessionID);
    },
  });
}
