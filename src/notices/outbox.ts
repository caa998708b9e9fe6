/**
 * What each parent session has still to be told. An entry is added when something happens and removed when an
 * assistant has answered the message that carried it; until then it is stored with the jobs. State only: who
 * sends, and when, is `channel.ts`.
 */
import { randomBytes } from "node:crypto";
import type { Clock } from "../ports.js";
import { groupKey } from "../jobs/group.js";
import { index, unindex, type IDIndex } from "../jobs/id-index.js";
import type { Job } from "../jobs/job.js";
import type { JobRegistry, Quote } from "../jobs/registry.js";
import { isTerminal } from "../jobs/status.js";
import { type Carrier, type Notice, storedQuote } from "./notice.js";

/** Says which of the jobs that were held back was told otherwise: all of them, none, or these. */
export type Release = (told: boolean | readonly string[]) => void;

/** What a job's state says; what it has printed is told all the same. */
const TOLD_BY_ANSWERS: readonly Notice["kind"][] = [
  "ended",
  "failed",
  "blocked",
  "stalled",
  "ready",
];

/** What an entry says. */
type Words = Pick<Notice, "text" | "throttled" | "quote">;

export class Outbox {
  readonly #jobs: JobRegistry;
  readonly #clock: Clock;
  readonly #recipientOf: (job: Job) => string;
  /** `since`, on the clock that never goes back: when it was made, or its carrier was set. */
  readonly #entries = new Map<string, { notice: Notice; since: number }>();
  readonly #byParent: IDIndex = new Map();
  /** Asked at every change of a job. */
  readonly #byJob: IDIndex = new Map();
  readonly #held = new Map<string, number>();
  readonly #listeners = new Set<(parentSessionID: string) => void>();

  /** `recipientOf`: which session is told of a job. */
  constructor(jobs: JobRegistry, clock: Clock, recipientOf: (job: Job) => string) {
    this.#jobs = jobs;
    this.#clock = clock;
    this.#recipientOf = recipientOf;
  }

