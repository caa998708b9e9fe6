/** How it is said, wherever a process is shown, that its restart policy has started it again or is about to. */
import { elapsed } from "../text.js";
import type { ProcessJob } from "./job.js";

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
