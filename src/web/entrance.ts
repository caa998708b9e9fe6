/**
 * The tokens by which the API is entered. The link's own is good at once. A browser that we call is given a ticket
 * instead, because its arguments can be read by every process of this user: it is exchanged for a token once. Used a
 * second time it ends that token, and a token from a ticket may do more than show, stop and cancel only after the time
 * in which the browser would have come second.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { Clock } from "../ports.js";

const TICKET_MS = 120_000;
const WAIT_MS = 15_000;

/** Milliseconds until it may do everything; 0: now. */
export interface Entry {
  wait: number;
}

export class Entrance {
  readonly #clock: Clock;
  readonly #own: Buffer;
  readonly token: string;
  /** By the ticket's digest: until when, and the token that it was exchanged for. */
  readonly #tickets = new Map<string, { until: number; token?: string }>();
  /** By the token's digest: since when. */
  readonly #tokens = new Map<string, number>();

  constructor(clock: Clock, token = newToken()) {
    this.#clock = clock;
    this.token = token;
    this.#own = digest(token);
  }

  ticket(): string {
    const ticket = newToken();
    this.#tickets.set(key(ticket), { until: this.#clock.monotonic() + TICKET_MS });
    return ticket;
  }

  /** Undefined for a ticket that is unknown, too old or used; its token is then no more. */
  exchange(ticket: string): string | undefined {
    const now = this.#clock.monotonic();
    const found = this.#tickets.get(key(ticket));
    if (!found) return undefined;
    if (found.token !== undefined) {
      this.#tokens.delete(key(found.token));
      return undefined;
    }
    if (now > found.until) return undefined;
    found.token = newToken();
    this.#tokens.set(key(found.token), now);
    return found.token;
  }

  /** Undefined for a token that is none. Neither length nor content can be told from the time it takes. */
  enter(token: string): Entry | undefined {
    if (timingSafeEqual(digest(token), this.#own)) return { wait: 0 };
    const since = this.#tokens.get(key(token));
    if (since === undefined) return undefined;
    return { wait: Math.max(0, since + WAIT_MS - this.#clock.monotonic()) };
  }
}

function newToken(): string {
  return randomBytes(24).toString("base64url");
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

function key(text: string): string {
  return digest(text).toString("hex");
}
