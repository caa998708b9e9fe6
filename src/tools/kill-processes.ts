/** killProcesses: ends processes with all their descendants, and says what became of each. */
import type { ProcessJob } from "../jobs/job.js";
import { withUnverified } from "../system/kill-tree.js";
import type { KilledJob } from "../process/manager.js";
import { Access, isOwnGroup, requireFilter, toFilter } from "./access.js";
import { askForTool, defineTool, type Ready } from "./define.js";
import { describeJob, fitting } from "./describe-job.js";
import { group, optionalFlag, optionalId, sessionId, tags, unlistedStatus } from "./fields.js";

export function killProcesses(ready: Ready) {
  return defineTool({
    description: "End processes with their descendants. At least one filter; all: status running.",
    fields: {
      processId: optionalId("proc", { aliases: ["id"] }),
      sessionId: sessionId(),
      status: unlistedStatus,
      tags,
      group: group(),
      remove: optionalFlag("Also its record and output"),
    },
    async run({ processId, remove = false, ...rest }, context) {
      const { sessionID, abort } = context;
      requireFilter({ id: processId, ...rest }, "processId");
      const workspace = await ready(sessionID);
      await askForTool(workspace, context, {
        tool: "killProcesses",
        pattern: "*",
        onlyWhereNamed: false,
      });
      const access = await Access.of(workspace, sessionID);
      const id = processId === undefined ? undefined : access.process(processId).id;
      const filter = { id, ...rest };
      const mayEnd = (job: ProcessJob) => access.may(job) && isOwnGroup(job, filter, sessionID);
      const chosen = access
        .select("process", filter)
        .filter(mayEnd)
        .map((job) => job.id);
      const kill = async (tells: (ids: string[]) => void): Promise<string> => {
        const options = { reason: "cancelled_by_agent", remove, only: mayEnd } as const;
        const { jobs } = await workspace.processes.kill(toFilter(filter), options);
        // The answer names only whom it ended: of the others an earlier end is still to be told.
        if (!abort.aborted) tells(jobs.map(({ job }) => job.id));
        if (jobs.length === 0) return "no process matched; nothing was ended";
        const lines = jobs.map((job) => outcome(job, workspace.clock.now()));
        const others = (more: number) => `and ${more} more: listBackgroundProcesses tells`;
        return fitting(lines, lines.length, others);
      };
      return workspace.notices.answering(chosen, kill, sessionID);
    },
  });
}

function outcome({ job, outcome, survivors, error, removed }: KilledJob, now: number): string {
  const left = survivors.map(({ pid, command }) => `${pid} ${command}`).join(", ");
  const words = {
    killed: "no process of it is left",
    already_ended: "had ended already",
    survivors: withUnverified(`still alive: ${left}`, error),
    unverified: withUnverified("its process group was ended", error),
    error: `the kill failed: ${error ?? "unknown"}`,
  }[outcome];
  return `${describeJob(job, now)} → ${words}${removed ? "; record and output removed" : ""}`;
}
