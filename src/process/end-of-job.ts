/** How a job ended, from how its shell exited and who ended it. */
import type { JobEnd } from "../jobs/registry.js";
import type { KillReason } from "./types.js";

/** As the `exit` event says it: one of the two is null. */
export interface ShellExit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export function describeEnd(
  job: { timeoutSeconds?: number },
  exit: ShellExit | undefined,
  killed: KillReason | undefined,
): Omit<JobEnd, "at"> {
  if (killed === "timeout") {
    const error = `ended after ${job.timeoutSeconds} s (timeoutSeconds)`;
    return { status: "failed", reason: "timeout", error };
  }
  if (killed) return { status: "cancelled", reason: killed };
  if (exit?.code === 0) return { status: "completed", reason: "finished" };
  const how = exit?.signal ? `signal ${exit.signal}` : `exit code ${exit?.code ?? "unknown"}`;
  return { status: "failed", reason: "error", error: how };
}
