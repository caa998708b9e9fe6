/**
 * Who is whose child among sessions: parents are fixed at creation, so what was once learned from an event or
 * an answer holds until the session is deleted. An unreadable chain is an error, never a root.
 */
import { HostError, type Host } from "./host.js";

/** A chain longer than this is taken for a loop. */
const MAX_DEPTH = 50;
/** So many sessions are remembered, those heard of last: some 100 bytes each. The host is asked for older ones. */
const MOST_KNOWN = 10_000;

export class SessionTree {
  readonly #parents = new Map<string, string | undefined>();
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  /** From `session.created`, or from an answer of the host. */
  learn(sessionID: string, parentID: string | undefined): void {
    this.#parents.delete(sessionID);
    this.#parents.set(sessionID, parentID);
    const [oldest] = this.#parents.keys();
    if (this.#parents.size > MOST_KNOWN && oldest !== undefined) this.#parents.delete(oldest);
  }

  forget(sessionID: string): void {
    this.#parents.delete(sessionID);
  }

  /** The session, its parent and so on up to the root, as far as known without asking the host. */
  knownLine(sessionID: string): string[] {
    const line = [sessionID];
    let parentID = this.#parents.get(sessionID);
    while (parentID !== undefined && line.length <= MAX_DEPTH) {
      line.push(parentID);
      parentID = this.#parents.get(parentID);
    }
    return line;
  }

  /** The same, asking the host for what is not known. The last one is the root. */
  async line(sessionID: string): Promise<string[]> {
    const line: string[] = [];
    let current: string | undefined = sessionID;
    while (current !== undefined) {
      if (line.length > MAX_DEPTH) throw new HostError(`session ${sessionID} has too many parents`);
      line.push(current);
      if (!this.#parents.has(current)) {
        const info = await this.#host.session(current);
        if (!info) throw new HostError(`session ${current} does not exist`, 404);
        this.learn(current, info.parentID);
      }
      const parentID: string | undefined = this.#parents.get(current);
      // What is asked for is not the first to be forgotten.
      this.learn(current, parentID);
      current = parentID;
    }
    return line;
  }

  async root(sessionID: string): Promise<string> {
    return (await this.line(sessionID)).at(-1) ?? sessionID;
  }
}
