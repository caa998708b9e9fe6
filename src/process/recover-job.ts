/**
 * What to do with the record of a process that ran when an earlier host died: it has failed (interrupted) at
 * once, and what is left of it is ended; by its recorded number only if that is still the same process, and by
 * its marker. Nobody else is signalled. What it printed after its record was last saved counts, too.
 */
import type { ProcessJob } from "../jobs/job.js";
import { isTerminal } from "../jobs/status.js";
import { coerceError } from "../ports.js";
import { JobMembers } from "../system/members.js";
import { withUnverified } from "../system/kill-tree.js";
import type { LiveDeps } from "./live-process.js";
import { openOutput } from "../output/reader.js";

const INTERRUPTED = "OpenCode ended while it ran";

/**
 * `file` holds its output; the host was alive until `lastSign`. Undefined when there is nobody to end; otherwise it resolves, always, when that is done.
 */
export function recoverJob(
  job: ProcessJob,
  file: string,
  lastSign: Date,
  deps: LiveDeps,
): Promise<void> | undefined {
  if (isTerminal(job.status)) return undefined;
  const { jobs, clock, system, options, killTree, log } = deps;
  const { id, identity } = job;
  const target = { pid: identity?.pid ?? 0, identity, held: false, jobID: id };
  const isSame = identity !== undefined && system.isAlive(identity);
  const isGone = !isSame && (identity === undefined || system.hasEnded(identity));
  const members = new JobMembers(system, target, isSame);
  const leftovers = members.notes();
  const { problem } = members;
  const bytes = Math.max(job.output.bytes, bytesIn(file, job, deps));
  const output = { ...job.output, bytes };
  jobs.updateProcess(id, { output, ...(leftovers.length > 0 && { leftovers }) });
  const error = withUnverified(INTERRUPTED, problem);
  // What still runs ends only now.
  const at = isGone && leftovers.length === 0 ? lastSign : new Date(clock.now());
  jobs.end(id, { status: "failed", reason: "interrupted", error, at });
  if (isGone && leftovers.length === 0 && problem === undefined) return undefined;
  return killTree(target, options.killGraceMilliseconds).then(
    ({ survivors, unverified }) => {
      if (survivors.length > 0) jobs.updateProcess(id, { survivors });
      const said = withUnverified(INTERRUPTED, unverified);
      if (said !== error) jobs.updateProcess(id, { error: said });
    },
    (thrown: unknown) => {
      const reason = coerceError(thrown).message;
      log("warn", `process ${id} of an earlier OpenCode could not be ended`, { error: reason });
      jobs.updateProcess(id, { error: withUnverified(INTERRUPTED, reason) });
    },
  );
}

/** 0 when there is no output, or it cannot be read. */
function bytesIn(file: string, { id }: ProcessJob, { log }: LiveDeps): number {
  try {
    const reader = openOutput(file);
    try {
      return reader?.end() ?? 0;
    } finally {
      reader?.close();
    }
  } catch (thrown) {
    const error = coerceError(thrown).message;
    log("warn", "the output of an earlier OpenCode could not be read", { id, error });
    return 0;
  }
}
