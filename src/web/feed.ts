/**
 * All jobs of this user as the page shows them, followed on disk: a snapshot, and events for those who watch. A job is
 * told at most once a second however often its record changes, and its latest state always is. The newest events are
 * kept, so that a watcher who was away goes on where it was.
 */
import { basename, dirname } from "node:path";
import type { Job } from "../jobs/job.js";
import { modelOf, tokensOf } from "../jobs/facts.js";
import { isTerminal } from "../jobs/status.js";
import { fateOf, type Entry } from "../cli/survey.js";
import type { Clock, Log, Timer } from "../ports.js";
import type { Processes } from "../store/owner.js";
import { watchInstances, type InstanceView } from "../store/instances.js";
import type { JobAction, JobEvent, JobView } from "./schemas.js";

const EVERY_MS = 1_000;
const KEPT_EVENTS = 500;
/** An owner's death changes no file: looked for so often while someone watches. */
const OWNERS_MS = 2_000;

export interface NumberedEvent {
  id: number;
  event: JobEvent;
}

export interface FeedOptions {
  root: string;
  clock: Clock;
  log: Log;
  processes: Processes;
  /** The process of the OpenCode that has started this server and still lives, if one has. */
  starter?: (() => number | undefined) | undefined;
}

export class JobFeed {
  readonly #clock: Clock;
  readonly #processes: Processes;
  readonly #starter: () => number | undefined;
  readonly #watch: { refresh(): void; close(): void };
  readonly #listeners = new Set<(event: NumberedEvent) => void>();
  readonly #events: NumberedEvent[] = [];
  readonly #told = new Map<string, { text: string; at: number }>();
  #jobs = new Map<string, { entry: Entry; view: JobView }>();
  /** Above every id of an earlier server: a watcher that comes back from one starts anew. */
  #nextID: number;
  #timer: Timer | undefined;
  #owners: Timer | undefined;
  #isClosed = false;
  /** Those who wait for the next read. */
  readonly #awaited: (() => void)[] = [];
  /** Resolves when the disk was read for the first time. */
  readonly ready = new Promise<void>((resolve) => this.#awaited.push(resolve));

  constructor({ root, clock, log, processes, starter = () => undefined }: FeedOptions) {
    this.#starter = starter;
    this.#clock = clock;
    this.#nextID = clock.now() * 1_000;
    this.#processes = processes;
    const options = { clock, log, processes };
    this.#watch = watchInstances(root, undefined, (found) => this.#take(found), options);
  }

  all(): JobView[] {
    return Array.from(this.#jobs.values(), ({ view }) => view);
  }

  get(id: string): { entry: Entry; view: JobView } | undefined {
    return this.#jobs.get(id);
  }

  /**
   * What happened since an event, then everything as it happens; after a gap `reset` and all jobs. Returns the function
   * that stops it.
   */
  listen(listener: (event: NumberedEvent) => void, lastID?: number): () => void {
    const oldest = this.#events[0]?.id ?? this.#nextID;
    const isKnown = lastID !== undefined && lastID < this.#nextID && lastID >= oldest - 1;
    if (isKnown) for (const each of this.#events) if (each.id > lastID) listener(each);
    if (!isKnown) {
      const id = this.#nextID - 1;
      listener({ id, event: { type: "reset" } });
      for (const job of this.all()) listener({ id, event: { type: "job.updated", job } });
    }
    this.#listeners.add(listener);
    this.#lookForOwners();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      this.#owners?.cancel();
      this.#owners = undefined;
    };
  }

  /** The same for an id that may be newer than what was read last. */
  async find(id: string): Promise<{ entry: Entry; view: JobView } | undefined> {
    await this.ready;
    // A read that is under way may have passed by its folder already.
    for (let reads = 0; reads < 2 && !this.#jobs.has(id) && !this.#isClosed; reads += 1) {
      await new Promise<void>((resolve) => {
        this.#awaited.push(resolve);
        this.refresh();
      });
    }
    return this.get(id);
  }

  /** Reads again: something was done that may not have changed a file yet. */
  refresh(): void {
    this.#watch.refresh();
  }

  close(): void {
    this.#isClosed = true;
    this.#watch.close();
    for (const done of this.#awaited.splice(0)) done();
    this.#timer?.cancel();
    this.#owners?.cancel();
    this.#listeners.clear();
  }

  #take(instances: readonly InstanceView[]): void {
    const entries = new Map<string, Entry>();
    for (const instance of instances) {
      for (const job of instance.jobs) {
        const known = entries.get(job.id);
        // Of two records with one id that of a living owner.
        if (known?.instance.state === "alive" && instance.state !== "alive") continue;
        entries.set(job.id, { job, instance, fate: fateOf(job, instance, this.#processes) });
      }
    }
    const before = this.#jobs;
    const starter = this.#starter();
    this.#jobs = new Map(
      Array.from(entries, ([id, entry]) => [id, { entry, view: viewOf(entry, starter) }]),
    );
    for (const id of before.keys()) {
      if (this.#jobs.has(id)) continue;
      this.#told.delete(id);
      this.#emit({ type: "job.removed", id });
    }
    this.#tell();
    for (const done of this.#awaited.splice(0)) done();
  }

  /** Those that changed and were not told within the last second; the others when that is over. */
  #tell(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const now = this.#clock.monotonic();
    let next = Number.POSITIVE_INFINITY;
    for (const [id, { view: job }] of this.#jobs) {
      const text = JSON.stringify(job);
      const told = this.#told.get(id);
      if (told?.text === text) continue;
      const due = told ? told.at + EVERY_MS : now;
      if (due > now) {
        next = Math.min(next, due - now);
        continue;
      }
      this.#told.set(id, { text, at: now });
      this.#emit({ type: "job.updated", job });
    }
    if (next < Number.POSITIVE_INFINITY) this.#timer = this.#clock.after(next, () => this.#tell());
  }

  #emit(event: JobEvent): void {
    const numbered = { id: this.#nextID, event };
    this.#nextID += 1;
    this.#events.push(numbered);
    if (this.#events.length > KEPT_EVENTS) this.#events.shift();
    for (const listener of this.#listeners) listener(numbered);
  }

  #lookForOwners(): void {
    this.#owners ??= this.#clock.after(OWNERS_MS, () => {
      this.#owners = undefined;
      this.#watch.refresh();
      if (this.#listeners.size > 0) this.#lookForOwners();
    });
  }
}

// Field by field, here and below: with objects that are spread, 200 jobs in ten pages took 60 MB more (`npm run bench
// -- web`).
function viewOf(entry: Entry, starter?: number): JobView {
  const { job, instance, fate } = entry;
  return {
    id: job.id,
    kind: job.kind,
    name: job.name,
    status: job.status,
    fate,
    endReason: job.endReason,
    error: job.error,
    tags: job.tags,
    directory: instance.owner?.directory ?? "",
    projectID: basename(dirname(instance.folder)),
    sessionID: job.parentSessionID,
    rootSessionID: job.rootSessionID,
    createdAt: job.createdAt.toISOString(),
    startedAt: job.startedAt?.toISOString(),
    completedAt: job.completedAt?.toISOString(),
    blockedOn: job.blockedOn && {
      kind: job.blockedOn.kind,
      what: job.blockedOn.what,
      since: job.blockedOn.since.toISOString(),
    },
    stalledSince: job.stalledSince?.toISOString(),
    ownerPID: instance.owner?.identity?.pid,
    unreadNotices: instance.notices.filter(({ jobID }) => jobID === job.id).length,
    notify: job.notify,
    group: job.group,
    after: job.after ?? [],
    actions: actionsFor(entry, starter),
    ...partOf(job),
  };
}

/** Only a living owner is asked for anything; for the last three only the one that has started this server. */
function actionsFor({ job, instance }: Entry, starter: number | undefined): JobAction[] {
  if (instance.state !== "alive" || instance.owner?.control === undefined) return [];
  const isLive = !isTerminal(job.status);
  const isOurs = starter !== undefined && instance.owner.identity?.pid === starter;
  const possible: (JobAction | false)[] =
    job.kind === "process"
      ? [
          isLive && "stop",
          "terminate",
          isOurs && "restart",
          isOurs && job.status === "running" && job.stdin !== undefined && "write",
        ]
      : [
          isLive && "cancel",
          isOurs && isLive && job.blockedOn?.requestID !== undefined && "answer",
        ];
  return possible.filter((action) => action !== false);
}

function partOf(job: Job): Pick<JobView, "process" | "subagent"> {
  if (job.kind === "process") {
    return {
      process: {
        command: job.command,
        cwd: job.cwd,
        pid: job.identity?.pid,
        global: job.global,
        exitCode: job.exitCode,
        signal: job.signal,
        readyAt: job.readyAt?.toISOString(),
        readyPort: job.readyPort,
        outputBytes: job.output.bytes,
        droppedBytes: job.output.dropped,
        stdin: job.stdin,
        run: job.run ?? 1,
        restart: job.restart,
      },
    };
  }
  return {
    subagent: {
      agent: job.agent,
      model: modelOf(job),
      sessionID: job.sessionID,
      toolCalls: job.progress.toolCalls,
      lastTool: job.progress.lastTool,
      runningTool: job.progress.runningTool,
      tokens: tokensOf(job),
      cost: job.cost,
      runs: job.runs.length,
      resultLength: job.resultLength,
      branch: job.worktree?.branch,
    },
  };
}
