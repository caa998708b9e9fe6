/**
 * All jobs of one instance, with an index for every question that an event or a tool asks, so that each is
 * answered in constant time however many jobs there are. The only place where a record is replaced; what
 * stores, shows or announces jobs listens here. A listener that throws is logged and harms no other.
 */
import { coerceError, UserError, type Log } from "../ports.js";
import { GroupIndex } from "./group.js";
import { index, unindex, type IDIndex } from "./id-index.js";
import type { Job, ProcessJob, SubagentJob } from "./job.js";
import {
  canMove,
  isTerminal,
  type EndReason,
  type JobStatus,
  type TerminalStatus,
} from "./status.js";

/** What a notice quotes of a job's end: a subagent's result, or the lines that a process printed last. */
export interface Quote {
  /** As it came, not escaped: a subagent's whole result, of a process's output at most 6,000 characters. */
  text: string;
  /** Characters of the whole, of which `text` is a part or all; what is left out of an output counts with its bytes. */
  total: number;
  /** Where in `text` what is left out of a process's output was: before it, unless this says otherwise. */
  gapAt?: number;
  /** Of a failed process: with it getBackgroundProcess finds the lines of errors that are not among the last ones. */
  pattern?: string;
}

export interface JobChange {
  /** `ended` is the one change in which a job becomes terminal. */
  type: "added" | "changed" | "ended" | "removed";
  job: Job;
  /** With this change the last open job of its group is done. */
  closesGroup: boolean;
  /** Only with `ended`, and only where the module that ended the job knows its words. */
  quote?: Quote;
}

/** What may change besides the status; `undefined` as a value takes a field away. */
export type SubagentPatch = Partial<Omit<SubagentJob, "kind" | "id" | "status">>;
export type ProcessPatch = Partial<Omit<ProcessJob, "kind" | "id" | "status">>;
/** What the life of a process reads and writes of the registry, or of a record that is in no list yet. */
export type ProcessRecords = Pick<
  JobRegistry,
  "getProcess" | "updateProcess" | "start" | "end" | "rerun"
>;

export interface JobEnd {
  status: TerminalStatus;
  reason: EndReason;
  error?: string;
  at: Date;
  quote?: Quote | undefined;
}

/** Deleted sessions that are remembered: no call that was under way takes longer than so many deletions. */
const MOST_DELETED = 1_000;

