/**
 * What a person reads who closes the terminal while jobs run: OpenCode ends them with itself and says nothing of it. The
 * host asks no plugin whether it may close, and lets one speak once its screen is gone: a line above its own. Pure.
 */
import { clean, fit } from "../cells.js";
import { isLive, type ShownJob } from "./shown-job.js";

const MOST_NAMES = 5;
const LONGEST_NAME = 40;

/** Undefined when nothing ran in this very OpenCode, for example because the terminal is attached to another one. */
export function farewell(jobs: readonly ShownJob[], pid: number): string | undefined {
  const ended = jobs.filter((shown) => {
    // It may have been ended by now, at this same exit.
    const isEnding = isLive(shown) || shown.job.endReason === "host_exit";
    return shown.ownerPID === pid && isEnding;
  });
  if (ended.length === 0) return undefined;
  const count = (kind: ShownJob["job"]["kind"], word: string, several: string): string[] => {
    const { length } = ended.filter(({ job }) => job.kind === kind);
    return length === 0 ? [] : [`${length} ${length === 1 ? word : several}`];
  };
  const counts = [
    ...count("process", "process", "processes"),
    ...count("subagent", "subagent", "subagents"),
  ];
  const names = ended
    .slice(0, MOST_NAMES)
    .map(({ job }) => fit(clean(job.name) || job.id, LONGEST_NAME));
  const more = ended.length > MOST_NAMES ? ` and ${ended.length - MOST_NAMES} more` : "";
  return `Background: ended with OpenCode: ${counts.join(" and ")} (${names.join(", ")}${more})`;
}
