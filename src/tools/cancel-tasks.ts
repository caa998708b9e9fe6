/** cancelBackgroundTasks: aborts subagents and what they started; their sessions and texts are kept. */
import { isTerminal } from "../jobs/status.js";
import { UserError } from "../ports.js";
import { isOwnGroup, requireFilter } from "./access.js";
import { aliased } from "./arguments.js";
import { answering, defineTool, enter, type Ready } from "./define.js";
import { describeJob, fitting } from "./describe-job.js";
import { filters, optionalFlag, optionalId } from "./fields.js";

export function cancelBackgroundTasks(ready: Ready) {
  return defineTool({
    description:
      "Cancel subagents and what they started; their text stays. At least one filter; all: status running.",
    fields: {
      taskId: aliased(optionalId("bg"), "id"),
      ...filters,
      remove: optionalFlag("Its worktree, too"),
    },
    async run({ taskId, remove = false, ...rest }, context) {
      const { sessionID } = context;
      requireFilter({ id: taskId, ...rest }, "taskId");
      if (remove && taskId === undefined) {
        throw new UserError("remove: expected a taskId with it, got none; nothing was ended");
      }
      const workspace = await ready(sessionID);
      const access = await enter(workspace, context, "cancelBackgroundTasks", false);
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
      return answering(workspace, context, live, async (tells) => {
        await workspace.tasks.cancel(live, "cancelled_by_agent");
        tells(live);
        await Promise.all(live.map((each) => workspace.worktrees.settled(each)));
        const [task] = targets;
        const removed = remove && task ? [await workspace.removeWorktree(task.id)] : [];
        const lines = targets.map((task) => {
          const job = workspace.tasks.getTask(task.id) ?? task;
          const had = live.includes(task.id) ? "" : " → had ended already";
          return describeJob(job, workspace.clock.now()) + had;
        });
        const all = [...lines, ...removed];
        return fitting(all, all.length, (more) => `and ${more} more: listBackgroundTasks tells`);
      });
    },
  });
}
