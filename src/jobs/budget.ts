/**
 * What subagents may spend (options `maxCost`, `maxTokens`, their lists by agent, and `maxCostPerSession`): how much of
 * which limit is gone, and in which words that is said. Numbers over all runs of a task; a model without a price counts
 * 0. Pure.
 */
import type { SubagentJob } from "./job.js";
import { tokensOf } from "./facts.js";
import type { Options } from "../options.js";
import { dollars, grouped } from "../text.js";

export type BudgetOptions = Pick<
  Options,
  "maxCost" | "maxCostByAgent" | "maxTokens" | "maxTokensByAgent" | "maxCostPerSession"
>;

/** One limit that holds for a task, and how much of it is gone. */
export interface Budget {
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
  const { maxCostByAgent, maxTokensByAgent, ...single } = options;
  const all = [single.maxCost, single.maxTokens, single.maxCostPerSession];
  return [...all, ...Object.values(maxCostByAgent), ...Object.values(maxTokensByAgent)].some(
    (most) => most > 0,
  );
}

/** `treeCost`: what all subagents of its session tree have cost so far. */
export function budgetsOf(
  options: BudgetOptions,
  task: Pick<SubagentJob, "agent" | "cost" | "tokens">,
  treeCost: number,
): Budget[] {
  const { agent, cost } = task;
  const { maxCost, maxCostByAgent, maxTokens, maxTokensByAgent } = options;
  const byAgent = <T>(list: Readonly<Record<string, T>>) =>
    Object.hasOwn(list, agent) ? list[agent] : undefined;
  const ownCost = byAgent(maxCostByAgent);
  const ownTokens = byAgent(maxTokensByAgent);
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

/** The first of these that is spent. */
export function firstSpent(budgets: readonly Budget[]): Budget | undefined {
  return budgets.find(isSpent);
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
