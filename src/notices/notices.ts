/**
 * Notices: what happened to jobs, brought to the sessions that started them. Turns changes of jobs into entries of the
 * outbox and events of the host into the state of each parent's delivery; wires both, decides nothing else.
 */
import { logFailure } from "../ports.js";
import type { HostEvent } from "../host/events.js";
import type { Toast } from "../host/host.js";
import type { SessionTree } from "../host/session-tree.js";
import { groupKey, groupsOf, roundAmong } from "../jobs/group.js";
import { isWaitedFor, type Job } from "../jobs/job.js";
import type { JobChange } from "../jobs/registry.js";
import { isTerminal } from "../jobs/status.js";
import { ParentChannel, type ChannelDeps, type DeliveryDeps } from "./channel.js";
import { FloodGate } from "./flood.js";
import { isWorthSending, type Notice } from "./notice.js";
import { Outbox, type Release } from "./outbox.js";
import { Recipients } from "./recipients.js";
import { Toasts } from "./toasts.js";
import { compactionNote, composeNotice, type News } from "./wording.js";

/** Sessions that are remembered although nothing is owed to them and nothing of theirs runs. */
const MOST_QUIET = 200;
const MOST_DELETED = 1_000;

interface NoticesDeps extends DeliveryDeps {
  tree: SessionTree;
}

export interface ComingMessage {
  sessionID: string;
  messageID: string;
  /** By a person, not by a plugin. */
  typed: boolean;
}

export class Notices {
  readonly outbox: Outbox;
  readonly #deps: NoticesDeps;
  readonly #channelDeps: ChannelDeps;
  readonly #recipients: Recipients;
  /** The longest unused first. */
  readonly #channels = new Map<string, ParentChannel>();
  /** Jobs may end a moment after their parent was deleted. The oldest first. */
  readonly #deleted = new Set<string>();
  #isClosed = false;
  readonly #flood: FloodGate;
  readonly #toasts: Toasts;
  readonly #stopListening: (() => void)[];

