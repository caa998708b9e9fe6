/**
 * The tokens by which the API is entered. The link's own is good for everything. A browser that we call is given a
 * ticket instead, because its arguments can be read by every process of this user: it is exchanged for a token once,
 * and used a second time it ends that token. Another process may come before the browser, or end it. So a token from a
 * ticket may only show, stop and cancel until the code of the ticket was sent with it, which the user alone is told.
 */
import { createHash, randomBytes, randomInt, timingSafeEqual } from "node:crypto";
import type { Clock } from "../ports.js";

const TICKET_MS = 120_000;
const MOST_WRONG_CODES = 3;

/** Who has come by a ticket. */
interface Guest {
  code: string;
  wrong: number;
  isConfirmed: boolean;
}

export class Entrance {
  readonly #clock: Clock;
  readonly #own: Buffer;
  readonly token: string;
  /** By the ticket's digest; with the token that it was exchanged for. */
  readonly #tickets = new Map<string, { until: number; code: string; token?: string }>();
  /** By the token's digest. */
  readonly #guests = new Map<string, Guest>();

  constructor(clock: Clock, token = newToken()) {
    this.#clock = clock;
    this.token = token;
    this.#own = digest(token);
  }

  ticket(): { ticket: string; code: string } {
    const ticket = newToken();
    const code = String(randomInt(1_000_000)).padStart(6, "0");
    this.#tickets.set(key(ticket), { until: this.#clock.monotonic() + TICKET_MS, code });
    return { ticket, code };
  }

  /** Undefined for a ticket that is unknown, too old or used; its token is then no more. */
  exchange(ticket: string): string | undefined {
    const found = this.#tickets.get(key(ticket));
    if (!found) return undefined;
    if (found.token !== undefined) {
      this.#guests.delete(key(found.token));
      return undefined;
    }
    if (this.#clock.monotonic() > found.until) return undefined;
    found.token = newToken();
    this.#guests.set(key(found.token), { code: found.code, wrong: 0, isConfirmed: false });
    return found.token;
  }

  /** Whether it was the code of this token's ticket. Three wrong ones end the token. */
  confirm(token: string, code: string): boolean {
    const guest = this.#guests.get(key(token));
    if (!guest) return false;
    if (timingSafeEqual(digest(guest.code), digest(code))) return (guest.isConfirmed = true);
    guest.wrong += 1;
    if (guest.wrong === MOST_WRONG_CODES) this.#guests.delete(key(token));
    return false;
  }

  /** Undefined for a token that is none. Neither length nor content can be told from the time it takes. */
  enter(token: string): { mayAct: boolean } | undefined {
    if (timingSafeEqual(digest(token), this.#own)) return { mayAct: true };
    const guest = this.#guests.get(key(token));
    return guest && { mayAct: guest.isConfirmed };
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
