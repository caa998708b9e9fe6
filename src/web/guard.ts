/**
 * Who may ask the web server anything. A request must name this server as its host (DNS rebinding) and come from its
 * own page or from no page at all; the API also wants the token, in the `Authorization` header only: a cookie would go
 * to every server on the same host name. Ten wrong tokens in a minute close the API for the rest of that minute.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { Context, MiddlewareHandler } from "hono";
import type { Clock } from "../ports.js";

const MOST_FAILURES = 10;
const WINDOW_MS = 60_000;

export interface GuardOptions {
  clock: Clock;
  token: string;
  /** Names by which this server may be called, with its port: `127.0.0.1:4711`. */
  hosts: readonly string[];
}

/** For every request. */
export function checkOrigin({ hosts }: GuardOptions): MiddlewareHandler {
  return async (context, next) => {
    const host = context.req.header("host");
    if (host === undefined || !hosts.includes(host)) {
      return refuse(context, 421, "this server does not answer to that host name");
    }
    const origin = context.req.header("origin");
    const site = context.req.header("sec-fetch-site");
    const isForeign = origin !== undefined && !hosts.some((each) => origin === `http://${each}`);
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

/** For the API. */
export function checkToken({ clock, token }: GuardOptions): MiddlewareHandler {
  let failures: number[] = [];
  return async (context, next) => {
    const now = clock.monotonic();
    failures = failures.filter((at) => now - at < WINDOW_MS);
    if (failures.length >= MOST_FAILURES) {
      context.header("Retry-After", "60");
      return refuse(context, 429, "too many wrong tokens; wait a minute");
    }
    const given = /^Bearer (.+)$/u.exec(context.req.header("authorization") ?? "")?.[1];
    if (given === undefined || !isSame(given, token)) {
      failures.push(now);
      return refuse(context, 401, "the token is missing or wrong: open the new link");
    }
    await next();
    return undefined;
  };
}

/** Neither length nor content can be told from the time it takes. */
function isSame(given: string, token: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
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