  constructor(deps: NoticesDeps) {
    this.#deps = deps;
    const { jobs, tree, clock } = deps;
    const isBusy = (sessionID: string) => this.#channels.get(sessionID)?.isBusy ?? false;
    this.#recipients = new Recipients(jobs, tree, isBusy);
    this.outbox = new Outbox(jobs, clock, (job) => this.#recipients.of(job));
    this.#channelDeps = {
      ...deps,
      outbox: this.outbox,
      compose: (sessionID, notices) => this.#compose(sessionID, notices),
      checkEnd: (sessionID) => this.#checkEnd(sessionID),
    };
    const pass = (jobID: string, text: string, throttled: boolean): void => {
      const job = jobs.get(jobID);
      if (job) this.outbox.add(job, "output", { text, ...(throttled && { throttled }) });
    };
    const unsent = (jobID: string): number => this.outbox.unsent(jobID, ["output"]).length;
    this.#flood = new FloodGate(clock, pass, unsent);
    this.#toasts = new Toasts(clock, (message, variant) => this.toast(message, variant));
    this.#stopListening = [
      jobs.onChange((change) => this.#onJob(change)),
      this.outbox.onChange((sessionID) => {
        if (this.#deleted.has(sessionID)) this.#drop(sessionID);
        else this.#channels.get(sessionID)?.schedule();
      }),
    ];
  }

  /**
   * The parent is told that a job is blocked, stalled, ready or has printed something. Ends announce themselves.
   * `again`: it is still blocked; only the user is told.
   */
  announce(job: Job, kind: Exclude<Notice["kind"], "ended"> | "again", text: string): void {
    if (kind === "output") this.#flood.offer(job.id, text);
    else if (kind !== "again") this.outbox.add(job, kind, { text });
    if (!this.#deps.options.toasts) return;
    if (kind === "stalled") this.#toasts.concern(job, kind, text);
    const asks = job.blockedOn?.kind === "password" ? "password" : "blocked";
    if (kind === "blocked" || kind === "again") this.#toasts.concern(job, asks, text);
  }

  /** For the user's eyes only; where no terminal shows it, nothing happens. */
  toast(message: string, variant: Toast["variant"]): void {
    const { host, log } = this.#deps;
    const failed = logFailure(log, "debug", "no toast was shown");
    host.toast({ title: "Background", message, variant }).catch(failed);
  }

  /**
   * Runs what makes an answer. Until it settles, notices of these jobs are held back; those of the jobs that it handed
   * to `tells` last are not sent at all, because the answer says the same, and so does an error. With a `recipient`
   * only notices to that session count. Rejects as `answer` does.
   */
  async answering<T>(
    jobIDs: readonly string[],
    answer: (tells: (jobIDs: readonly string[]) => void) => Promise<T>,
    recipient?: string,
  ): Promise<T> {
    const release = this.outbox.hold(jobIDs, recipient);
    let told: readonly string[] = [];
    try {
      return await answer((ids) => (told = ids));
    } finally {
      release(told);
    }
  }

  /** The same by hand: held back until the returned function says of which of them was told otherwise. */
  hold(jobIDs: readonly string[]): Release {
    return this.outbox.hold(jobIDs);
  }

  /** Something is on its way to this session: it will be woken, so its run is not over. */
  owes(sessionID: string): boolean {
    const pending = this.outbox.pending(sessionID).filter((each) => isWorthSending([each]));
    return pending.some(({ carrier, jobID }) => {
      const job = this.#deps.jobs.get(jobID);
      return carrier ?? (job && isWaitedFor(job));
    });
  }

  /** We have stopped the run of this session to go on with it: that is no stop of its user's. */
  goesOn(sessionID: string): void {
    this.#channels.get(sessionID)?.take({ type: "goesOn" });
  }

  /** A tool of ours was called from this session, or a job is started for it: it is in use, and may be woken. */
  used(sessionID: string): void {
    this.#channel(sessionID).take({ type: "used" });
  }

  /** Sessions that may be woken: the next instance asks, when the host only loads this one anew. */
  inUse(): string[] {
    return [...this.#channels].flatMap(([sessionID, { inUse }]) => (inUse ? sessionID : []));
  }

  /** The `chat.message` hook, before it is stored: the text to attach, if it was typed. `known`: earlier jobs are. */
  async userMessage(message: ComingMessage, known: Promise<void> = Promise.resolve()) {
    const { sessionID, messageID, typed } = message;
    return typed ? this.#channel(sessionID).attach(messageID, known) : undefined;
  }

  onEvent(event: HostEvent): void {
    const { sessionID } = event;
    switch (event.type) {
      case "busy":
      case "retry":
      case "asked":
        this.#channel(sessionID).take(event);
        break;
      case "idle":
        this.#channels.get(sessionID)?.take(event);
        this.#rerouteEnded(sessionID);
        break;
      case "answered":
      case "reverted":
      case "updated":
      case "assistant":
      case "user":
        this.#channels.get(sessionID)?.take(event);
        break;
      case "deleted":
        this.#forget(sessionID);
        break;
      default:
    }
  }

  /**
   * After a restart: asks the host for each session that an earlier owner owed something. Never rejects: what cannot be
   * looked at is left as it is.
   */
  async findRecipients(): Promise<void> {
    const { host, tree, log } = this.#deps;
    const sessionIDs = new Set(this.outbox.all().map(({ parentSessionID }) => parentSessionID));
    const looks = Array.from(sessionIDs, async (sessionID) => {
      try {
        const session = await host.session(sessionID);
        if (!session) return this.#forget(sessionID);
        tree.learn(sessionID, session.parentID);
        return this.#rerouteEnded(sessionID);
      } catch (thrown) {
        const message = "notices are kept for a session that cannot be looked at";
        return logFailure(log, "warn", message, { sessionID })(thrown);
      }
    });
    await Promise.all(looks);
  }

  /** For the summary of a session that is compacted. */
  compactionNote(sessionID: string): string | undefined {
    const { jobs } = this.#deps;
    const unread = new Set(this.outbox.pending(sessionID).map(({ jobID }) => jobID));
    // Also of subagents that ended before they could be told.
    const owed = [...unread].flatMap((id) => jobs.get(id) ?? []);
    return compactionNote([...new Set([...jobs.byParent(sessionID), ...owed])], unread);
  }

  /** Sends nothing more; what ends from here on is still noted, for the next owner of the state. */
  close(): void {
    this.#isClosed = true;
    for (const channel of this.#channels.values()) channel.dispose();
  }

  dispose(): void {
    this.close();
    for (const stop of this.#stopListening) stop();
    this.#channels.clear();
    this.#flood.dispose();
    this.#toasts.dispose();
  }

  #onJob({ type, job, quote, closesGroup }: JobChange): void {
    if (type === "added" && job.groupRound === undefined) this.#setRound(job);
    if (type === "changed") {
      if (job.status === "pending") this.outbox.withdraw(job.id, ["ended", "failed"]);
      if (!job.blockedOn) this.outbox.withdraw(job.id, ["blocked"]);
      const isStill = job.stalledSince ?? job.blockedOn?.kind === "retry";
      if (!isStill) this.outbox.withdraw(job.id, ["stalled"]);
    }
    // Nothing could be said or read of it any more.
    if (type === "removed") this.outbox.withdraw(job.id);
    // The ends of the others have waited for it.
    if (closesGroup) this.#channels.get(this.#recipients.of(job))?.schedule();
    if (type !== "ended") return;
    this.#flood.close(job.id);
    if (job.kind === "subagent" && job.sessionID) this.outbox.reroute(job.sessionID);
    // That processes end with their host is known to all; a subagent's result was promised.
    const isExit = job.endReason === "host_exit";
    // Its end says that it is spent.
    if (job.endReason === "budget") this.outbox.withdraw(job.id, ["budget"]);
    if (job.notify && !(isExit && job.kind === "process")) {
      this.outbox.markEnded(job, quote);
      if (job.status === "failed" && this.#deps.jobs.waitsForGroup(job)) {
        this.outbox.add(job, "failed", { text: job.error });
      }
    }
    if (this.#deps.options.toasts && !isExit) this.#toasts.ended(job);
    // With `wake: "all"` this end may be what another entry has waited for.
    this.#channels.get(job.parentSessionID)?.schedule();
  }

  #compose(sessionID: string, notices: readonly Notice[]): string {
    const { jobs, clock } = this.#deps;
    const news = [...new Set(notices.map(({ jobID }) => jobID))].flatMap((id): News[] => {
      const job = jobs.get(id);
      const ofJob = notices.filter(({ jobID }) => jobID === id);
      return job ? [{ job, notices: ofJob, leftRunning: this.#leftRunningBy(job) }] : [];
    });
    const groups = groupsOf(this.#groupMembers(news.map(({ job }) => job)));
    return composeNotice(news, liveOf(jobs.byParent(sessionID)), clock.now(), groups);
  }

  #setRound({ id, kind, parentSessionID, parentMessageID, group }: Job): void {
    if (group === undefined) return;
    const { jobs } = this.#deps;
    const others = jobs
      .byParent(parentSessionID)
      .filter((job) => job.group === group && job.id !== id);
    // What one step of the agent starts belongs together, also when some of it ends at once.
    const isOwed = (job: Job) =>
      this.outbox.unsent(job.id, ["ended"]).length > 0 ||
      (parentMessageID !== undefined && job.parentMessageID === parentMessageID);
    const patch = { groupRound: roundAmong(others, isOwed) };
    if (kind === "subagent") jobs.updateSubagent(id, patch);
    else jobs.updateProcess(id, patch);
  }

  /** All jobs of the groups of these. */
  #groupMembers(told: readonly Job[]): Job[] {
    const keys = new Set(told.flatMap((job) => groupKey(job) ?? []));
    const sessionIDs = new Set(told.map(({ parentSessionID }) => parentSessionID));
    const all = [...sessionIDs].flatMap((id) => this.#deps.jobs.byParent(id));
    return all.filter((job) => keys.has(groupKey(job) ?? ""));
  }

  /** On a busy machine the host's events come later than its answers. */
  async #checkEnd(sessionID: string): Promise<void> {
    if (!this.#recipients.isForeignSubagent(sessionID)) return;
    const { host } = this.#deps;
    // It may work in the worktree of a subagent, and the host knows each directory's sessions apart.
    const session = await host.session(sessionID);
    const busy = await host.busySessions(session?.directory);
    if (!busy.has(sessionID)) this.onEvent({ type: "idle", sessionID });
  }

  #leftRunningBy(job: Job): Job[] {
    if (job.kind !== "subagent" || !job.sessionID || !isTerminal(job.status)) return [];
    const started = this.#deps.jobs.byParent(job.sessionID);
    return liveOf(started).filter(({ kind }) => kind === "process");
  }

  /** What a subagent that is not ours is told after its end is not read. */
  #rerouteEnded(sessionID: string): void {
    if (this.#recipients.isEndedForeignSubagent(sessionID)) this.outbox.reroute(sessionID);
  }

  #channel(sessionID: string): ParentChannel {
    let channel = this.#channels.get(sessionID);
    if (channel) this.#channels.delete(sessionID);
    else {
      channel = new ParentChannel(sessionID, this.#channelDeps);
      if (this.#isClosed) channel.dispose();
    }
    this.#channels.set(sessionID, channel);
    if (this.#channels.size > MOST_QUIET) this.#forgetQuiet();
    return channel;
  }

  /** A session with nothing owed and nothing running is as one that was never seen: its next event says all. */
  #forgetQuiet(): void {
    let over = this.#channels.size - MOST_QUIET;
    for (const [sessionID, channel] of this.#channels) {
      if (over <= 0) return;
      const isNeeded =
        !channel.isQuiet ||
        this.outbox.pending(sessionID).length > 0 ||
        liveOf(this.#deps.jobs.byParent(sessionID)).length > 0;
      if (isNeeded) continue;
      channel.dispose();
      this.#channels.delete(sessionID);
      over -= 1;
    }
  }

  #forget(sessionID: string): void {
    this.#deleted.add(sessionID);
    const [oldest] = this.#deleted;
    if (this.#deleted.size > MOST_DELETED && oldest !== undefined) this.#deleted.delete(oldest);
    this.#drop(sessionID);
    this.#channels.get(sessionID)?.dispose();
    this.#channels.delete(sessionID);
  }

  #drop(sessionID: string): void {
    const notices = this.outbox.pending(sessionID).length;
    if (notices === 0) return;
    const { log } = this.#deps;
    log("info", "notices dropped: their session was deleted", { sessionID, notices });
    this.outbox.clear(sessionID);
  }
}

function liveOf(jobs: readonly Job[]): Job[] {
  return jobs.filter(({ status }) => !isTerminal(status));
}
