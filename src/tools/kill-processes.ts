/** killProcesses: ends processes with all their descendants, and says what became of each. */
import type { ProcessJob } from "../jobs/job.js";
import { withUnverified } from "../system/kill-tree.js";
import type { ProcessNote } from "../system/process-table.js";
import { waysOf } from "../platform.js";
import type { KilledJob } from "../process/manager.js";
import { isOwnGroup, requireFilter, toFilter } from "./access.js";
import { aliased } from "./arguments.js";
import { answering, defineTool, enter, type Ready } from "./define.js";
import { describeJob, fitting, fittingIn } from "./describe-job.js";
import { filters, optionalFlag, optionalId } from "./fields.js";

export function killProcesses(ready: Ready) {
  return defineTool({
    description: "End processes with their descendants. At least one filter; all: status running.",
    fields: {
      processId: aliased(optionalId("proc"), "id"),
      ...filters,
      remove: optionalFlag("Also its record and output"),
    },
    async run({ processId, remove = false, ...rest }, context) {
      const { sessionID } = context;
      requireFilter({ id: processId, ...rest }, "processId");
      const workspace = await ready(sessionID);
      const access = await enter(workspace, context, "killProcesses", false);
      const id = processId === undefined ? undefined : access.process(processId).id;
      const filter = { id, ...rest };
      const mayEnd = (job: ProcessJob) => access.may(job) && isOwnGroup(job, filter, sessionID);
      const chosen = access.select("process", filter).filter(mayEnd);
      const ids = chosen.map((job) => job.id);
      return answering(workspace, context, ids, async (tells) => {
        const options = { reason: "cancelled_by_agent", remove, only: mayEnd } as const;
        const { jobs } = await workspace.processes.kill(toFilter(filter), options);
        const lines = jobs.map((job) => outcome(job, workspace.clock.now()));
        const shown = fittingIn(lines);
        // What had ended before is told by its line alone, and what was not reached is still to be told.
        const told = jobs.filter(
          ({ outcome }, index) => index < shown || outcome !== "already_ended",
        );
        tells(told.map(({ job }) => job.id));
        if (jobs.length === 0) return "no process matched; nothing was ended";
        const others = (more: number) => `and ${more} more: listBackgroundProcesses tells`;
        return fitting(lines, lines.length, others);
      });
    },
  });
}

function outcome(killed: KilledJob, now: number): string {
  const { job, outcome, survivors, mayBeLeft, error, removed } = killed;
  const named = (notes: readonly ProcessNote[]) =>
    notes.map(({ pid, command }) => `${pid} ${command}`).join(", ");
  const left = named(survivors);
  const words = {
    killed: mayBeLeft.length > 0 ? maySurvive(named(mayBeLeft)) : noneLeft(),
    already_ended: "had ended already",
    survivors: withUnverified(`still alive: ${left}`, error),
    unverified: withUnverified("its process group was ended", error),
    error: `the kill failed: ${error ?? "unknown"}`,
  }[outcome];
  return `${describeJob(job, now)} → ${words}${removed ? "; record and output removed" : ""}`;
}

/** Where processes do not show where they came from, one that left the group is not found. */
export function noneLeft(platform?: NodeJS.Platform): string {
  if (waysOf(platform).processes === "/proc") return "no process of it is left";
  return "no process of its group is left; what has left the group may survive";
}

function maySurvive(named: string): string {
  return `what is known of it was ended; may survive, hiding where it came from: ${named}`;
}
