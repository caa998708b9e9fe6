/** listBackgroundProcesses and listBackgroundTasks: one line for each job that the session may see. */
import { defineTool, enter, withProblem, type Ready } from "./define.js";
import { describeJobs } from "./describe-job.js";
import { filters, status } from "./fields.js";

export function listBackgroundProcesses(ready: Ready) {
  const description = "List processes of this session tree, and global ones.";
  return list(ready, "process", "listBackgroundProcesses", description, { ...filters, status });
}

export function listBackgroundTasks(ready: Ready) {
  const description = "List subagents of this session tree.";
  return list(ready, "subagent", "listBackgroundTasks", description, filters);
}

function list(
  ready: Ready,
  kind: "process" | "subagent",
  tool: string,
  description: string,
  fields: typeof filters,
) {
  return defineTool({
    description,
    fields,
    async run(filter, context) {
      const workspace = await ready(context.sessionID);
      const { tasks, clock } = workspace;
      const access = await enter(workspace, context, tool);
      const jobs = access.select(kind, filter);
      const lines = describeJobs(jobs, clock.now(), (id) => tasks.position(id));
      return withProblem(workspace, lines);
    },
  });
}
