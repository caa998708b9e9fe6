/** What is read off a record in more than one place, and how that is said. Pure. */
import { dollars, elapsed, grouped } from "../text.js";
import type { Job, ModelRef, ProcessJob, SubagentJob } from "./job.js";
import type { EndReason } from "./status.js";

/** When it started; of one that waits, also of a continued one, when it began to wait. Milliseconds since 1970. */
export function runSince(job: Job): number {
  const waits = job.kind === "subagent" && job.runs.length > 0;
  return (job.startedAt ?? (waits ? job.progress.lastUpdate : job.createdAt)).getTime();
}

/** Why it ended, where its status does not say it. */
export function furtherReason({ endReason }: Pick<Job, "endReason">): EndReason | undefined {
  return endReason === "finished" || endReason === "error" ? undefined : endReason;
}

/** In a word or two. */
export const END_WORDS: Readonly<Record<EndReason, string>> = {
  finished: "done",
  error: "error",
  never_started: "never started",
  timeout: "timeout",
  tool_limit: "tool limit",
  stalled: "stalled",
  cancelled_by_agent: "cancelled by agent",
  cancelled_by_user: "cancelled by you",
  session_deleted: "session deleted",
  host_exit: "OpenCode ended",
  reloaded: "OpenCode reloaded",
  interrupted: "interrupted",
  crash_loop: "crash loop",
  dependency_failed: "what it waited for failed",
  budget: "budget spent",
};

/** What an agent calls it. */
export function kindOf({ kind }: Pick<Job, "kind">): string {
  return kind === "subagent" ? "task" : "process";
}

/** Its error, unless that only says the exit code or the signal, which stand among its facts already. */
export function furtherError(job: Job): string | undefined {
  if (job.kind === "subagent") return job.error;
  const isSaid = job.error === `exit code ${job.exitCode}` || job.error === `signal ${job.signal}`;
  return isSaid ? undefined : job.error;
}

/** "restarted 2×, last exit 1, again in 4 s"; undefined when there is nothing to say. */
export function restartWords(
  { restarted, nextStartAt }: Pick<ProcessJob, "restarted" | "nextStartAt">,
  now: number,
): string | undefined {
  const words: string[] = [];
  if (restarted && restarted.count > 0) words.push(`restarted ${restarted.count}×`);
  if (restarted) words.push(`last ${restarted.last}`);
  if (nextStartAt) words.push(`again in ${elapsed(Math.max(0, nextStartAt.getTime() - now))}`);
  return words.length > 0 ? words.join(", ") : undefined;
}

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
  return runs.at(-1)?.models?.at(-1)?.model ?? (model && modelName(model));
}

/** "provider/model"; empty where the host chooses. */
export function modelName(model: ModelRef | undefined): string {
  return model ? `${model.providerID}/${model.modelID}` : "";
}

const SOON_MILLISECONDS = 5_000;
/** Words by which a command says that it goes on; a folder's name, as in `/dev/null`, says nothing. */
const GOES_ON = /(?:^|[\s:=/-])(?:watch|serve|dev)(?![\w./-])/iu;

/**
 * Watchers that end with their stdin (`esbuild --watch`, anything that listens for its end) end at once, as a success
 * and without a word, where it is empty: one sentence on what may have been the reason of such an end.
 */
export function emptyInputHint(job: Job): string | undefined {
  if (job.kind !== "process" || job.stdin || job.status !== "completed") return undefined;
  const { startedAt, completedAt, readyPattern, readyPort, notifyPattern, command } = job;
  if (!startedAt || !completedAt) return undefined;
  if (completedAt.getTime() - startedAt.getTime() > SOON_MILLISECONDS) return undefined;
  const wasMeantToGoOn =
    job.global ||
    [readyPattern, readyPort, notifyPattern].some((each) => each !== undefined) ||
    GOES_ON.test(command);
  if (!wasMeantToGoOn) return undefined;
  return 'its stdin was empty, and some programs end with it: if it should have gone on, start it with "stdin":"open"';
}
