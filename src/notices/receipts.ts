/**
 * Which notices of one parent session were answered. The model has read a message when an assistant answered it,
 * or one that was stored later, for each step reads all that is stored. An id does not tell the order: it is made
 * before its message is stored, and messages overtake each other. An answer proves nothing about a message that
 * never arrived, and a compaction's summary answers nobody.
 */
import type { AssistantInfo, Message } from "../host/host.js";
import type { Notice } from "./notice.js";
import type { Outbox } from "./outbox.js";

export class Receipts {
  readonly #outbox: Outbox;
  readonly #sessionID: string;
  /** All user messages in the order in which they were first heard of: the host tells of old ones again. */
  readonly #stored = new Set<string>();

  constructor(sessionID: string, outbox: Outbox) {
    this.#sessionID = sessionID;
    this.#outbox = outbox;
  }

  /** The host has this user message. */
  stored(messageID: string): void {
    this.#stored.add(messageID);
  }

  isStored(messageID: string): boolean {
    return this.#stored.has(messageID);
  }

  /** Removes what this message answers; gives how many notices. */
  answeredBy(message: AssistantInfo): number {
    if (message.summary) return 0;
    const read = this.#storedUpTo(message.parentID);
    return this.#remove(({ carrier }) => carrier !== undefined && read.has(carrier.messageID));
  }

  /** The same for all that is stored. */
  settle(messages: readonly Message[]): number {
    this.#stored.clear();
    for (const { id, role } of messages) if (role === "user") this.stored(id);
    const answers = messages.filter((message) => message.role === "assistant");
    return answers.reduce((answered, message) => answered + this.answeredBy(message), 0);
  }

  get #inFlight(): Notice[] {
    return this.#outbox.inFlight(this.#sessionID);
  }

  #storedUpTo(messageID: string): Set<string> {
    const all = [...this.#stored];
    const position = all.indexOf(messageID);
    // Its own event may have been lost; then its id is the best guess.
    const read = position < 0 ? all.filter((id) => id < messageID) : all.slice(0, position);
    return new Set([...read, messageID]);
  }

  #remove(isAnswered: (notice: Notice) => boolean): number {
    const answered = this.#inFlight.filter(isAnswered);
    this.#outbox.remove(answered);
    return answered.length;
  }
}
