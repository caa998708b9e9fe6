/**
 * Notices: what happened to jobs, brought to the sessions that started them. Turns changes of jobs into entries
 * of the outbox and events of the host into the state of each parent's channel; wires both, decides nothing else.
 */
import { coerceError, type Clock, type Log } from "../ports.js";
import type { HostEvent } from "../host/events.js";
import type { Host, Toast } from "../host/host.js";
import type { IdSource } from "../host/ids.js";
import type { SessionTree } from "../host/session-tree.js";
import type { Job } from "../jobs/job.js";
import type { JobChange, JobRegistry } from "../jobs/registry.js";
import type { Options } from "../options.js";
import { ParentChannel, type ChannelDeps } from "./channel.js";
import { Composer } from "./composer.js";
import { compactionNote } from "./compaction.js";
import { FloodGate } from "./flood.js";
import { findHearers } from "./hearers.js";
import type { Notice } from "./notice.js";
import { Outbox } from "./outbox.js";
import type { NoticePort, Release } from "./port.js";
import { Toasts } from "./toasts.js";
import { mayWake } from "./wake.js";
import type { Excerpt } from "./wording.js";

export interface NoticesDeps {
  host: Host;
  ids: IdSource;
  tree: SessionTree;
  jobs: JobRegistry;
  clock: Clock;
  log: Log;
  options: Options;
  /** The end of a job's result or output, and its whole length. */
  excerpt: (job: Job) => Promise<Excerpt>;
  save: () => Promise<void>;
  /** The user stopped the run of this session. */
  onParentAbort: (sessionID: string) => void;
}

export interface ComingMessage {
  sessionID: string;
  messageID: string;
  /** By a person, not by a plugin. */
  typed: boolean;
}

export class Notices implements NoticePort {
  readonly outbox: Outbox;
  readonly #deps: NoticesDeps;
  readonly #channelDeps: ChannelDeps;
  readonly #channels = new Map<string, ParentChannel>();
  /** Jobs may end a moment after their parent was deleted. */
  readonly #deleted = new Set<string>();
  /** Idle subagents that are not ours, of the host's `task` for one: nobody would read what they say when woken. */
  readonly #over = new Set<string>();
  #isClosed = false;
  readonly #flood: FloodGate;
  readonly #toasts: Toasts;
  readonly #stopListening: (() => void)[];

