/**
 * The way to one parent session: carries out what `delivery.ts` says, with one timer. It sends messages of ours in the
 * agent, model and variant that the user chose last, attaches entries to messages of the user, and looks for answers.
 * HTTP 204 proves nothing, so an unanswered message of an idle parent is started again, without inserting it a second
 * time. What fails leaves the entries where they are.
 */
import type { Context } from "../context.js";
import { HostError, type AssistantInfo, type Message } from "../host/host.js";
import type { IdSource } from "../host/ids.js";
import { latestRealUserMessage } from "../host/latest-user.js";
import { logFailure, type Timer } from "../ports.js";
import { within } from "../time.js";
import {
  INITIAL,
  maySend,
  plan,
  readBy,
  step,
  STORE_PATIENCE_MS,
  type DeliveryEvent,
  type DeliveryState,
} from "./delivery.js";
import { isWorthSending, type Carrier, type Notice } from "./notice.js";
import type { Outbox } from "./outbox.js";
import { mayWake } from "./recipients.js";

/** A user's message waits so long for the disk. */
const SAVE_PATIENCE_MS = 1_000;
/** So many are remembered of what was told, for an undo. */
const MOST_TOLD = 500;

/** What comes from outside the room. */
export interface DeliveryDeps extends Context {
  ids: IdSource;
  /** Where a session lives, if that is a worktree. */
  directoryOf: (sessionID: string) => string | undefined;
  /** Makes sure that what was said so far is on disk. */
  save: () => Promise<void>;
  /** The user has stopped the run of this session. */
  onStopped: (sessionID: string) => void;
  /** It is used for the first time since this OpenCode started, or its user has typed. */
  onUsed?: (sessionID: string) => void;
}

export interface ChannelDeps extends DeliveryDeps {
  outbox: Outbox;
  /** The text of a message to this session that carries these entries. */
  compose: (sessionID: string, notices: readonly Notice[]) => string;
  /**
   * Asks the host whether this session is a subagent of its own that has ended while its event is still on the way;
   * what it was owed then goes to another session. Rejects with a HostError.
   */
  checkEnd: (sessionID: string) => Promise<void>;
}

export class ParentChannel {
  readonly #deps: ChannelDeps;
  readonly #sessionID: string;
  #state: DeliveryState = INITIAL;
  #timer: Timer | undefined;
  #isDisposed = false;
  /** Without their quotes: one that is told again names the call that reads them. */
  #told: Notice[] = [];

  constructor(sessionID: string, deps: ChannelDeps) {
    this.#sessionID = sessionID;
    this.#deps = deps;
  }

  /** Used since this OpenCode started, and not stopped by its user. */
  get inUse(): boolean {
    return this.#state.used && !this.#state.stopped;
  }

  get isBusy(): boolean {
    return this.#state.busy;
  }

  /** Nothing is under way: with nothing owed it may be forgotten. */
  get isQuiet(): boolean {
    const { busy, action, attaching, asked } = this.#state;
    return !busy && !action && attaching === 0 && asked.size === 0;
  }

