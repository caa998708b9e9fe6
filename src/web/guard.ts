/**
 * Who may ask the web server anything. A request must name this server as its host (DNS rebinding) and come from its
 * own page or from no page at all; the API also wants a token, in the `Authorization` header only: a cookie would go
 * to every server on the same host name. Ten wrong tokens or tickets in a minute close the API for the rest of that
 * minute.
 */
import type { HttpBindings } from "@hono/node-server";
import type { Context, Env, MiddlewareHandler } from "hono";
import type { Clock } from "../ports.js";
import { isOwnHost } from "./names.js";
import { ticketBody } from "./schemas.js";
import type { Entrance, Entry } from "./entrance.js";

const MOST_FAILURES = 10;
const WINDOW_MS = 60_000;

export interface GuardOptions {
  clock: Clock;
  entrance: Entrance;
  /** Names by which this server may be called besides its own addresses. */
  names: readonly string[];
}

/** For every request. */
export function checkOrigin({ names }: GuardOptions): MiddlewareHandler<Guarded> {
  return async (context, next) => {
    const host = context.req.header("host") ?? "";
    if (!isOwnHost(host, context.env.incoming.socket, names)) {
      const error = `this server does not answer to the host name "${host.slice(0, 260)}": open its own link, or name it by "web --name"`;
      return refuse(context, 421, error);
    }
    const origin = context.req.header("origin")?.toLowerCase();
    const site = context.req.header("sec-fetch-site");
    // By https where a proxy stands between.
    const own = ["http", "https"].map((scheme) => `${scheme}://${host.toLowerCase()}`);
    const isForeign = origin !== undefined && !own.includes(origin);
    // `none`: typed by the user. A page on another port of this host is `same-site`.
    const isNavigation = context.req.header("sec-fetch-mode") === "navigate";
    const isOtherSite = site === "cross-site" || site === "same-site";
    if (isForeign || (isOtherSite && !(isNavigation && context.req.method === "GET"))) {
      return refuse(context, 403, "requests from other pages are not answered");
    }
    await next();
    return undefined;
  };
}

/** What the server gives to a request, and what the check of its token leaves for the routes. */
export interface Guarded extends Env {
  Bindings: HttpBindings;
  Variables: { entry: Entry };
}

/** For the API: the token of each request, and the exchange of a ticket for one. */
export function guardApi({ clock, entrance }: GuardOptions): {
  token: MiddlewareHandler<Guarded>;
  ticket: (context: Context) => Promise<Response>;
} {
  let failures: number[] = [];
  const isClosed = (context: Context): Response | undefined => {
    failures = failures.filter((at) => clock.monotonic() - at < WINDOW_MS);
    if (failures.length < MOST_FAILURES) return undefined;
    context.header("Retry-After", "60");
    return refuse(context, 429, "too many wrong tokens; wait a minute");
  };
  return {
    token: async (context, next) => {
      const closed = isClosed(context);
      if (closed) return closed;
      const given = /^Bearer (.+)$/u.exec(context.req.header("authorization") ?? "")?.[1];
      const entry = given === undefined ? undefined : entrance.enter(given);
      if (!entry) {
        failures.push(clock.monotonic());
        return refuse(context, 401, "the token is missing or wrong: open the new link");
      }
      context.set("entry", entry);
      await next();
      return undefined;
    },
    ticket: async (context) => {
      const closed = isClosed(context);
      if (closed) return closed;
      const body = ticketBody.safeParse(await context.req.json().catch(() => undefined));
      const token = body.data && entrance.exchange(body.data.ticket);
      if (token !== undefined) return context.json({ token });
      failures.push(clock.monotonic());
      return refuse(context, 401, "this link is unknown, too old, or was used before");
    },
  };
}

function refuse(context: Context, status: 401 | 403 | 421 | 429, error: string): Response {
  return context.json({ error }, status);
}

/** On every answer. Scripts and styles come from this server alone; nothing is framed, sniffed or kept. */
export const secureHeaders: MiddlewareHandler = async (context, next) => {
  await next();
  const policy = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
  context.header("Content-Security-Policy", policy);
  context.header("Cross-Origin-Opener-Policy", "same-origin");
  context.header("Cross-Origin-Resource-Policy", "same-origin");
  context.header("Referrer-Policy", "no-referrer");
  context.header("X-Content-Type-Options", "nosniff");
  context.header("X-Frame-Options", "DENY");
  context.header("Cache-Control", "no-store");
};
