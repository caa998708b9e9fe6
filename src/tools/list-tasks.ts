/** listBackgroundTasks: one line for each subagent of the session's tree. */
import { Access } from "./access.js";
import { askForTool, defineTool, withProblem, type Ready } from "./define.js";
import { describeJobs } from "./describe-job.js";
import { group, sessionId, tags, unlistedStatus } from "./fields.js";

export function listBackgroundTasks(ready: Ready) {
  return defineTool({
    description: "List subagents of this session tree.",
    fields: { sessionId: sessionId(), status: unlistedStatus, tags, group: group() },
    async run(filter, context) {
      const { sessionID } = context;
      const workspace = await ready(sessionID);
      await askForTool(workspace, context, {
        tool: "listBackgroundTasks",
        pattern: "*",
        onlyWhereNamed: true,
      });
      const access = await Access.of(workspace, sessionID);
      const jobs = access.select("subagent", filter);
      return withProblem(
        workspace,
        describeJobs(jobs, workspace.clock.now(), (id) => workspace.tasks.position(id)),
      );
    },
  });
}
