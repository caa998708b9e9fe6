/**
 * When the user is called: a process ended by itself, a job is blocked or stalled. What OpenCode calls for itself
 * (the sound of a subagent's end and of its questions) is not doubled; it shows no desktop notification for
 * subagents, so that part is ours. The texts name no command and no path: they leave the terminal. Pure.
 */
import { isTerminal } from "../jobs/status.js";
import { clean, fit } from "../cells.js";
import { lookOf, type ShownJob } from "./shown-job.js";

export interface Call {
  message: string;
  /** None: only the desktop notification. */
  sound?: "done" | "error" | "default";
}

/** What happened between two looks; a job that the first look did not know starts with nothing to say. */
export function callsFor(before: readonly ShownJob[], after: readonly ShownJob[]): Call[] {
  const known = new Map(before.map((shown) => [shown.job.id, shown]));
  return after.flatMap((shown) => {
    const old = known.get(shown.job.id);
    return callFor(old, shown) ?? [];
  });
}

function callFor(old: ShownJob | undefined, now: ShownJob): Call | undefined {
  const { job } = now;
  const name = fit(clean(job.name), 40);
  const [lookBefore, look] = [old && lookOf(old), lookOf(now)];
  if (lookBefore === look) return undefined;
  const isTask = job.kind === "subagent";
  switch (look) {
    case "blocked": {
      if (job.blockedOn?.kind === "retry") return undefined;
      return { message: `${name} waits for you` };
    }
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
