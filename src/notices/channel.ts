/**
 * The way to one parent session. At most one message of ours is under way; what comes meanwhile is the next.
 *
 * quiet → merging (entries wait for others that end together) → sending → in flight (a message carries them) →
 * quiet, once an assistant has answered that message. Nothing is sent to a session that nobody has used since
 * this OpenCode started, that its user has stopped, or that waits for an answer of its user: there the entries
 * ride with the user's next message. HTTP 204 proves nothing, so an unanswered message of an idle parent is
 * started again, without inserting it a second time, with growing pauses and without end.
 */
import { coerceError, type Clock, type Log, type Timer } from "../ports.js";
import type { AssistantInfo, Host } from "../host/host.js";
import type { IdSource } from "../host/ids.js";
import type { Options } from "../options.js";
import { Delivery } from "./delivery.js";
import type { Notice } from "./notice.js";
import type { Outbox } from "./outbox.js";
import { ParentState } from "./parent-state.js";
import { Receipts } from "./receipts.js";

/** The merge window is at most so many times the quiet time asked for. */
const MERGE_STRETCH = 5;
/** Pause before an unanswered message of an idle parent is looked at; doubled each time. */
const RECEIPT_MS = 3_000;
/** The same for a busy parent, which reads the message at its next step. */
const BUSY_RECEIPT_MS = 30_000;
const LONGEST_PAUSE_MS = 5 * 60_000;

export interface ChannelDeps {
  host: Host;
  ids: IdSource;
  outbox: Outbox;
  clock: Clock;
  log: Log;
  options: Options;
  /** The text of a message that carries these entries; a result is asked for so many times. */
  compose: (notices: readonly Notice[], tries: number) => Promise<string>;
  /** Makes sure that what was said so far is on disk. */
  save: () => Promise<void>;
  /** As the option `wake` has it: whether this parent may be woken now. */
  mayWake: (sessionID: string, notices: readonly Notice[]) => boolean;
}

export class ParentChannel {
  readonly #deps: ChannelDeps;
  readonly #sessionID: string;
  readonly #receipts: Receipts;
  readonly #delivery: Delivery;
  readonly #state = new ParentState();
  #disposed = false;
  #timer: Timer | undefined;
  #mergingSince: number | undefined;
  #working = false;
  #attempts = 0;
  /** After a failure: not before this time. */
  #retryAt = 0;

  constructor(sessionID: string, deps: ChannelDeps) {
    this.#sessionID = sessionID;
    this.#deps = deps;
    this.#receipts = new Receipts(sessionID, deps.outbox);
    const receipts = this.#receipts;
    const permit = (): (() => boolean) => {
      const before = this.#state.changes;
      return () =>
        !this.#disposed && this.#state.maySend(deps.clock.now()) && this.#state.changes === before;
    };
    this.#delivery = new Delivery(sessionID, { ...deps, receipts, permit });
  }

  /** Used since this OpenCode started, and not stopped by its user. */
  get inUse(): boolean {
    return this.#state.awake && !this.#state.stopped;
  }

  onBusy(): void {
    this.#state.works();
    this.poke();
  }

  onRetry(): void {
    this.#state.waitsToRetry();
  }

