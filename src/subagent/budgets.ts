/**
 * Keeps subagents within what they may spend (options `maxCost`, `maxTokens`, their lists by agent, and
 * `maxCostPerSession`). Follows the registry, so that every step counts, however it became known: at four fifths of a
 * limit the parent is told with the next notice, and beyond it the run is stopped, unless its step was its answer.
 * Numbers are over all runs of a task; a model without a price counts 0. What a session tree has cost is summed as it
 * comes, also of tasks whose records are gone since; after a restart the records that are left count.
 */
import type { Context } from "../context.js";
import { tokensOf } from "../jobs/facts.js";
import type { Job, SubagentJob } from "../jobs/job.js";
import type { JobChange } from "../jobs/registry.js";
import type { Notices } from "../notices/notices.js";
import { listedFor, type Options } from "../options.js";
import { UserError } from "../ports.js";
import { dollars, grouped } from "../text.js";
import type { RunEnd, RunEvent } from "./run.js";

interface BudgetsDeps extends Context {
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
    const budget = this.#of(task).find(isSpent);
    if (!budget) return;
    const who = budget.of === "task" ? `${task.id} has ` : "";
    throw new UserError(`taskId: ${who}${budgetWords(budget)}; it cannot go on`);
  }

  /** How a task ends that may not begin, or undefined. */
  endOf(task: SubagentJob): RunEnd | undefined {
    const budget = this.#of(task).find(isSpent);
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
    const spent = now.find(isSpent);
    if (!spent) return;
    this.#stop(job, spent);
    // All runs that share what the tree may spend; a process has none.
    const isNews = spent.of === "tree" && treeCost > treeBefore;
    if (isNews) for (const other of this.#deps.jobs.byRoot(rootSessionID)) this.#stop(other, spent);
  }

  #stop({ id, status }: Job, budget: Budget): void {
    if (status === "running") this.#deps.take(id, { type: "spent", end: endBy(budget) });
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

export type BudgetOptions = Pick<
  Options,
  "maxCost" | "maxCostByAgent" | "maxTokens" | "maxTokensByAgent" | "maxCostPerSession"
>;

/** One limit that holds for a task, and how much of it is gone. */
interface Budget {
  /** The option that sets it. */
  option: keyof BudgetOptions;
  /** `tree`: all subagents of the session tree share it. */
  of: "task" | "tree";
  unit: "dollars" | "tokens";
  spent: number;
  most: number;
}

/** From this share on the parent is told. */
const NEARLY = 0.8;

export function hasBudgets(options: BudgetOptions): boolean {
  const { maxCost, maxTokens, maxCostPerSession, maxCostByAgent, maxTokensByAgent } = options;
  const lists = [...Object.values(maxCostByAgent), ...Object.values(maxTokensByAgent)];
  return [maxCost, maxTokens, maxCostPerSession, ...lists].some((most) => most > 0);
}

/** `treeCost`: what all subagents of its session tree have cost so far. */
export function budgetsOf(
  options: BudgetOptions,
  task: Pick<SubagentJob, "agent" | "cost" | "tokens">,
  treeCost: number,
): Budget[] {
  const { agent, cost } = task;
  const { maxCost, maxCostByAgent, maxTokens, maxTokensByAgent } = options;
  const ownCost = listedFor(agent, maxCostByAgent);
  const ownTokens = listedFor(agent, maxTokensByAgent);
  const all: Budget[] = [
    {
      option: ownCost === undefined ? "maxCost" : "maxCostByAgent",
      of: "task",
      unit: "dollars",
      spent: cost,
      most: ownCost ?? maxCost,
    },
    {
      option: ownTokens === undefined ? "maxTokens" : "maxTokensByAgent",
      of: "task",
      unit: "tokens",
      spent: tokensOf(task),
      most: ownTokens ?? maxTokens,
    },
    treeBudget(options, treeCost),
  ];
  return all.filter(({ most }) => most > 0);
}

/** That of the whole tree; `most` is 0 when there is none. */
export function treeBudget({ maxCostPerSession }: BudgetOptions, treeCost: number): Budget {
  const option = "maxCostPerSession";
  return { option, of: "tree", unit: "dollars", spent: treeCost, most: maxCostPerSession };
}

export function isSpent({ spent, most }: Budget): boolean {
  return most > 0 && spent >= most;
}

/** Those of which the first four fifths were not gone `before`, and are now. */
export function crossed(before: readonly Budget[], now: readonly Budget[]): Budget[] {
  const isNear = ({ spent, most }: Budget) => spent >= most * NEARLY;
  return now.filter((budget) => {
    const earlier = before.find(({ option }) => option === budget.option);
    return isNear(budget) && earlier !== undefined && !isNear(earlier);
  });
}

/** "spent $1.02 of $1.00 (plugin option "maxCost")" */
export function budgetWords(budget: Budget): string {
  const { option, of } = budget;
  const who = of === "tree" ? "the subagents of this session tree have " : "";
  return `${who}spent ${numbers(budget)} (plugin option "${option}")`;
}

function numbers({ unit, spent, most }: Budget): string {
  if (unit === "dollars") return `${dollars(spent)} of ${dollars(most)}`;
  return `${grouped(spent)} of ${grouped(most)} tokens`;
}
