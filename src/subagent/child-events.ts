/**
 * What a child's events say about its run: progress, costs, retries, and when to look whether it has ended. Each
 * takes constant time, however many tasks there are.
 */
import type { Context } from "../context.js";
import type { HostEvent } from "../host/events.js";
import type { PendingRequests } from "./pending-requests.js";
import type { LiveRun } from "./live-run.js";
import type { Runner } from "./runner.js";
import type { Supervisor } from "./supervisor.js";

export type ChildEvent = Exclude<HostEvent, { type: "asked" | "answered" | "deleted" }>;

export interface ChildEventsDeps extends Context {
  runner: Runner;
  requests: PendingRequests;
  supervisor: Supervisor;
}

/** Activity is noted in the record at most so often: a streamed token is no news to a reader. */
const PROGRESS_INTERVAL_MS = 1_000;

export class ChildEvents {
  readonly #deps: ChildEventsDeps;

  constructor(deps: ChildEventsDeps) {
    this.#deps = deps;
  }

  onEvent(event: ChildEvent): void {
    const { clock, runner, requests, supervisor } = this.#deps;
    const live = runner.liveIn(event.sessionID);
    if (!live) return;
    const { jobID } = live;
    if (event.type === "idle") {
      void runner.examine(jobID);
      return;
    }
    // The session's title or summary: its run is where it was.
    if (event.type === "updated") return;
    live.heardAt = clock.monotonic();
    live.retryAt = 0;
    if (event.type === "retry") {
      requests.retrying(live, event);
      void runner.announcedRetry(live, event);
      return;
    }
    const newTool = this.#note(jobID, live, event);
    this.#noteProgress(jobID, live, newTool);
    supervisor.checkLoop(jobID, live);
    if (newTool !== undefined) this.#checkLimit(jobID, live);
  }

  /** Gives the tool of a call that was not seen before. */
  #note(jobID: string, live: LiveRun, event: ChildEvent): string | undefined {
    if (event.type === "activity" && event.text) live.sawText(event.text);
    if (event.type === "error") live.failedWith(event.error);
    if (event.type === "assistant" && isOfThisRun(live, event.message.id)) {
      live.sawStep(event.message);
      this.#deps.jobs.updateSubagent(jobID, live.totals());
    }
    if (event.type !== "tool" || !isOfThisRun(live, event.messageID)) return undefined;
    return live.sawCall(event) ? event.tool : undefined;
  }

  #noteProgress(jobID: string, live: LiveRun, newTool: string | undefined): void {
    const { jobs, requests, clock } = this.#deps;
    const isRecent = live.heardAt - live.notedAt < PROGRESS_INTERVAL_MS;
    const job = jobs.getSubagent(jobID);
    if (!job) return;
    const { toolCalls, runningTool, steps } = live;
    const isNew =
      newTool !== undefined ||
      runningTool !== job.progress.runningTool ||
      steps !== (job.progress.steps ?? 0);
    if (!isNew && isRecent && !live.isMarked) return;
    live.notedAt = live.heardAt;
    live.isMarked = false;
    requests.resumed(jobID, live);
    const lastTool = newTool ?? job.progress.lastTool;
    const lastUpdate = new Date(clock.now());
    const progress = { toolCalls, lastTool, runningTool, steps, lastUpdate };
    // A run that is asked again and again is busy, and stalled all the same.
    const stalledSince = live.isLooping ? job.stalledSince : undefined;
    jobs.updateSubagent(jobID, { progress, stalledSince });
  }

  #checkLimit(jobID: string, live: LiveRun): void {
    const { options, runner } = this.#deps;
    const { maxToolCalls } = options;
    if (maxToolCalls === 0 || live.callsOfRun <= maxToolCalls || live.intent) return;
    const error = `more than ${maxToolCalls} tool calls (plugin option "maxToolCalls")`;
    void runner.stop(jobID, { status: "failed", reason: "tool_limit", error });
  }
}

/**
 * A late word about an earlier run is no news of this one. An event has no place in the host's order of messages;
 * the id says enough here, for ours was made when the earlier run was over. Were the clock set back in between,
 * the figures would be wrong, and nothing else.
 */
function isOfThisRun(live: LiveRun, messageID: string): boolean {
  return messageID >= live.firstPromptID;
}
