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
import type { RunEvent } from "./run.js";

interface PendingRequestsDeps extends Context {
  tree: SessionTree;
  /** A run of this job is under way. */
  runs: (jobID: string) => boolean;
  /** Something has happened to the run of this job. */
  take: (jobID: string, event: RunEvent) => void;
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
    const { tree, clock, log, take } = this.#deps;
    const { sessionID, requestID } = event;
    this.#arriving.add(requestID);
    try {
      const line = await tree.line(sessionID);
      if (this.#runsAlong(line).length === 0 || (await this.#rejected(event))) return;
      if (!this.#arriving.has(requestID)) return;
      const { kind, what } = event;
      const since = new Date(clock.now());
      const request = { kind, what, sessionID, requestID, since };
      // Looked up again: a run may have ended meanwhile. Only the nearest subagent's parent is told; those above it are
      // shown as blocked, too.
      for (const [index, jobID] of this.#runsAlong(line).entries()) {
        take(jobID, { type: "asked", request, tell: index === 0 });
      }
    } catch (thrown) {
      const message = "a question of a child session could not be followed";
      logFailure(log, "warn", message, { sessionID })(thrown);
    } finally {
      this.#arriving.delete(requestID);
    }
  }

  answered({ sessionID, requestID }: Extract<HostEvent, { type: "answered" }>): void {
    this.#arriving.delete(requestID);
    for (const jobID of this.#runsAlong(this.#deps.tree.knownLine(sessionID))) {
      this.#deps.take(jobID, { type: "answered", requestIDs: [requestID] });
    }
  }

  /** Which of these have been answered, perhaps without an event. Rejects with a HostError. */
  async answeredOf(asked: readonly BlockedOn[]): Promise<string[]> {
    const { host } = this.#deps;
    // Its descendants live where it does, or in worktrees of their own.
    const places = new Set(asked.map((request) => this.#placeOf(request)));
    const lists = await Promise.all(Array.from(places, (place) => host.pendingRequests(place)));
    const pending = new Set(lists.flat().map(({ requestID }) => requestID));
    return asked.flatMap(({ requestID = "" }) => (pending.has(requestID) ? [] : [requestID]));
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
      const answer = { kind, reply: "reject", message: REJECTION } as const;
      await host.answerRequest(requestID, answer, this.#placeOf(event));
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

  /** The jobs of a session and of those above it that run, nearest first. */
  #runsAlong(line: readonly string[]): string[] {
    const { jobs, runs } = this.#deps;
    const tasks = line.flatMap((sessionID) => jobs.findBySession(sessionID) ?? []);
    return tasks.map(({ id }) => id).filter(runs);
  }
}

type BlockingEvent = Extract<HostEvent, { type: "asked" }>;