  constructor(deps: NoticesDeps) {
    this.#deps = deps;
    const parentOf = (sessionID: string) => deps.tree.knownLine(sessionID)[1];
    this.outbox = new Outbox({
      ...deps,
      heirOf: (sessionID) => (this.#over.has(sessionID) ? parentOf(sessionID) : undefined),
    });
    const composer = new Composer(deps);
    this.#channelDeps = {
      ...deps,
      outbox: this.outbox,
      compose: (notices, tries) => composer.compose(notices, tries),
      mayWake: (sessionID, notices) => mayWake(deps.jobs, deps.options.wake, sessionID, notices),
    };
    const pass = (jobID: string, text: string): void => {
      const job = deps.jobs.get(jobID);
      if (job) this.outbox.add(job, "output", text);
    };
    const unsent = (jobID: string): number => this.outbox.unsent(jobID, ["output"]).length;
    this.#flood = new FloodGate(deps.clock, pass, unsent);
    this.#toasts = new Toasts(deps.clock, (message, variant) => this.toast(message, variant));
    this.#stopListening = [
      deps.jobs.onChange((change) => this.#onJob(change)),
      this.outbox.onChange((sessionID) => {
        if (this.#deleted.has(sessionID)) this.#drop(sessionID);
        else this.#channels.get(sessionID)?.poke();
      }),
    ];
  }

  announce(job: Job, kind: Exclude<Notice["kind"], "ended">, text: string): void {
    if (kind === "output") this.#flood.offer(job.id, text);
    else this.outbox.add(job, kind, text);
    if (this.#deps.options.toasts && (kind === "blocked" || kind === "stalled")) {
      this.#toasts.concern(job, `${kind}: ${text}`);
    }
  }

  /** For the user's eyes only; where no terminal shows it, nothing happens. */
  toast(message: string, variant: Toast["variant"]): void {
    const { host, log } = this.#deps;
    host.toast({ title: "Background", message, variant }).catch((thrown: unknown) => {
      log("debug", "no toast was shown", { error: coerceError(thrown).message });
    });
  }

  hold(jobIDs: readonly string[], hearer?: string): Release {
    return this.outbox.hold(jobIDs, hearer);
  }

  owes(sessionID: string): boolean {
    const pending = this.outbox.pending(sessionID);
    return pending.some(({ carrier, jobID }) => carrier ?? this.#deps.jobs.getSubagent(jobID));
  }

  /** Somebody works in this session: a tool of ours was called from it, or a job is started for it. */
  used(sessionID: string): void {
    this.#channel(sessionID).onUsed();
  }

  /** Sessions that may be woken: the next instance asks, when the host only loads this one anew. */
  inUse(): string[] {
    return [...this.#channels].flatMap(([sessionID, { inUse }]) => (inUse ? sessionID : []));
  }

  /** The `chat.message` hook, before it is stored: the text to carry along, if it was typed. `known`: earlier jobs are. */
  async userMessage(message: ComingMessage, known: Promise<void> = Promise.resolve()) {
    const { sessionID, messageID, typed } = message;
    if (!typed) return undefined;
    return this.#channel(sessionID).ride(messageID, known);
  }

  onEvent(event: HostEvent): void {
    const { sessionID } = event;
    switch (event.type) {
      case "busy":
        this.#over.delete(sessionID);
        this.#channel(sessionID).onBusy();
        break;
      case "retry":
        this.#channel(sessionID).onRetry();
        break;
      case "idle":
        this.#handOver(sessionID);
        if (this.#channels.get(sessionID)?.onIdle()) this.#deps.onParentAbort(sessionID);
        break;
      case "asked":
        this.#channel(sessionID).onAsked(event.requestID);
        break;
      case "answered":
        this.#channels.get(sessionID)?.onAnswered(event.requestID);
        break;
      case "user":
        this.#channels.get(sessionID)?.onUser(event.messageID);
        break;
      case "assistant":
        if (this.#channels.get(sessionID)?.onAssistant(event.message)) {
          this.#deps.onParentAbort(sessionID);
        }
        break;
      case "reverted":
        this.#channels.get(sessionID)?.onReverted();
        break;
      case "deleted":
        this.#forget(sessionID);
        break;
      default:
    }
  }

  /** What an earlier owner owed finds who can hear it; see `hearers.ts`. Never rejects. */
  async findHearers(): Promise<void> {
    await findHearers(this.#deps, this.outbox, {
      gone: (sessionID) => this.#forget(sessionID),
      // With a channel it was seen at work since: its own end decides.
      found: (sessionID) => !this.#channels.has(sessionID) && this.#handOver(sessionID),
    });
  }

  /** For the summary of a session that is compacted. */
  compactionNote(sessionID: string): string | undefined {
    const { jobs } = this.#deps;
    const unread = new Set(this.outbox.pending(sessionID).map(({ jobID }) => jobID));
    // Also of subagents that ended before they could be told.
    const owed = [...unread].flatMap((id) => jobs.get(id) ?? []);
    return compactionNote([...new Set([...jobs.byParent(sessionID), ...owed])], unread);
  }

  /** Sends nothing more; what ends from here on is still noted, for whoever restores it. */
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

  #onJob({ type, job }: JobChange): void {
    if (type === "changed") {
      if (job.status === "pending") this.outbox.withdraw(job.id, ["ended"]);
      if (!job.blockedOn) this.outbox.withdraw(job.id, ["blocked"]);
      const isStill = job.stalledSince ?? job.blockedOn?.kind === "retry";
      if (!isStill) this.outbox.withdraw(job.id, ["stalled"]);
    }
    // Nothing could be said or read of it any more.
    if (type === "removed") this.outbox.withdraw(job.id);
    if (type !== "ended") return;
    this.#flood.close(job.id);
    if (job.kind === "subagent" && job.sessionID) this.outbox.reroute(job.sessionID);
    // Processes never outlive their host, as everybody knows; a subagent's result was promised.
    const isExit = job.endReason === "host_exit";
    if (job.notify && !(isExit && job.kind === "process")) this.outbox.markEnded(job);
    if (this.#deps.options.toasts && !isExit) this.#toasts.ended(job);
    // With `wake: "all"` this end may be what another entry has waited for.
    this.#channels.get(job.parentSessionID)?.poke();
  }

  #channel(sessionID: string): ParentChannel {
    let channel = this.#channels.get(sessionID);
    if (!channel) {
      channel = new ParentChannel(sessionID, this.#channelDeps);
      if (this.#isClosed) channel.dispose();
      this.#channels.set(sessionID, channel);
    }
    return channel;
  }

  #handOver(sessionID: string): void {
    const { jobs, tree } = this.#deps;
    if (tree.knownLine(sessionID).length < 2 || jobs.findBySession(sessionID)) return;
    this.#over.add(sessionID);
    this.outbox.reroute(sessionID);
  }

  #forget(sessionID: string): void {
    this.#deleted.add(sessionID);
    this.#over.delete(sessionID);
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
