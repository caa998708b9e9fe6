/**
 * Questions that hold a child up: a permission or a question of the child or of any session below it. They are
 * shown and told once, and never answered with yes but for the user, who has said so.
 */
import type { Context } from "../context.js";
import { logFailure, UserError } from "../ports.js";
import type { HostEvent } from "../host/events.js";
import type { OpenRequest, RequestAnswer } from "../host/host.js";
import type { SessionTree } from "../host/session-tree.js";
import type { BlockedOn } from "../jobs/job.js";
import type { NoticePort } from "../notices/port.js";
import { elapsed } from "../text.js";
import type { LiveRun } from "./live-run.js";
import type { Runner } from "./runner.js";

export interface PendingRequestsDeps extends Context {
  tree: SessionTree;
  runner: Runner;
  notices: NoticePort;
}

const REJECTION =
  "This session runs in the background, where nobody answers permission questions. Go on without it, or say in your answer what you would have needed.";

export class PendingRequests {
  readonly #deps: PendingRequestsDeps;
  /** Asked by sessions whose parents are still looked up; answered in the meantime, they are forgotten. */
  readonly #arriving = new Set<string>();

  constructor(deps: PendingRequestsDeps) {
    this.#deps = deps;
  }

  /** Never rejects. */
  async asked(event: BlockingEvent): Promise<void> {
    const { tree, log } = this.#deps;
    const { sessionID, requestID } = event;
    this.#arriving.add(requestID);
    try {
      const line = await tree.line(sessionID);
      if (this.#runsAlong(line).length === 0 || (await this.#rejected(event))) return;
      if (!this.#arriving.has(requestID)) return;
      // Looked up again: a run may have ended meanwhile.
      this.#runsAlong(line).forEach(([jobID, live], index) =>
        this.#block(jobID, live, event, index === 0),
      );
    } catch (thrown) {
      const message = "a question of a child session could not be followed";
      logFailure(log, "warn", message, { sessionID })(thrown);
    } finally {
      this.#arriving.delete(requestID);
    }
  }

  answered(event: Extract<HostEvent, { type: "answered" }>): void {
    this.#arriving.delete(event.requestID);
    for (const [jobID, live] of this.#runsAlong(this.#deps.tree.knownLine(event.sessionID))) {
      if (!live.asked.delete(event.requestID)) continue;
      live.heardAt = this.#deps.clock.monotonic();
      this.#show(jobID, live);
    }
  }

  /** The child waits before it tries the provider again; told only when that takes as long as a stall. */
  retrying(live: LiveRun, event: Extract<HostEvent, { type: "retry" }>): void {
    const { jobs, clock, notices, options } = this.#deps;
    const { jobID } = live;
    live.isMarked = true;
    const { sessionID, attempt, message, nextAt } = event;
    const pause = nextAt.getTime() - clock.now();
    live.retryAt = clock.monotonic() + pause;
    const { blockedOn: before, stalledSince } = jobs.getSubagent(jobID) ?? {};
    // Something is heard of it: that it was silent need not be told any more.
    if (stalledSince) jobs.updateSubagent(jobID, { stalledSince: undefined, blockedOn: undefined });
    const since = before?.since ?? new Date(clock.now());
    const blockedOn = { kind: "retry" as const, what: message, since, sessionID, attempt, nextAt };
    const job = jobs.updateSubagent(jobID, { blockedOn });
    const isLong = pause >= options.stallMinutes * 60_000;
    if (!job || !isLong || before?.attempt === attempt) return;
    const when = `attempt ${attempt}, next in ${elapsed(pause)}`;
    notices.announce(job, "stalled", `it waits to ask the provider again (${when}): ${message}`);
  }

  /** It works again: whatever it waited for to retry is past. */
  resumed(jobID: string, live: LiveRun): void {
    if (this.#deps.jobs.getSubagent(jobID)?.blockedOn?.kind === "retry") this.#show(jobID, live);
  }

  /** For a child that is silent: what it asked may have been answered without an event. Never rejects. */
  async recheck(jobID: string, live: LiveRun): Promise<void> {
    const { host, runner, clock, log } = this.#deps;
    if (live.asked.size === 0) return;
    try {
      const known = [...live.asked.keys()];
      // Its descendants live where it does, or in worktrees of their own.
      const places = new Set([...live.asked.values()].map((asked) => this.#placeOf(asked)));
      const lists = await Promise.all(Array.from(places, (place) => host.pendingRequests(place)));
      const pending = new Set(lists.flat().map(({ requestID }) => requestID));
      const answered = known.filter((requestID) => !pending.has(requestID));
      for (const requestID of answered) live.asked.delete(requestID);
      if (answered.length === 0 || runner.live(jobID) !== live) return;
      live.heardAt = clock.monotonic();
      this.#show(jobID, live);
    } catch (thrown) {
      const message = "it is unknown whether a subagent still waits";
      logFailure(log, "warn", message, { id: jobID })(thrown);
    }
  }

  /** What a task waits for its user to answer, in full; undefined when that is nothing. Rejects with a HostError. */
  async open(jobID: string): Promise<OpenRequest | undefined> {
    const { jobs, host } = this.#deps;
    const asked = jobs.getSubagent(jobID)?.blockedOn;
    if (asked?.requestID === undefined) return undefined;
    return host.openRequest(asked.requestID, this.#placeOf(asked));
  }

  /** In the name of its user. Rejects with a UserError when the task does not wait for this, or with a HostError. */
  async answer(jobID: string, requestID: string, answer: RequestAnswer): Promise<void> {
    const { jobs, host } = this.#deps;
    const asked = jobs.getSubagent(jobID)?.blockedOn;
    if (asked?.requestID !== requestID || asked.kind !== answer.kind) {
      throw new UserError(`${jobID} does not wait for an answer to ${requestID} any more`);
    }
    await host.answerRequest(requestID, answer, this.#placeOf(asked));
  }

  /** True when the question was answered with no, as the user has chosen for all of them. */
  async #rejected(event: BlockingEvent): Promise<boolean> {
    const { host, options, log } = this.#deps;
    const { kind, requestID } = event;
    if (kind !== "permission" || options.permissionInBackground !== "reject") return false;
    try {
      await host.rejectPermission(requestID, REJECTION, this.#placeOf(event));
      return true;
    } catch (thrown) {
      logFailure(log, "warn", "a permission question could not be rejected", { requestID })(thrown);
      return false;
    }
  }

  /** Where the session that asks lives, if that is a worktree: with the nearest subagent of ours. */
  #placeOf({ sessionID }: { sessionID: string }): string | undefined {
    const { tree, jobs } = this.#deps;
    const [nearest] = tree.knownLine(sessionID).flatMap((id) => jobs.findBySession(id) ?? []);
    return nearest?.directory;
  }

  /** Only the nearest subagent's parent is told; those above it are shown as blocked, too. */
  #block(jobID: string, live: LiveRun, event: BlockingEvent, tell: boolean): void {
    const { jobs, clock, notices } = this.#deps;
    const { kind, what, sessionID, requestID } = event;
    if (live.asked.has(requestID)) return;
    live.asked.set(requestID, { kind, what, sessionID, requestID, since: new Date(clock.now()) });
    // Who asks is alive.
    jobs.updateSubagent(jobID, { stalledSince: undefined });
    this.#show(jobID, live);
    const job = jobs.getSubagent(jobID);
    if (job && tell) notices.announce(job, "blocked", `${kind} ${what}`);
  }

  #show(jobID: string, live: LiveRun): void {
    const [first]: (BlockedOn | undefined)[] = [...live.asked.values()];
    this.#deps.jobs.updateSubagent(jobID, { blockedOn: first });
  }

  /** The runs of a session and of those above it, nearest first. */
  #runsAlong(line: readonly string[]): [string, LiveRun][] {
    const { jobs, runner } = this.#deps;
    return line.flatMap((sessionID): [string, LiveRun][] => {
      const job = jobs.findBySession(sessionID);
      const live = job && runner.live(job.id);
      return live ? [[job.id, live]] : [];
    });
  }
}

type BlockingEvent = Extract<HostEvent, { type: "asked" }>;
