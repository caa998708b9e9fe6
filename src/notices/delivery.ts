/**
 * One message to a parent: put together, sent in the agent, model and variant that its user chose last, looked
 * for when no answer comes. Everything here may reject; the channel keeps the entries and tries again.
 */
import { coerceError, type Clock, type Log, type Timer } from "../ports.js";
import { HostError, type Host, type Message, type UserMessage } from "../host/host.js";
import type { IdSource } from "../host/ids.js";
import { latestRealUserMessage } from "../host/latest-user.js";
import type { Notice } from "./notice.js";
import type { Carrier, Outbox } from "./outbox.js";
import { STORE_PATIENCE_MS } from "./parent-state.js";
import type { Receipts } from "./receipts.js";

const SAVE_PATIENCE_MS = 1_000;
/** Nobody waits for a message of ours, so a result that cannot be read is worth another try. */
const EXCERPT_TRIES = 3;

export interface DeliveryDeps {
  host: Host;
  ids: IdSource;
  outbox: Outbox;
  receipts: Receipts;
  clock: Clock;
  log: Log;
  compose: (notices: readonly Notice[], tries: number) => Promise<string>;
  save: () => Promise<void>;
  /**
   * Asked before anything is prepared. What it gives is false while the user has stopped the session or is asked
   * something, and once they have typed or undone something: what was prepared before may be in another agent than
   * they chose now, and a prompt would take away for good what is undone.
   */
  permit: () => () => boolean;
}

export class Delivery {
  readonly #deps: DeliveryDeps;
  readonly #sessionID: string;

  constructor(sessionID: string, deps: DeliveryDeps) {
    this.#sessionID = sessionID;
    this.#deps = deps;
  }

  /** Sends what may go out now. */
  async send(): Promise<void> {
    const { host, ids, outbox, receipts, clock, compose } = this.#deps;
    const sessionID = this.#sessionID;
    const maySend = this.#deps.permit();
    if (!(await this.#exists())) return;
    const speaker = await this.#speaker();
    const notices = outbox.deliverable(sessionID);
    if (notices.length === 0 || !maySend()) return;
    const text = await compose(notices, EXCERPT_TRIES);
    // While the text was put together the user may have come first, or stopped the run.
    const current = new Set(outbox.deliverable(sessionID).map(({ id }) => id));
    if (!maySend() || !notices.every(({ id }) => current.has(id))) return;
    const messageID = ids.next("msg");
    const sentAt = new Date(clock.now());
    outbox.setCarrier(notices, { messageID, own: true, sentAt, attempts: 1 });
    await this.#save();
    if (!maySend()) {
      outbox.setCarrier(notices, undefined);
      return;
    }
    const { agent, model, variant } = speaker;
    await host.prompt({ sessionID, messageID, agent, model, variant, text, synthetic: true });
    receipts.stored(messageID);
  }

  /** Looks for the answer to what is under way, and starts its turn again when there will be none. */
  async confirm(): Promise<{ busy: boolean; answered: number }> {
    const { host, outbox, receipts } = this.#deps;
    const sessionID = this.#sessionID;
    const maySend = this.#deps.permit();
    if (!(await this.#exists())) return { busy: false, answered: 0 };
    const busy = (await host.busySessions()).has(sessionID);
    const messages = await host.messages(sessionID);
    const answered = receipts.settle(messages);
    this.#freeMissing(messages);
    const carrier = outbox.inFlight(sessionID)[0]?.carrier;
    // A busy parent reads the message at its next step.
    const isWaitedFor = carrier && receipts.isStored(carrier.messageID);
    if (!busy && isWaitedFor) await this.#startAgain(carrier, maySend);
    return { busy, answered };
  }

  async #startAgain(carrier: Carrier, maySend: () => boolean): Promise<void> {
    const { host, outbox, log } = this.#deps;
    const sessionID = this.#sessionID;
    const { agent, model, variant } = await this.#speaker();
    const { messageID, attempts: attempt } = carrier;
    const carried = outbox
      .inFlight(sessionID)
      .filter((notice) => notice.carrier?.messageID === messageID);
    // The answer may have come in the meantime.
    if (carried.length === 0 || !maySend()) return;
    log("warn", "a notice was stored and not answered; starting its turn again", {
      sessionID,
      messageID,
      attempt,
    });
    outbox.setCarrier(carried, { ...carrier, attempts: attempt + 1 });
    await host.prompt({ sessionID, messageID, agent, model, variant });
  }

  /**
   * What was about to be sent when an earlier host died, and never was, may go out again; so may what was told by
   * messages that are undone for good. Never rejects.
   */
  async freeLost(isUndone: boolean): Promise<void> {
    const { host, outbox, receipts, log } = this.#deps;
    if (!isUndone && outbox.inFlight(this.#sessionID).length === 0) return;
    try {
      const messages = await host.messages(this.#sessionID);
      receipts.settle(messages);
      this.#freeMissing(messages);
      if (!isUndone) return;
      const known = new Set(messages.map(({ id }) => id));
      outbox.tellAgain(receipts.takenBack(known), known);
    } catch (thrown) {
      log("warn", "notices under way could not be checked", { error: coerceError(thrown).message });
    }
  }

  #freeMissing(messages: readonly Message[]): void {
    const { outbox, clock } = this.#deps;
    const known = new Set(messages.map(({ id }) => id));
    const missing = outbox.inFlight(this.#sessionID).filter(({ carrier }) => {
      if (!carrier || known.has(carrier.messageID)) return false;
      return carrier.own || clock.now() - carrier.sentAt.getTime() > STORE_PATIENCE_MS;
    });
    outbox.setCarrier(missing, undefined);
  }

  async #speaker(): Promise<UserMessage> {
    const speaker = await latestRealUserMessage(this.#deps.host, this.#sessionID);
    if (speaker) return speaker;
    throw new HostError(`session ${this.#sessionID} has no message of a user`);
  }

  /** Rejects while a prompt would do harm: the host takes undone messages away for good with the next one. */
  async #exists(): Promise<boolean> {
    const { host, outbox, log } = this.#deps;
    const sessionID = this.#sessionID;
    const session = await host.session(sessionID);
    if (session?.revertedFrom !== undefined) throw new HostError("its user has undone messages");
    if (session) return true;
    const notices = outbox.pending(sessionID).length;
    log("info", "notices dropped: their session was deleted", { sessionID, notices });
    outbox.clear(sessionID);
    return false;
  }

  /** For a message of the user's, which a disk that hangs must not hold up. Never rejects. */
  async saveSoon(): Promise<void> {
    let timer: Timer | undefined;
    const late = new Promise<void>((resolve) => {
      timer = this.#deps.clock.after(SAVE_PATIENCE_MS, resolve);
    });
    await Promise.race([this.#save(), late]);
    timer?.cancel();
  }

  /** A state that cannot be written must not keep a notice back. */
  async #save(): Promise<void> {
    try {
      await this.#deps.save();
    } catch (thrown) {
      const error = coerceError(thrown).message;
      this.#deps.log("warn", "a notice goes out before it was saved", { error });
    }
  }
}
