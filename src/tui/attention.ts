/**
 * What the terminal says of its own accord. It calls the user when a process ended by itself, a job is blocked or
 * stalled. What OpenCode calls for itself (the sound of a subagent's end and of its questions) is not doubled; it shows
 * no desktop notification for subagents, so that part is ours. These texts name no command and no path: they leave the
 * terminal. When the terminal closes, it says what ran. Pure.
 */
import { isTerminal } from "../jobs/status.js";
import { clean, fit } from "../cells.js";
import { counted } from "../text.js";
import { isLive, lookOf, type ShownJob } from "./describe.js";

export interface Call {
  message: string;
  /** None: only the desktop notification. */
  sound?: "done" | "error" | "default";
}

/** What happened between two looks; a job that the first look did not know starts with nothing to say. */
export function callsFor(before: readonly ShownJob[], after: readonly ShownJob[]): Call[] {
  const known = new Map(before.map((shown) => [shown.job.id, shown]));
  return after.flatMap((shown) => callFor(known.get(shown.job.id), shown) ?? []);
}

function callFor(old: ShownJob | undefined, now: ShownJob): Call | undefined {
  const { job } = now;
  const name = fit(clean(job.name), 40);
  const [lookBefore, look] = [old && lookOf(old), lookOf(now)];
  const { requestID } = job.blockedOn ?? {};
  const asksAgain = requestID !== undefined && requestID !== old?.job.blockedOn?.requestID;
  if (lookBefore === look && !asksAgain) return undefined;
  const isTask = job.kind === "subagent";
  switch (look) {
    case "blocked":
      return job.blockedOn?.kind === "retry" ? undefined : { message: `${name} waits for you` };
    case "stalled":
      return { message: `${name} shows no sign of life`, sound: "default" };
    case "completed":
    case "failed": {
      if (!old || isTerminal(old.job.status)) return undefined;
      const isGood = look === "completed";
      const message = isGood ? `${name} is done` : `${name} failed`;
      return isTask ? { message } : { message, sound: isGood ? "done" : "error" };
    }
    // A user who has cancelled knows it, and what is lost is told by the next OpenCode that settles it.
    default:
      return undefined;
  }
}

const MOST_NAMES = 5;

/**
 * What a person reads who closes the terminal while jobs run: OpenCode ends them with itself and says nothing of it.
 * The host asks no plugin whether it may close, and lets one speak once its screen is gone: a line above its own.
 * Undefined when nothing ran in this very OpenCode, for example because the terminal is attached to another one.
 */
export function farewell(jobs: readonly ShownJob[], pid: number): string | undefined {
  const ended = jobs.filter((shown) => {
    // It may have been ended by now, at this same exit.
    const isEnding = isLive(shown) || shown.job.endReason === "host_exit";
    return shown.ownerPID === pid && isEnding;
  });
  if (ended.length === 0) return undefined;
  const count = (kind: ShownJob["job"]["kind"], several: string): string[] => {
    const { length } = ended.filter(({ job }) => job.kind === kind);
    return length === 0 ? [] : [counted(length, kind, several)];
  };
  const counts = [...count("process", "processes"), ...count("subagent", "subagents")];
  const names = ended.slice(0, MOST_NAMES).map(({ job }) => fit(clean(job.name) || job.id, 40));
  const more = ended.length > MOST_NAMES ? ` and ${ended.length - MOST_NAMES} more` : "";
  return `Background: ended with OpenCode: ${counts.join(" and ")} (${names.join(", ")}${more})`;
}
