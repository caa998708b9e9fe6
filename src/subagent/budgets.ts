/**
 * Keeps subagents within what they may spend. Follows the registry, so that every step counts, however it became known:
 * at four fifths of a limit the parent is told with the next notice, and beyond it the run is stopped, unless its step
 * was its answer. What a session tree has cost is summed as it comes, also of tasks whose records are gone since; after
 * a restart the records that are left count.
 */
import type { Context } from "../context.js";
import type { SubagentJob } from "../jobs/job.js";
import type { JobChange } from "../jobs/registry.js";
import type { Notices } from "../notices/notices.js";
import { UserError } from "../ports.js";
import {
  budgetWords,
  budgetsOf,
  crossed,
  firstSpent,
  hasBudgets,
  isSpent,
  treeBudget,
  type Budget,
} from "../jobs/budget.js";
import type { RunEnd, RunEvent } from "./run.js";

export interface BudgetsDeps extends Context {
  notices: Pick<Notices, "announce">;
  /** Something has happened to the run of this job. */
  take: (jobID: string, event: RunEvent) => void;
}

type Spent = Pick<SubagentJob, "cost" | "tokens">;

export class Budgets {
  readonly #deps: BudgetsDeps;
  /** Of every task, as it was known last. */
  readonly #spent = new Map<string, Spent>();
  readonly #treeCost = new Map<string, number>();
  readonly #stopListening: () => void;

  constructor(deps: BudgetsDeps) {
    this.#deps = deps;
    this.#stopListening = hasBudgets(deps.options)
      ? deps.jobs.onChange((change) => this.#changed(change))
      : () => undefined;
  }

  dispose(): void {
    this.#stopListening();
  }

  /** Throws a UserError when the subagents of this tree have spent what they may. */
  checkTree(rootSessionID: string): void {
    const budget = treeBudget(this.#deps.options, this.#costOf(rootSessionID));
    if (!isSpent(budget)) return;
    throw new UserError(`refused: ${budgetWords(budget)}. Do the work in this session, or stop`);
  }

  /** Throws a UserError when a task may not go on. */
  checkTask(task: SubagentJob): void {
    const budget = firstSpent(this.#of(task));
    if (!budget) return;
    const who = budget.of === "task" ? `${task.id} has ` : "";
    throw new UserError(`taskId: ${who}${budgetWords(budget)}; it cannot go on`);
  }

  /** How a task ends that may not begin, or undefined. */
  endOf(task: SubagentJob): RunEnd | undefined {
    const budget = firstSpent(this.#of(task));
    return budget && endBy(budget);
  }

  #of(task: SubagentJob): Budget[] {
    return budgetsOf(this.#deps.options, task, this.#costOf(task.rootSessionID));
  }

  #costOf(rootSessionID: string): number {
    return this.#treeCost.get(rootSessionID) ?? 0;
  }

  #changed({ type, job }: JobChange): void {
    // What a removed one has spent is kept: its record may be found again, and is counted once.
    if (job.kind !== "subagent" || type === "removed") return;
    const { options } = this.#deps;
    const { id, rootSessionID, cost, tokens } = job;
    const before = this.#spent.get(id);
    const treeBefore = this.#costOf(rootSessionID);
    const treeCost = treeBefore + cost - (before?.cost ?? 0);
    this.#spent.set(id, { cost, tokens });
    this.#treeCost.set(rootSessionID, treeCost);
    const now = budgetsOf(options, job, treeCost);
    if (before) {
      const earlier = budgetsOf(options, { ...job, ...before }, treeBefore);
      for (const budget of crossed(earlier, now)) if (!isSpent(budget)) this.#tell(job, budget);
    }
    const spent = firstSpent(now);
    if (!spent) return;
    this.#stop(job, spent);
    const isNews = spent.of === "tree" && treeCost > treeBefore;
    if (isNews) for (const other of this.#othersOf(job)) this.#stop(other, spent);
  }

  #stop({ id, status }: SubagentJob, budget: Budget): void {
    if (status === "running") this.#deps.take(id, { type: "spent", end: endBy(budget) });
  }

  #othersOf({ id, rootSessionID }: SubagentJob): SubagentJob[] {
    return this.#deps.jobs
      .byRoot(rootSessionID)
      .filter((job): job is SubagentJob => job.kind === "subagent" && job.id !== id);
  }

  /** What the whole tree has spent is told to the session at its top: by the task of its own that this one is below. */
  #tell(task: SubagentJob, budget: Budget): void {
    const { jobs, notices } = this.#deps;
    let told = task;
    for (let above = budget.of === "tree" ? task : undefined; above;) {
      told = above;
      above = jobs.findBySession(above.parentSessionID);
    }
    notices.announce(told, "budget", budgetWords(budget));
  }
}

function endBy(budget: Budget): RunEnd {
  return { status: "failed", reason: "budget", error: budgetWords(budget) };
}
