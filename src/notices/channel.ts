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
import type { AssistantInfo, Host, Message } from "../host/host.js";
import type { IdSource } from "../host/ids.js";
import type { Options } from "../options.js";
import { latestRealUserMessage } from "../host/latest-user.js";
import type { Notice } from "./notice.js";
import type { Outbox } from "./outbox.js";

/** The merge window is at most so many times the quiet time asked for. */
const MERGE_STRETCH = 5;
/** Pause before an unanswered message of an idle parent is looked at; doubled each time. */
const RECEIPT_MS = 3_000;
const LONGEST_PAUSE_MS = 5 * 60_000;

export interface ChannelDeps {
  host: Host;
  ids: IdSource;
  outbox: Outbox;
  clock: Clock;
  log: Log;
  options: Options;
  /** The text of a message that carries these entries. */
  compose: (notices: readonly Notice[]) => Promise<string>;
  /** Makes sure that what was said so far is on disk. */
  save: () => Promise<void>;
  /** With `wake: "all"`: whether this parent may be woken now. */
  mayWake: (sessionID: string, notices: readonly Notice[]) => boolean;
}

export class ParentChannel {
  readonly #deps: ChannelDeps;
  readonly #sessionID: string;
  /** Used since this OpenCode started. */
  #awake = false;
  #busy = false;
  /** The user stopped its run; only the user starts the next one. */
  #stopped = false;
  #lastUserMessageID = "";
  readonly #asked = new Set<string>();
  #timer: Timer | undefined;
  #mergingSince: number | undefined;
  #working = false;
  #attempts = 0;

  constructor(sessionID: string, deps: ChannelDeps) {
    this.#sessionID = sessionID;
    this.#deps = deps;
  }

  /** Nothing to remember: whoever holds channels may forget this one. */
  get isIdle(): boolean {
    return !this.#working && !this.#stopped && this.#timer === undefined;
  }

  onBusy(): void {
    this.#awake = true;
    this.#busy = true;
    this.poke();
  }

  onIdle(): void {
    this.#busy = false;
    // A run that is over waits for no answer any more.
    this.#asked.clear();
    this.poke();
  }

  onAsked(requestID: string): void {
    this.#asked.add(requestID);
  }

