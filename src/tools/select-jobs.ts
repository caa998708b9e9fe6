/**
 * The tools for all jobs that a filter selects: the two lists (one line for each job that the session may see), and
 * their ends. cancelBackgroundTasks aborts subagents and what they started, whose sessions and texts are kept;
 * killProcesses ends processes with all their descendants, and says what became of each.
 */
import type { ProcessJob, SubagentJob } from "../jobs/job.js";
import { isTerminal } from "../jobs/status.js";
import { waysOf } from "../platform.js";
import { UserError } from "../ports.js";
import type { KilledJob } from "../process/manager.js";
import { withUnverified } from "../system/kill-tree.js";
import type { ProcessNote } from "../system/process-table.js";
import type { Workspace } from "../workspace.js";
import { isOwnGroup, requireFilter, toFilter } from "./access.js";
import { aliased, filters, optionalFlag, optionalId, status } from "./fields.js";
import { answering, defineTool, enter, type Ready, withProblem } from "./define.js";
import { describeJob, describeJobs, fitting, fittingIn } from "./describe-job.js";

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
        const removed = remove && task ? [await worktreeRemoved(workspace, task)] : [];
        const lines = targets.map((task) => {
          const job = workspace.tasks.getTask(task.id) ?? task;
          const had = live.includes(task.id) ? "" : " → had ended already";
          return describeJob(job, workspace.clock.now()) + had;
        });
        const others = (more: number) => `and ${more} more: listBackgroundTasks tells`;
        return fitting([...lines, ...removed], others);
      });
    },
  });
}

/** What became of its worktree. A removal that fails must not hide what was cancelled before it. */
async function worktreeRemoved(workspace: Workspace, task: SubagentJob): Promise<string> {
  if (!task.worktree) return "it has no worktree";
  try {
    return await workspace.removeWorktree(task.id);
  } catch (thrown) {
    if (thrown instanceof UserError) return thrown.message;
    throw thrown;
  }
}

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
        return fitting(lines, others);
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
