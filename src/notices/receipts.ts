/**
 * Which notices of one parent session were answered. The model has read a message when an assistant answered it,
 * or a later one, for each step reads all that is stored; ids sort by time. A later answer proves nothing about
 * a message that never arrived, and a compaction's summary answers nobody.
 */
import type { AssistantInfo, Message } from "../host/host.js";
import type { Notice } from "./notice.js";
import type { Outbox } from "./outbox.js";

export class Receipts {
  readonly #outbox: Outbox;
  readonly #sessionID: string;
  /** Messages under way that the host is known to have stored. */
  readonly #stored = new Set<string>();

  constructor(sessionID: string, outbox: Outbox) {
    this.#sessionID = sessionID;
    this.#outbox = outbox;
  }

  /** The host has this message. */
  stored(messageID: string): void {
    if (this.#inFlight.some(({ carrier }) => carrier?.messageID === messageID)) {
      this.#stored.add(messageID);
    }
  }

  isStored(messageID: string): boolean {
    return this.#stored.has(messageID);
  }

  /** Removes what this message answers; gives how many notices. */
  answeredBy(message: AssistantInfo): number {
    if (message.summary) return 0;
    return this.#remove(({ carrier }) => {
      const id = carrier?.messageID;
      if (id === undefined) return false;
      return message.parentID === id || (message.parentID > id && this.#stored.has(id));
    });
  }

  /** The same for all that is stored. */
  settle(messages: readonly Message[]): number {
    for (const { id } of messages) this.stored(id);
    const answers = messages.filter((message) => message.role === "assistant");
    return answers.reduce((answered, message) => answered + this.answeredBy(message), 0);
  }

  get #inFlight(): Notice[] {
    return this.#outbox.inFlight(this.#sessionID);
  }

  #remove(isAnswered: (notice: Notice) => boolean): number {
    const answered = this.#inFlight.filter(isAnswered);
    this.#outbox.remove(answered);
    const left = new Set(this.#inFlight.map(({ carrier }) => carrier?.messageID));
    for (const id of this.#stored) if (!left.has(id)) this.#stored.delete(id);
    return answered.length;
  }
}