  onAnswered(requestID: string): void {
    if (this.#asked.delete(requestID)) this.poke();
  }

  /** True when the user has just stopped the parent's run. */
  onAssistant(message: AssistantInfo): boolean {
    const { outbox, log } = this.#deps;
    const delivered = outbox
      .inFlight(this.#sessionID)
      .filter(({ carrier }) => carrier && answers(message, carrier.messageID));
    if (delivered.length > 0) {
      this.#attempts = 0;
      outbox.remove(delivered);
      log("debug", "notices were delivered", {
        sessionID: this.#sessionID,
        notices: delivered.length,
      });
    }
    const stopped =
      message.error?.name === "MessageAbortedError" &&
      !this.#stopped &&
      message.id > this.#lastUserMessageID;
    if (stopped) this.#stopped = true;
    this.poke();
    return stopped;
  }

  /** A tool call or a launch comes from it: somebody works in this session. */
  onUsed(): void {
    this.#awake = true;
  }

  /**
   * The user's message is about to be stored: the entries that wait are put into it. Resolves with their text,
   * or undefined when there is nothing to add.
   */
  async ride(messageID: string): Promise<string | undefined> {
    const { outbox, clock } = this.#deps;
    this.#awake = true;
    this.#busy = true;
    this.#stopped = false;
    this.#lastUserMessageID = messageID;
    this.#cancelTimer();
    await this.#dropUnsent();
    const notices = outbox.deliverable(this.#sessionID);
    if (notices.length === 0) return undefined;
    const sentAt = new Date(clock.now());
    outbox.setCarrier(notices, { messageID, own: false, sentAt, attempts: 1 });
    return this.#deps.compose(notices);
  }

  /** Does what can be done now: sends, waits, or looks for an answer. */
  poke(): void {
    const { outbox, options, clock } = this.#deps;
    if (this.#working || !this.#awake || this.#stopped) return;
    if (outbox.inFlight(this.#sessionID).length > 0) {
      this.#awaitReceipt();
      return;
    }
    const notices = outbox.deliverable(this.#sessionID);
    if (notices.length === 0 || options.wake === "none" || this.#asked.size > 0) return;
    if (!this.#deps.mayWake(this.#sessionID, notices)) return;
    const newest = Math.max(...notices.map(({ createdAt }) => createdAt.getTime()));
    const now = clock.now();
    this.#mergingSince ??= now;
    const quietUntil = Math.max(newest, this.#mergingSince) + options.mergeMilliseconds;
    const latest = this.#mergingSince + MERGE_STRETCH * options.mergeMilliseconds;
    const due = Math.min(quietUntil, latest) - now;
    this.#cancelTimer();
    this.#timer = clock.after(Math.max(0, due), () => {
      this.#timer = undefined;
      this.#mergingSince = undefined;
      this.#work("send", () => this.#send());
    });
  }

  dispose(): void {
    this.#cancelTimer();
    this.#awake = false;
  }

  #cancelTimer(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** A failure leaves the entries where they are; the next look comes after a pause. */
  #work(what: string, action: () => Promise<void>): void {
    if (this.#working) return;
    this.#working = true;
    const { log, clock } = this.#deps;
    action()
      .catch((thrown: unknown) => {
        this.#attempts += 1;
        log("warn", `could not ${what} notices; they are kept`, {
          sessionID: this.#sessionID,
          error: coerceError(thrown).message,
        });
        this.#cancelTimer();
        this.#timer = clock.after(this.#pause(), () => {
          this.#timer = undefined;
          this.poke();
        });
      })
      .finally(() => {
        this.#working = false;
        if (!this.#timer) this.poke();
      });
  }

  async #send(): Promise<void> {
    const { host, ids, outbox, clock, log } = this.#deps;
    const sessionID = this.#sessionID;
    if (!(await host.session(sessionID))) {
      const lost = outbox.pending(sessionID).length;
      log("info", "notices dropped: their session was deleted", { sessionID, notices: lost });
      outbox.clear(sessionID);
      return;
    }
    const speaker = await latestRealUserMessage(host, sessionID);
    const notices = outbox.deliverable(sessionID);
    if (!speaker || notices.length === 0 || this.#stopped || this.#asked.size > 0) return;
    const text = await this.#deps.compose(notices);
    // While the text was put together the user may have come first, or stopped the run.
    const current = outbox.deliverable(sessionID);
    if (
      this.#stopped ||
      this.#asked.size > 0 ||
      !notices.every(({ id }) => current.some((other) => other.id === id))
    ) {
      return;
    }
    const messageID = ids.next("msg");
    outbox.setCarrier(notices, {
      messageID,
      own: true,
      sentAt: new Date(clock.now()),
      attempts: 1,
    });
    await this.#deps.save();
    const { agent, model, variant } = speaker;
    await host.prompt({ sessionID, messageID, agent, model, variant, text, synthetic: true });
  }

  #awaitReceipt(): void {
    // A busy parent reads the message at its next step.
    if (this.#busy || this.#timer) return;
    this.#timer = this.#deps.clock.after(this.#pause(), () => {
      this.#timer = undefined;
      this.#work("confirm", () => this.#confirm());
    });
  }

  #pause(): number {
    return Math.min(RECEIPT_MS * 2 ** Math.min(this.#attempts, 10), LONGEST_PAUSE_MS);
  }

  /** Looks for the answer among the stored messages; without one, a turn is started on what is stored. */
  async #confirm(): Promise<void> {
    const { host, outbox, log } = this.#deps;
    const sessionID = this.#sessionID;
    const carrier = outbox.inFlight(sessionID)[0]?.carrier;
    if (!carrier) return;
    if ((await host.busySessions()).has(sessionID)) {
      this.#busy = true;
      return;
    }
    if (!(await host.session(sessionID))) {
      log("info", "notices dropped: their session was deleted", { sessionID });
      outbox.clear(sessionID);
      return;
    }
    const messages = await host.messages(sessionID);
    if (this.#settle(messages) || this.#stopped) return;
    const carried = outbox.inFlight(sessionID);
    this.#attempts += 1;
    const isStored = messages.some(({ id }) => id === carrier.messageID);
    if (!isStored) {
      // It never arrived: the entries are free to go out anew.
      outbox.setCarrier(carried, undefined);
      return;
    }
    const speaker = await latestRealUserMessage(host, sessionID);
    if (!speaker || this.#stopped) return;
    log("warn", "a notice was stored and not answered; starting its turn again", {
      sessionID,
      messageID: carrier.messageID,
      attempt: carrier.attempts,
    });
    outbox.setCarrier(carried, { ...carrier, attempts: carrier.attempts + 1 });
    const { agent, model, variant } = speaker;
    await host.prompt({ sessionID, messageID: carrier.messageID, agent, model, variant });
  }

  /** Removes what the stored messages show as answered. True when nothing is left in flight. */
  #settle(messages: readonly Message[]): boolean {
    const { outbox } = this.#deps;
    const answered = outbox
      .inFlight(this.#sessionID)
      .filter(({ carrier }) =>
        messages.some(
          (message) =>
            message.role === "assistant" && carrier && answers(message, carrier.messageID),
        ),
      );
    outbox.remove(answered);
    return outbox.inFlight(this.#sessionID).length === 0;
  }

  /** Before the user's message: what was about to be sent when an earlier host died, and never was, may ride now. */
  async #dropUnsent(): Promise<void> {
    const { host, outbox, log } = this.#deps;
    const inFlight = outbox.inFlight(this.#sessionID);
    if (inFlight.length === 0) return;
    try {
      const messages = await host.messages(this.#sessionID);
      this.#settle(messages);
      const unsent = outbox
        .inFlight(this.#sessionID)
        .filter(({ carrier }) => !messages.some(({ id }) => id === carrier?.messageID));
      if (!this.#working) outbox.setCarrier(unsent, undefined);
    } catch (thrown) {
      log("warn", "notices under way could not be checked", { error: coerceError(thrown).message });
    }
  }
}

/**
 * The model has read a message when an assistant answered it or a later one: each step reads all that is stored.
 * Ids sort by time. A compaction's summary answers nobody.
 */
function answers(message: AssistantInfo, messageID: string): boolean {
  return !message.summary && message.parentID >= messageID;
}
