/**
 * Which errors of a run are faults of its provider, after which it may go on with another model: read off the host's
 * name of the error, its HTTP status and its codes, never off a word in its text. Whatever else ends a run (an abort, a
 * context that is too long, a refusal, a request that is wrong) is no such fault. Pure.
 */
import type { RunError } from "./host.js";

/** Codes with which providers say that there is no credit or quota left, whatever the status of the answer. */
const NO_CREDIT = new Set([
  "insufficient_quota",
  "billing_error",
  "billing_hard_limit_reached",
  "usage_limit_reached",
  "usage_not_included",
]);
/** Codes for a fault of the provider's machines, in errors that came in the midst of a stream and have no status. */
const OVERLOADED = new Set([
  "overloaded_error",
  "server_is_overloaded",
  "server_error",
  "api_error",
  "rate_limit_error",
  "rate_limit_exceeded",
]);

/** Whether the provider is at fault. The host has tried again by then what it tries again. */
export function isProviderFault({ name, status, isRetryable, codes = [] }: RunError): boolean {
  // No key, or one that cannot be used any more.
  if (name === "ProviderAuthError") return true;
  if (name !== "APIError") return false;
  if (codes.some((code) => NO_CREDIT.has(code))) return true;
  if (status === undefined) {
    return isRetryable === true || codes.some((code) => OVERLOADED.has(code));
  }
  return status === 401 || status === 402 || status === 429 || status >= 500;
}

/** A provider that wants to be asked again only after so long is not waited for. */
const LONGEST_WAIT_MS = 120_000;

export function isTooLong(pauseMilliseconds: number): boolean {
  return pauseMilliseconds > LONGEST_WAIT_MS;
}