  /** Something happened in the session. */
  take(event: DeliveryEvent): void {
    const { onStopped, onUsed } = this.#deps;
    const before = this.#state;
    this.#step(event);
    if (event.type === "assistant") this.#receive(event.message);
    if (this.#state.stopped && !before.stopped) onStopped(this.#sessionID);
    if (event.type === "typed" || this.#state.used !== before.used) onUsed?.(this.#sessionID);
    this.schedule();
  }

  /** Does what is due, and sets the timer for what will be. Called after every change. */
  schedule(): void {
    this.#timer?.cancel();
    if (this.#isDisposed) return;
    const { outbox, clock, jobs, options } = this.#deps;
    const sessionID = this.#sessionID;
    const now = clock.monotonic();
    const deliverable = outbox.deliverable(sessionID);
    const waiting = isWorthSending(deliverable) ? deliverable : [];
    const inFlight = outbox.inFlight(sessionID);
    const owed = {
      waiting,
      inFlight,
      newest: outbox.newest(inFlight.length > 0 ? inFlight : waiting),
      mayWake: () => mayWake(jobs, options.wake, sessionID, waiting),
      mergeMilliseconds: options.mergeMilliseconds,
    };
    const next = plan(this.#state, owed, now);
    this.#state = next.state;
    if (next.plan.do === "wait") {
      this.#timer = clock.after(next.plan.until - now, () => this.schedule());
    } else if (next.plan.do !== "nothing") void this.#carryOut(next.plan.do);
  }

  /**
   * The user's message is about to be stored: the entries that wait are put into it, once `known` tells that those of
   * an earlier OpenCode are among them. Resolves with their text, or undefined when there is nothing to add. Never
   * rejects: the user's message comes first.
   */
  async attach(messageID: string, known: Promise<void>): Promise<string | undefined> {
    const { outbox, clock, log, compose } = this.#deps;
    this.take({ type: "typed", messageID });
    try {
      await known;
      // What is prepared for a message of ours will not be sent: the user has typed meanwhile.
      outbox.setCarrier(outbox.inFlight(this.#sessionID).filter(isPrepared), undefined);
      await this.#freeLost();
      const notices = outbox.deliverable(this.#sessionID);
      if (notices.length === 0) return undefined;
      const text = compose(this.#sessionID, notices);
      outbox.setCarrier(notices, {
        messageID,
        own: false,
        sentAt: new Date(clock.now()),
        attempts: 1,
      });
      // A host that dies after this must not tell them again, nor find that what they say did not happen.
      await within(clock, SAVE_PATIENCE_MS, this.#save());
      return text;
    } catch (thrown) {
      const extra = { sessionID: this.#sessionID };
      return logFailure(log, "error", "notices could not be attached", extra)(thrown);
    } finally {
      this.take({ type: "attached" });
    }
  }

  dispose(): void {
    this.#timer?.cancel();
    this.#isDisposed = true;
  }

  #step(event: DeliveryEvent): void {
    this.#state = step(this.#state, event, this.#deps.clock.monotonic());
  }

  /** Never rejects: the next try comes after a pause. */
  async #carryOut(action: "send" | "confirm"): Promise<void> {
    this.#step({ type: "began", action });
    try {
      await (action === "send" ? this.#send() : this.#confirm());
    } catch (thrown) {
      const message = `could not ${action} notices; they are kept`;
      logFailure(this.#deps.log, "warn", message, { sessionID: this.#sessionID })(thrown);
      this.#step({ type: "failed" });
    }
    this.take({ type: "finished" });
  }

  async #send(): Promise<void> {
    const { host, ids, outbox, clock, compose, checkEnd } = this.#deps;
    const sessionID = this.#sessionID;
    const { changes } = this.#state;
    const carrier: Carrier = {
      messageID: ids.next("msg"),
      own: true,
      sentAt: new Date(clock.now()),
      attempts: 0,
    };
    const ours = () =>
      outbox.inFlight(sessionID).filter((each) => each.carrier?.messageID === carrier.messageID);
    try {
      outbox.setCarrier(outbox.deliverable(sessionID), carrier);
      const [exists, checked, speaker] = await Promise.allSettled([
        this.#look(),
        checkEnd(sessionID),
        this.#speaker(),
        this.#save(),
      ]);
      if (exists.status === "rejected") throw exists.reason;
      if (checked.status === "rejected") throw checked.reason;
      if (!exists.value) return;
      if (speaker.status === "rejected") throw speaker.reason;
      // What has ended meanwhile comes along.
      const late = outbox.deliverable(sessionID);
      if (late.length > 0) {
        outbox.setCarrier(late, carrier);
        await this.#save();
      }
      const notices = ours().filter(({ jobID }) => !outbox.isHeld(jobID));
      if (!isWorthSending(notices) || !this.#maySend(changes)) return;
      const text = compose(sessionID, notices);
      outbox.setCarrier(notices, { ...carrier, attempts: 1 });
      const { agent, model, variant } = speaker.value;
      const { messageID } = carrier;
      await host.prompt({ sessionID, messageID, agent, model, variant, text, synthetic: true });
      this.#step({ type: "sent", messageID });
    } finally {
      outbox.setCarrier(ours().filter(isPrepared), undefined);
    }
  }

  /** Looks for the answer to what is under way, and starts its turn again when there will be none. */
  async #confirm(): Promise<void> {
    const { host, outbox, directoryOf } = this.#deps;
    const sessionID = this.#sessionID;
    const { changes } = this.#state;
    if (!(await this.#look())) return;
    const [busySessions, messages] = await Promise.all([
      host.busySessions(directoryOf(sessionID)),
      host.messages(sessionID),
    ]);
    const busy = busySessions.has(sessionID);
    const answered = this.#settle(messages);
    const carrier = outbox.inFlight(sessionID)[0]?.carrier;
    // A busy parent reads the message at its next step.
    const isWaitedFor = carrier && messages.some(({ id }) => id === carrier.messageID);
    if (!busy && isWaitedFor) await this.#startAgain(carrier, changes);
    this.#step({ type: "confirmed", busy, answered: answered > 0 });
  }

  async #startAgain(carrier: Carrier, changes: number): Promise<void> {
    const { host, outbox, log } = this.#deps;
    const sessionID = this.#sessionID;
    const { agent, model, variant } = await this.#speaker();
    const { messageID, attempts: attempt } = carrier;
    const carried = outbox
      .inFlight(sessionID)
      .filter((notice) => notice.carrier?.messageID === messageID);
    // The answer may have come in the meantime.
    if (carried.length === 0 || !this.#maySend(changes)) return;
    const extra = { sessionID, messageID, attempt };
    log("warn", "a notice was stored and not answered; starting its turn again", extra);
    outbox.setCarrier(carried, { ...carrier, attempts: attempt + 1 });
    await host.prompt({ sessionID, messageID, agent, model, variant });
  }

  /**
   * What was about to be sent when an earlier host died, and never was, may go out again; so may what was told by
   * messages that are undone for good. Never rejects.
   */
  async #freeLost(): Promise<void> {
    const { host, outbox, log } = this.#deps;
    const { tellAgain, action } = this.#state;
    if (action || (!tellAgain && outbox.inFlight(this.#sessionID).length === 0)) return;
    this.#state = { ...this.#state, tellAgain: false };
    try {
      const messages = await host.messages(this.#sessionID);
      this.#settle(messages);
      if (tellAgain) this.#tellAgain(new Set(messages.map(({ id }) => id)));
    } catch (thrown) {
      logFailure(log, "warn", "notices under way could not be checked")(thrown);
    }
  }

  /** What was told by messages that are not among these, once. */
  #tellAgain(messageIDs: ReadonlySet<string>): void {
    const isLeft = ({ carrier }: Notice) => carrier && messageIDs.has(carrier.messageID);
    const gone = this.#told.filter((notice) => !isLeft(notice));
    this.#told = this.#told.filter(isLeft);
    this.#deps.outbox.tellAgain(gone, messageIDs);
  }

  /**
   * An answer says that all was read that was stored before it. It proves nothing about a message that never arrived,
   * and a compaction's summary is no answer.
   */
  #receive(message: AssistantInfo): void {
    if (message.summary || this.#deps.outbox.inFlight(this.#sessionID).length === 0) return;
    this.#remove(readBy(this.#state, message.parentID));
  }

  /** The same for all that is stored, and what is not stored may go out again; gives how many notices were answered. */
  #settle(messages: readonly Message[]): number {
    const { outbox, clock } = this.#deps;
    if (outbox.inFlight(this.#sessionID).length === 0) return 0;
    const stored: string[] = [];
    const answered = new Set<string>();
    for (const message of messages) {
      if (message.role === "user") stored.push(message.id);
      else if (!message.summary) answered.add(message.parentID);
    }
    this.#state = { ...this.#state, stored };
    const last = stored.findLastIndex((id) => answered.has(id));
    const removed = this.#remove(new Set([...stored.slice(0, last + 1), ...answered]));
    const known = new Set(messages.map(({ id }) => id));
    const missing = outbox.inFlight(this.#sessionID).filter((notice) => {
      const { carrier } = notice;
      if (!carrier || known.has(carrier.messageID)) return false;
      return carrier.own || clock.monotonic() - outbox.newest([notice]) > STORE_PATIENCE_MS;
    });
    outbox.setCarrier(missing, undefined);
    return removed;
  }

  #remove(readMessageIDs: ReadonlySet<string>): number {
    const { outbox, log } = this.#deps;
    const sessionID = this.#sessionID;
    const delivered = outbox
      .inFlight(sessionID)
      .filter(({ carrier }) => carrier && readMessageIDs.has(carrier.messageID));
    if (delivered.length === 0) return 0;
    this.#step({ type: "delivered" });
    const told = delivered.map((notice) => ({ ...notice, quote: undefined }));
    this.#told = [...this.#told, ...told].slice(-MOST_TOLD);
    outbox.remove(delivered);
    log("debug", "notices were delivered", { sessionID, notices: delivered.length });
    return delivered.length;
  }

  #maySend(changes: number): boolean {
    return !this.#isDisposed && maySend(this.#state, changes, this.#deps.clock.monotonic());
  }

  async #speaker() {
    const speaker = await latestRealUserMessage(this.#deps.host, this.#sessionID);
    if (speaker) return speaker;
    throw new HostError(`session ${this.#sessionID} has no message of a user`);
  }

  /** False when the session is gone. Rejects while its user has undone messages, which a prompt would take away. */
  async #look(): Promise<boolean> {
    const { host, outbox, log } = this.#deps;
    const sessionID = this.#sessionID;
    const session = await host.session(sessionID);
    if (session) {
      const undone = session.revertedFrom !== undefined;
      this.#step({ type: "looked", archived: session.archived, undone });
      if (undone) throw new HostError("its user has undone messages");
      return true;
    }
    const notices = outbox.pending(sessionID).length;
    log("info", "notices dropped: their session was deleted", { sessionID, notices });
    outbox.clear(sessionID);
    return false;
  }

  /** A state that cannot be written must not keep a notice back. Never rejects. */
  async #save(): Promise<void> {
    const { save, log } = this.#deps;
    await save().catch(logFailure(log, "warn", "a notice goes out before it was saved"));
  }
}

/** Its message is prepared and not sent yet. */
function isPrepared({ carrier }: Notice): boolean {
  return carrier?.attempts === 0;
}
