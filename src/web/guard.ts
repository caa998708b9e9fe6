/**
 * Who may ask the web server anything. A request must name this server as its host (DNS rebinding) and come from its
 * own page or from no page at all; the API also wants a token, in the `Authorization` header only: a cookie would go
 * to every server on the same host name. Ten wrong tokens, tickets or codes in a minute close the API for the rest of
 * that minute; a request without a token guesses nothing.
 */
import type { HttpBindings } from "@hono/node-server";
import type { Context, Env, MiddlewareHandler } from "hono";
import type { Clock } from "../ports.js";
import { isOwnHost } from "./names.js";
import { confirmBody, ticketBody } from "./schemas.js";
import type { Entrance } from "./entrance.js";

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
    const { url = "", socket } = context.env.incoming;
    if (!url.startsWith("/")) return refuse(context, 421, "this is no proxy: expected a path");
    const host = context.req.header("host") ?? "";
    if (!isOwnHost(host, socket, names)) {
      const error = `this server does not answer to the host name "${host.slice(0, 260)}": open its own link, or name it by "web --name"`;
      return refuse(context, 421, error);
    }
    const origin = context.req.header("origin")?.toLowerCase();
    const site = context.req.header("sec-fetch-site");
    // By https where a proxy stands between.
    const own = ["http", "https"].map((scheme) => `${scheme}://${host.toLowerCase()}`);
    const isForeign = origin !== undefined && !own.includes(origin);
    // `none`: typed by the user. A page on another port of this host is `same-site`. It may have a link to the page.
    const isOtherSite = site === "cross-site" || site === "same-site";
    const isLink =
      context.req.header("sec-fetch-mode") === "navigate" &&
      context.req.method === "GET" &&
      !context.req.path.startsWith("/api/");
    if (isForeign || (isOtherSite && !isLink)) {
      return refuse(context, 403, "requests from other pages are not answered");
    }
    await next();
    return undefined;
  };
}

/** What the server gives to a request, and what the check of its token leaves for the routes. */
export interface Guarded extends Env {
  Bindings: HttpBindings;
  Variables: { token: string; mayAct: boolean };
}

/** For the API: the token of each request, the exchange of a ticket for one, and the code that belongs to it. */
export function guardApi({ clock, entrance }: GuardOptions): {
  token: MiddlewareHandler<Guarded>;
  ticket: (context: Context) => Promise<Response>;
  confirm: (context: Context<Guarded>) => Promise<Response>;
} {
  let failures: number[] = [];
  const isClosed = (context: Context): Response | undefined => {
    failures = failures.filter((at) => clock.monotonic() - at < WINDOW_MS);
    if (failures.length < MOST_FAILURES) return undefined;
    context.header("Retry-After", "60");
    return refuse(context, 429, "too many wrong tokens; wait a minute");
  };
  const fail = (context: Context, error: string): Response => {
    failures.push(clock.monotonic());
    return refuse(context, 401, error);
  };
  return {
    token: async (context, next) => {
      const closed = isClosed(context);
      if (closed) return closed;
      const given = /^Bearer (.+)$/u.exec(context.req.header("authorization") ?? "")?.[1];
      const words = "the token is missing or wrong: open the new link";
      if (given === undefined) return refuse(context, 401, words);
      const entry = entrance.enter(given);
      if (!entry) return fail(context, words);
      context.set("token", given);
      context.set("mayAct", entry.mayAct);
      await next();
      return undefined;
    },
    ticket: async (context) => {
      const body = ticketBody.safeParse(await context.req.json().catch(() => undefined));
      // Behind the last wait: of many that come at once each is counted before the next is looked at.
      const closed = isClosed(context);
      if (closed) return closed;
      const token = body.data && entrance.exchange(body.data.ticket);
      if (token !== undefined) return context.json({ token });
      return fail(context, "this link is unknown, too old, or was used before");
    },
    confirm: async (context) => {
      const body = confirmBody.safeParse(await context.req.json().catch(() => undefined));
      if (body.data && entrance.confirm(context.get("token"), body.data.code)) {
        return context.json({ text: "confirmed" });
      }
      return fail(context, "this is not the code that OpenCode shows for this page");
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
