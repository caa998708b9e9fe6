/**
 * What to do with the record of a process that ran when an earlier host died: it has failed (interrupted), and what is
 * left of it is ended; by its recorded number only if that is still the same process and really ours, and by its
 * marker. No other process is signalled. What it printed after its record was last saved counts, too.
 *
 * A host whose closing was cut off has written its processes as ended before they were: where one is still alive, it is
 * ended now.
 */
import type { ProcessJob } from "../jobs/job.js";
import { isTerminal } from "../jobs/status.js";
import { coerceError, logFailure } from "../ports.js";
import { recordedGroup } from "../system/control-group.js";
import { isGroupOurs, membersOf, withUnverified } from "../system/kill-tree.js";
import type { LiveDeps } from "./live-process.js";
import { quoteOutputEnd } from "../output/quote.js";
import { openOutput } from "../output/reader.js";

const INTERRUPTED = "OpenCode ended while it ran";

/**
 * `file` holds its output; the host was alive until `lastSign`. Resolves when the record says what became of it;
 * `ending` then resolves, always, when what was left is ended, and is undefined when nothing was.
 */
export async function recoverJob(
  job: ProcessJob,
  file: string,
  lastSign: Date,
  deps: LiveDeps,
): Promise<{ ending: Promise<void> | undefined }> {
  const { jobs, clock, system, options, killTree, log } = deps;
  const { id, identity } = job;
  const isSame = identity !== undefined && system.isAlive(identity);
  if (isTerminal(job.status) && (job.endReason !== "host_exit" || !isSame)) {
    return { ending: undefined };
  }
  const controlGroup = recordedGroup(job);
  const target = { pid: identity?.pid ?? 0, identity, held: false, jobID: id, controlGroup };
  const isGone = !isSame && (identity === undefined || system.hasEnded(identity));
  const isOurs = isSame && isGroupOurs(system, target);
  const members = membersOf(system, target, isOurs);
  const leftovers = await members.notes();
  const { problem } = members;
  const bytes = Math.max(job.output.bytes, bytesIn(file, job, deps));
  const output = { ...job.output, bytes };
  jobs.updateProcess(id, { output, ...(leftovers.length > 0 && { leftovers }) });
  const interrupted = isSame && !isOurs ? `${INTERRUPTED}; ${leftAlone(target.pid)}` : INTERRUPTED;
  const error = withUnverified(interrupted, problem);
  const unread = "the output of an earlier OpenCode could not be quoted";
  const quote = await quoteOutputEnd(file, { failed: true }).catch(
    logFailure(log, "warn", unread, { id }),
  );
  // What still runs ends only now.
  const at = isGone && leftovers.length === 0 ? lastSign : new Date(clock.now());
  // What still waited for others was not to be started by anything but this host.
  const status = job.status === "pending" && job.after ? "cancelled" : "failed";
  jobs.updateProcess(id, { controlGroup: undefined });
  jobs.end(id, { status, reason: "interrupted", error, at, quote });
  const removeGroup = () => controlGroup && deps.controlGroups?.release(controlGroup);
  if (isGone && leftovers.length === 0 && problem === undefined) {
    removeGroup();
    return { ending: undefined };
  }
  const ending = killTree(target, options.killGraceMilliseconds).then(
    ({ survivors, unverified }) => {
      if (survivors.length > 0) jobs.updateProcess(id, { survivors });
      const said = withUnverified(interrupted, unverified);
      if (said !== error) jobs.updateProcess(id, { error: said });
      removeGroup();
    },
    (thrown: unknown) => {
      const reason = coerceError(thrown).message;
      log("warn", `process ${id} of an earlier OpenCode could not be ended`, { error: reason });
      jobs.updateProcess(id, { error: withUnverified(interrupted, reason) });
    },
  );
  return { ending };
}

function leftAlone(pid: number): string {
  return `its process ${pid} was left alone: it does not carry this job's id, and is another user's`;
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
    logFailure(log, "warn", "the output of an earlier OpenCode could not be read", { id })(thrown);
    return 0;
  }
}
