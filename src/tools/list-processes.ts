/** listBackgroundProcesses: one line for each process that the session may see. */
import { Access } from "./access.js";
import { askForTool, defineTool, withProblem, type Ready } from "./define.js";
import { describeJobs } from "./describe-job.js";
import { group, sessionId, status, tags } from "./fields.js";

export function listBackgroundProcesses(ready: Ready) {
  return defineTool({
    description: "List processes of this session tree, and global ones.",
    fields: { sessionId: sessionId(), status, tags, group: group() },
    async run(filter, context) {
      const { sessionID } = context;
      const workspace = await ready(sessionID);
      await askForTool(workspace, context, {
        tool: "listBackgroundProcesses",
        pattern: "*",
        onlyWhereNamed: true,
      });
      const access = await Access.of(workspace, sessionID);
      const jobs = access.select("process", filter);
      return withProblem(
        workspace,
        describeJobs(jobs, workspace.clock.now(), () => 0),
      );
    },
  });
}