export class JobRegistry {
  readonly #jobs = new Map<string, Job>();
  readonly #byChildSession = new Map<string, string>();
  readonly #byParent: IDIndex = new Map();
  readonly #byRoot: IDIndex = new Map();
  readonly #groups = new GroupIndex();
  readonly #listeners = new Set<(change: JobChange) => void>();
  /** The oldest first. */
  readonly #deletedSessions = new Set<string>();
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  /** Throws when the id is taken: two jobs never share one. */
  add(job: Job): void {
    if (this.#jobs.has(job.id)) throw new Error(`job ${job.id} exists already`);
    this.#jobs.set(job.id, job);
    index(this.#byParent, job.parentSessionID, job.id);
    index(this.#byRoot, job.rootSessionID, job.id);
    this.#indexChild(job);
    this.#emit({ type: "added", job });
  }

  get(id: string): Job | undefined {
    return this.#jobs.get(id);
  }

  getSubagent(id: string): SubagentJob | undefined {
    const job = this.#jobs.get(id);
    return job?.kind === "subagent" ? job : undefined;
  }

  getProcess(id: string): ProcessJob | undefined {
    const job = this.#jobs.get(id);
    return job?.kind === "process" ? job : undefined;
  }

  /** The subagent that runs in this child session. */
  findBySession(sessionID: string): SubagentJob | undefined {
    const id = this.#byChildSession.get(sessionID);
    return id === undefined ? undefined : this.getSubagent(id);
  }

  byParent(sessionID: string): Job[] {
    return this.#select(this.#byParent.get(sessionID));
  }

  byRoot(sessionID: string): Job[] {
    return this.#select(this.#byRoot.get(sessionID));
  }

  /** Whether a job of this session's group is still to be waited for. */
  isGroupOpen(sessionID: string, group: string): boolean {
    return this.#groups.isOpen(sessionID, group);
  }

  /** Whether it is of a group with a job that is still to be waited for. */
  waitsForGroup({ parentSessionID, group }: Job): boolean {
    return group !== undefined && this.isGroupOpen(parentSessionID, group);
  }

  all(): Job[] {
    return [...this.#jobs.values()];
  }

  get size(): number {
    return this.#jobs.size;
  }

  updateSubagent(id: string, patch: SubagentPatch): SubagentJob | undefined {
    const job = this.getSubagent(id);
    return job && this.#replace({ ...job, ...patch });
  }

  updateProcess(id: string, patch: ProcessPatch): ProcessJob | undefined {
    const job = this.getProcess(id);
    return job && this.#replace({ ...job, ...patch });
  }

  /** pending → running. Undefined when the job is gone or has moved on. */
  start(id: string, at: Date): Job | undefined {
    const job = this.#movable(id, "running");
    return job && this.#replace({ ...job, status: "running", startedAt: at });
  }

  /** Ends a job once: undefined, and no effect, when it is gone or has ended already. */
  end(id: string, end: JobEnd): Job | undefined {
    const job = this.#movable(id, end.status);
    if (!job) return undefined;
    const ended: Job = {
      ...atRest(job),
      status: end.status,
      endReason: end.reason,
      error: end.error ?? job.error,
      completedAt: end.at,
    };
    this.#jobs.set(id, ended);
    this.#emit({ type: "ended", job: ended, ...(end.quote && { quote: end.quote }) });
    return ended;
  }

  /** A continued task runs again: the one way back from a terminal status, with a new run in its record. */
  reopen(id: string, patch: SubagentPatch): SubagentJob | undefined {
    const job = this.getSubagent(id);
    if (!job || !isTerminal(job.status)) return undefined;
    return this.#replace({ ...job, ...NOT_RUN, ...patch });
  }

  /** A process runs again, or will: in whatever state it is, its next run is pending. */
  rerun(id: string, patch: ProcessPatch): ProcessJob | undefined {
    const job = this.getProcess(id);
    return job && this.#replace({ ...job, ...NOT_RUN, ...patch });
  }

  remove(id: string): void {
    const job = this.#jobs.get(id);
    if (!job) return;
    this.#jobs.delete(id);
    unindex(this.#byParent, job.parentSessionID, id);
    unindex(this.#byRoot, job.rootSessionID, id);
    if (job.kind === "subagent" && job.sessionID) this.#byChildSession.delete(job.sessionID);
    this.#emit({ type: "removed", job });
  }

  /** The host has deleted this session. A call of it may still be on its way to start something: see `refuseDeleted`. */
  sessionDeleted(sessionID: string): void {
    this.#deletedSessions.add(sessionID);
    const [oldest] = this.#deletedSessions;
    if (this.#deletedSessions.size > MOST_DELETED && oldest !== undefined) {
      this.#deletedSessions.delete(oldest);
    }
  }

  /**
   * Asked in the same turn in which a job is added or started: the jobs of a deleted session have ended with it, and no
   * session would see one that came later. Throws a `UserError` when one of these was deleted.
   */
  refuseDeleted(...sessionIDs: readonly string[]): void {
    if (sessionIDs.some((id) => this.#deletedSessions.has(id))) {
      throw new UserError("the session was deleted; nothing was started");
    }
  }

  /** Returns the function that stops listening. */
  onChange(listener: (change: JobChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #movable(id: string, to: JobStatus): Job | undefined {
    const job = this.#jobs.get(id);
    return job && canMove(job.status, to) ? job : undefined;
  }

  #replace<T extends Job>(job: T): T {
    this.#jobs.set(job.id, job);
    this.#indexChild(job);
    this.#emit({ type: "changed", job });
    return job;
  }

  #indexChild(job: Job): void {
    if (job.kind === "subagent" && job.sessionID) this.#byChildSession.set(job.sessionID, job.id);
  }

  #select(ids: ReadonlySet<string> | undefined): Job[] {
    return [...(ids ?? [])].flatMap((id) => this.#jobs.get(id) ?? []);
  }

  #emit(happened: Omit<JobChange, "closesGroup">): void {
    const closesGroup = this.#groups.note(happened.job, happened.type === "removed");
    const change: JobChange = { ...happened, closesGroup };
    for (const listener of this.#listeners) {
      try {
        listener(change);
      } catch (thrown) {
        const extra = { error: coerceError(thrown).stack, id: change.job.id };
        this.#log("error", "a listener for job changes failed", extra);
      }
    }
  }
}

/** Of a run that has not begun. */
const NOT_RUN = {
  status: "pending",
  endReason: undefined,
  error: undefined,
  startedAt: undefined,
  completedAt: undefined,
} as const;

/** The record without what only holds while it works. */
function atRest(job: Job): Job {
  const still = { ...job, blockedOn: undefined, stalledSince: undefined };
  return still.kind === "subagent"
    ? { ...still, progress: { ...still.progress, runningTool: undefined } }
    : { ...still, nextStartAt: undefined };
}
