/**
 * What no event tells: that events stopped, that a run is too long, that nothing moves. One timer while runs
 * are under way, none otherwise. It marks and asks; only an option lets it end a run.
 */
import type { Context } from "../context.js";
import type { Timer } from "../ports.js";
import { isWaitedFor, type SubagentJob } from "../jobs/job.js";
import type { NoticePort } from "../notices/port.js";
import { isTerminal } from "../jobs/status.js";
import { elapsed } from "../text.js";
import type { PendingRequests } from "./pending-requests.js";
import type { LiveRun } from "./live-run.js";
import type { Runner } from "./runner.js";

const TICK_MS = 5_000;
/** Silence after which the host is asked how the session stands. */
const QUIET_MS = 15_000;
const MINUTE_MS = 60_000;

export interface SupervisorDeps extends Context {
  runner: Runner;
  requests: PendingRequests;
  notices: NoticePort;
}

export class Supervisor {
  readonly #deps: SupervisorDeps;
  #timer: Timer | undefined;

  constructor(deps: SupervisorDeps) {
    this.#deps = deps;
  }

  /** Called at each start of a run; idempotent. */
  watch(): void {
    this.#timer ??= this.#deps.clock.after(TICK_MS, () => this.#tick());
  }

  dispose(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #tick(): void {
    this.#timer = undefined;
    let runs = 0;
    for (const [jobID, live] of this.#deps.runner.runs()) {
      runs += 1;
      this.#check(jobID, live);
    }
    if (runs > 0) this.watch();
  }

  #check(jobID: string, live: LiveRun): void {
    const { runner, requests, clock, options } = this.#deps;
    const now = clock.monotonic();
    const { maxRunMinutes } = options;
    if (maxRunMinutes > 0 && now - live.startedAt > maxRunMinutes * MINUTE_MS && !live.intent) {
      const error = `still running after ${maxRunMinutes} minutes (plugin option "maxRunMinutes")`;
      void runner.stop(jobID, { status: "failed", reason: "timeout", error });
      return;
    }
    this.#checkStall(jobID, live, now);
    if (now - Math.max(live.heardAt, live.examinedAt) < QUIET_MS) return;
    void runner.examine(jobID);
    void requests.recheck(jobID, live);
  }

  #checkStall(jobID: string, live: LiveRun, now: number): void {
    const { jobs, clock, options } = this.#deps;
    const job = jobs.getSubagent(jobID);
    if (!job || job.stalledSince || live.intent) return;
    if (job.blockedOn && job.blockedOn.kind !== "retry") return;
    // Its own subagents or commands work: that is a sign of life.
    if (this.#waitsForOwn(job)) live.heardAt = now;
    // A host that waits to try again is silent until then.
    const silence = now - Math.max(live.heardAt, live.retryAt);
    if (live.runningTool || silence < options.stallMinutes * MINUTE_MS) return;
    const stalledSince = new Date(clock.now() - silence);
    this.#stalled(jobID, live, stalledSince, `no sign of life for ${elapsed(silence)}`);
  }

  /** A provider that never gives a finish reason is asked again by the host without end; told once as a stall. */
  checkLoop(jobID: string, live: LiveRun): void {
    const job = this.#deps.jobs.getSubagent(jobID);
    if (!job || !live.isLooping || job.stalledSince || live.intent) return;
    const text = `${live.unknownFinishes} steps in a row without a finish reason from its provider; OpenCode asks again after each`;
    this.#stalled(jobID, live, new Date(this.#deps.clock.now()), text);
  }

  #stalled(jobID: string, live: LiveRun, stalledSince: Date, text: string): void {
    const { runner, jobs, options, notices } = this.#deps;
    live.isMarked = true;
    const marked = jobs.updateSubagent(jobID, { stalledSince });
    if (options.stallAction === "cancel") {
      void runner.stop(jobID, { status: "failed", reason: "stalled", error: text });
    } else if (marked) notices.announce(marked, "stalled", text);
  }

  #waitsForOwn({ sessionID }: SubagentJob): boolean {
    if (sessionID === undefined) return false;
    return this.#deps.jobs
      .byParent(sessionID)
      .some((other) => isWaitedFor(other) && !isTerminal(other.status));
  }
}