  add(job: Job, kind: Notice["kind"], words: Words = {}): void {
    const notice: Notice = {
      id: `ntc_${randomBytes(8).toString("hex")}`,
      parentSessionID: this.#recipientOf(job),
      jobID: job.id,
      kind,
      ...words,
      createdAt: new Date(this.#clock.now()),
    };
    this.#put(notice, this.#clock.monotonic());
    this.#changed([notice]);
  }

  /** One entry per end of a job, which replaces whatever was still to be said of its running. `quote`: its words. */
  markEnded(job: Job, quote?: Quote): void {
    if (this.#ofJob(job.id).some(({ kind, carrier }) => kind === "ended" && !carrier?.attempts))
      return;
    this.withdraw(job.id, ["blocked", "stalled", "ready"]);
    this.add(job, "ended", { quote: quote && storedQuote(job, quote) });
  }

  /** What was told by messages that are undone, unless the job's start is undone with them, or it is no longer so. */
  tellAgain(notices: readonly Notice[], messageIDs: ReadonlySet<string>): void {
    for (const { jobID, parentSessionID, kind, text, throttled } of notices) {
      const job = this.#jobs.get(jobID);
      if (!job) continue;
      const { parentMessageID = "" } = job;
      const isHere = job.parentSessionID === parentSessionID && parentMessageID !== "";
      if (isHere && !messageIDs.has(parentMessageID)) continue;
      if (kind === "ended" && isTerminal(job.status)) this.markEnded(job);
      else if (kind === "output") this.add(job, kind, { text, throttled });
    }
  }

  /** What was not sent yet and is no longer so; without kinds whatever it is. */
  withdraw(jobID: string, kinds?: readonly Notice["kind"][]): void {
    this.remove(this.unsent(jobID, kinds));
  }

  unsent(jobID: string, kinds?: readonly Notice["kind"][]): Notice[] {
    return this.#ofJob(jobID).filter(
      ({ kind, carrier }) => !carrier?.attempts && (kinds?.includes(kind) ?? true),
    );
  }

  /** Whatever is still to be said of a job, also what is under way: its answer is not waited for. */
  forget(jobID: string): void {
    this.remove(this.#ofJob(jobID));
  }

  /** Entries that an earlier owner of the state had still to deliver; of a job without a record nothing can be said. */
  adopt(notices: readonly Notice[]): void {
    const known = notices.filter(({ jobID }) => this.#jobs.get(jobID) !== undefined);
    for (const notice of known) {
      const { carrier } = notice;
      // What was only prepared on disk may have been sent: the host knows.
      const attempts = Math.max(1, carrier?.attempts ?? 0);
      // Of another process only the date is known; what it says is taken once, and never for the future.
      const age = this.#clock.now() - (carrier?.sentAt ?? notice.createdAt).getTime();
      const since = this.#clock.monotonic() - Math.max(0, age);
      this.#put({ ...notice, carrier: carrier && { ...carrier, attempts } }, since);
    }
    this.#changed(known);
  }

  pending(parentSessionID: string): Notice[] {
    return this.#select(this.#byParent.get(parentSessionID));
  }

  /** Entries that may go out now: not under way, of no job that is held back, and no end that waits for its group. */
  deliverable(parentSessionID: string): Notice[] {
    const pending = this.pending(parentSessionID);
    // An end that is held back holds back those of its group: they are told together.
    const held = new Set(
      pending.flatMap((each) => (this.#held.has(each.jobID) ? (this.#groupOf(each) ?? []) : [])),
    );
    return pending.filter((notice) => {
      if (notice.carrier || this.#held.has(notice.jobID)) return false;
      const job = this.#jobs.get(notice.jobID);
      if (notice.kind !== "ended" || !job) return true;
      return !this.#jobs.waitsForGroup(job) && !held.has(groupKey(job) ?? "");
    });
  }

  inFlight(parentSessionID: string): Notice[] {
    return this.pending(parentSessionID).filter(({ carrier }) => carrier !== undefined);
  }

  /** When the newest of these was made or sent, in milliseconds of `clock.monotonic()`; -Infinity without any. */
  newest(notices: readonly Notice[]): number {
    return Math.max(...notices.map(({ id }) => this.#entries.get(id)?.since ?? -Infinity));
  }

  all(): Notice[] {
    return Array.from(this.#entries.values(), ({ notice }) => notice);
  }

  has(jobID: string): boolean {
    return this.#byJob.has(jobID);
  }

  setCarrier(notices: readonly Notice[], carrier: Carrier | undefined): void {
    for (const { id } of notices) {
      const current = this.#entries.get(id);
      if (!current) continue;
      const since = carrier ? this.#clock.monotonic() : current.since;
      this.#put({ ...current.notice, carrier }, since);
    }
    this.#changed(notices);
  }

  remove(notices: readonly Notice[]): void {
    for (const { parentSessionID, jobID, id } of notices) {
      this.#entries.delete(id);
      unindex(this.#byParent, parentSessionID, id);
      unindex(this.#byJob, jobID, id);
    }
    this.#changed(notices);
  }

  clear(parentSessionID: string): void {
    this.remove(this.pending(parentSessionID));
  }

  isHeld(jobID: string): boolean {
    return this.#held.has(jobID);
  }

  /** See `Notices.answering`; held back until the returned function is called. */
  hold(jobIDs: readonly string[], recipient?: string): Release {
    const held = jobIDs.filter((id) => this.#isFor(id, recipient));
    for (const id of held) this.#held.set(id, (this.#held.get(id) ?? 0) + 1);
    let open = true;
    return (told) => {
      if (!open) return;
      open = false;
      for (const id of held) {
        const holders = (this.#held.get(id) ?? 1) - 1;
        if (holders > 0) this.#held.set(id, holders);
        else this.#held.delete(id);
      }
      // The recipient of a job's notices may have changed meanwhile.
      const ids = typeof told === "boolean" ? jobIDs.filter(() => told) : told;
      const known = ids.filter((id) => this.#isFor(id, recipient));
      for (const id of known) this.withdraw(id, TOLD_BY_ANSWERS);
      this.#changed(this.all());
    };
  }

  /** What was not told to a subagent whose run is over goes to the session above it. */
  reroute(sessionID: string): void {
    const orphaned = this.pending(sessionID);
    this.remove(orphaned);
    for (const notice of orphaned) {
      const job = this.#jobs.get(notice.jobID);
      const { kind, text, throttled, quote } = notice;
      if (job) this.add(job, kind, { text, throttled, quote });
    }
  }

  /** Called with the parent whose entries changed. Returns the function that stops listening. */
  onChange(listener: (parentSessionID: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Of an end that is told with a group. */
  #groupOf({ kind, jobID }: Notice): string | undefined {
    const job = kind === "ended" ? this.#jobs.get(jobID) : undefined;
    return job && groupKey(job);
  }

  #isFor(jobID: string, recipient: string | undefined): boolean {
    const job = this.#jobs.get(jobID);
    return recipient === undefined || (job && this.#recipientOf(job)) === recipient;
  }

  #ofJob(jobID: string): Notice[] {
    return this.#select(this.#byJob.get(jobID));
  }

  #select(ids: ReadonlySet<string> | undefined): Notice[] {
    return [...(ids ?? [])].flatMap((id) => this.#entries.get(id)?.notice ?? []);
  }

  #put(notice: Notice, since: number): void {
    const { id, parentSessionID, jobID } = notice;
    this.#entries.set(id, { notice, since });
    index(this.#byParent, parentSessionID, id);
    index(this.#byJob, jobID, id);
  }

  #changed(notices: readonly Notice[]): void {
    for (const parent of new Set(notices.map(({ parentSessionID }) => parentSessionID))) {
      for (const listener of this.#listeners) listener(parent);
    }
  }
}
