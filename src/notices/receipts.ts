/**
 * Which notices of one parent session were answered. The model has read a message when an assistant answered it,
 * or one that was stored later, for each step reads all that is stored. An id does not tell the order: it is made
 * before its message is stored, and messages overtake each other. An answer proves nothing about a message that
 * never arrived, and a compaction's summary answers nobody.
 */
import type { AssistantInfo, Message } from "../host/host.js";
import type { Notice } from "./notice.js";
import type { Outbox } from "./outbox.js";

/** So many are remembered of what was told, for an undo. */
const MOST_TOLD = 500;

export class Receipts {
  readonly #outbox: Outbox;
  readonly #sessionID: string;
  #told: Notice[] = [];
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
    if (message.summary || this.#inFlight.length === 0) return 0;
    return this.#removeRead(this.#storedUpTo(message.parentID));
  }

  /** The same for all that is stored. */
  settle(messages: readonly Message[]): number {
    if (this.#inFlight.length === 0) return 0;
    this.#stored.clear();
    const answered = new Set<string>();
    for (const message of messages) {
      if (message.role === "user") this.#stored.add(message.id);
      else if (!message.summary) answered.add(message.parentID);
    }
    const users = [...this.#stored];
    const last = users.findLastIndex((id) => answered.has(id));
    return this.#removeRead(new Set([...users.slice(0, last + 1), ...answered]));
  }

  /** What was told by messages that are not among these: the user has undone them. Each is given once. */
  takenBack(messageIDs: ReadonlySet<string>): Notice[] {
    const isLeft = ({ carrier }: Notice) => carrier && messageIDs.has(carrier.messageID);
    const gone = this.#told.filter((notice) => !isLeft(notice));
    this.#told = this.#told.filter(isLeft);
    return gone;
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

  #removeRead(messageIDs: ReadonlySet<string>): number {
    const answered = this.#inFlight.filter(
      ({ carrier }) => carrier !== undefined && messageIDs.has(carrier.messageID),
    );
    this.#outbox.remove(answered);
    this.#told = [...this.#told, ...answered].slice(-MOST_TOLD);
    return answered.length;
  }
}
