/** What a subagent has taken so far, and of which model, as every list, notice and limit counts and says it. Pure. */
import { dollars, grouped } from "../text.js";
import type { SubagentJob } from "./job.js";

/** Input, output and reasoning, without what came from a cache. */
export function tokensOf({ tokens }: Pick<SubagentJob, "tokens">): number {
  return tokens.input + tokens.output + tokens.reasoning;
}

/** "1,234 tokens" and "$0.0120"; a model that has worked and cost nothing has no price. */
export function spendingWords(job: Pick<SubagentJob, "tokens" | "cost">): string[] {
  const tokens = tokensOf(job);
  return tokens === 0 ? [] : [`${grouped(tokens)} tokens`, costWords({ tokens, cost: job.cost })];
}

export function costWords({ tokens, cost }: { tokens: number; cost: number }): string {
  return cost === 0 && tokens > 0 ? "no price" : dollars(cost);
}

/** "provider/model" of the one that is at work in the latest run; undefined when the host chooses. */
export function modelOf({ model, runs }: Pick<SubagentJob, "model" | "runs">): string | undefined {
  const latest = runs.at(-1)?.models?.at(-1)?.model;
  return latest ?? (model && `${model.providerID}/${model.modelID}`);
}