  /** True when the user has just stopped the parent's run. */
  onIdle(): boolean {
    const stopped = this.#state.ended();
    // An answer is looked for sooner than while it was busy.
    if (this.#deps.outbox.inFlight(this.#sessionID).length > 0) this.#cancelTimer();
    this.poke();
    return stopped;
  }

  onReverted(): void {
    this.#state.undone();
  }

  onAsked(requestID: string): void {
    this.#state.asked(requestID);
  }

  onAnswered(requestID: string): void {
    if (this.#state.answered(requestID)) this.poke();
  }

  /** A user message is stored: ours among them. */
  onUser(messageID: string): void {
    this.#receipts.stored(messageID);
    this.#state.stored(messageID);
    this.poke();
  }

  /** True when the user has just stopped the parent's run. */
  onAssistant(message: AssistantInfo): boolean {
    const delivered = this.#receipts.answeredBy(message);
    if (delivered > 0) {
      this.#works();
      const sessionID = this.#sessionID;
      this.#deps.log("debug", "notices were delivered", { sessionID, notices: delivered });
    }
    const stopped = this.#state.stoppedBy(message);
    this.poke();
    return stopped;
  }

  /** Somebody works in this session. */
  onUsed(): void {
    this.#state.awake = true;
  }

  /**
   * The user's message is about to be stored: the entries that wait are put into it, once `known` tells that
   * those of an earlier OpenCode are among them. Resolves with their text, or undefined when there is nothing to
   * add. Never rejects: the user's message comes first.
   */
  async ride(messageID: string, known: Promise<void>): Promise<string | undefined> {
    const { outbox, clock, log } = this.#deps;
    this.#state.userComes(messageID, clock.now());
    this.#mergingSince = undefined;
    this.#cancelTimer();
    await known;
    if (!this.#working) await this.#delivery.freeLost(this.#state.takeUndone());
    const notices = outbox.deliverable(this.#sessionID);
    if (notices.length === 0) return undefined;
    const sentAt = new Date(clock.now());
    outbox.setCarrier(notices, { messageID, own: false, sentAt, attempts: 1 });
    try {
      const text = await this.#deps.compose(notices, 1);
      // A host that dies after this must not tell them again, nor find that what they say did not happen.
      await this.#delivery.saveSoon();
      return text;
    } catch (thrown) {
      const error = coerceError(thrown).message;
      log("error", "notices could not be put into words", { sessionID: this.#sessionID, error });
      outbox.setCarrier(notices, undefined);
      return undefined;
    }
  }

  /** Does what can be done now: sends, waits, or looks for an answer. */
  poke(): void {
    const { outbox, options, clock } = this.#deps;
    if (this.#working || !this.#state.awake || this.#state.stopped || this.#disposed) return;
    if (outbox.inFlight(this.#sessionID).length > 0) {
      this.#awaitReceipt();
      return;
    }
    const notices = outbox.deliverable(this.#sessionID);
    if (notices.length === 0 || this.#state.isAsked) return;
    if (!this.#deps.mayWake(this.#sessionID, notices)) return;
    const newest = Math.max(...notices.map(({ createdAt }) => createdAt.getTime()));
    const now = clock.now();
    this.#mergingSince ??= now;
    const quietUntil = Math.max(newest, this.#mergingSince) + options.mergeMilliseconds;
    const latest = this.#mergingSince + MERGE_STRETCH * options.mergeMilliseconds;
    const free = Math.max(this.#retryAt, this.#state.freeAt);
    const due = Math.max(Math.min(quietUntil, latest), free) - now;
    this.#cancelTimer();
    this.#timer = clock.after(Math.max(0, due), () => {
      this.#timer = undefined;
      this.#mergingSince = undefined;
      this.#work("send", async () => {
        await this.#delivery.send();
        this.#retryAt = 0;
      });
    });
  }

  dispose(): void {
    this.#cancelTimer();
    this.#disposed = true;
  }

  #cancelTimer(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** A failure leaves the entries where they are; the next look comes after a pause. */
  #work(what: string, action: () => Promise<void>): void {
    if (this.#working) return;
    this.#working = true;
    const { log } = this.#deps;
    action()
      .catch((thrown: unknown) => {
        const error = coerceError(thrown).message;
        this.#backOff();
        const sessionID = this.#sessionID;
        log("warn", `could not ${what} notices; they are kept`, { sessionID, error });
      })
      .finally(() => {
        this.#working = false;
        this.poke();
      });
  }

  #awaitReceipt(): void {
    if (this.#timer) return;
    const pause = this.#state.busy ? BUSY_RECEIPT_MS : this.#pause();
    this.#timer = this.#deps.clock.after(pause, () => {
      this.#timer = undefined;
      this.#work("confirm", async () => {
        const { busy, answered } = await this.#delivery.confirm();
        this.#state.busy = busy;
        if (answered > 0) this.#works();
        else if (!busy) this.#backOff();
      });
    });
  }

  #works(): void {
    this.#attempts = 0;
    this.#retryAt = 0;
  }

  #backOff(): void {
    this.#retryAt = this.#deps.clock.now() + this.#pause();
    this.#attempts += 1;
  }

  #pause(): number {
    return Math.min(RECEIPT_MS * 2 ** Math.min(this.#attempts, 10), LONGEST_PAUSE_MS);
  }
}
