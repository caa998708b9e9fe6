import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { RunError } from "../../src/host/host.js";
import { translateEvent } from "../../src/host/events.js";
import { isProviderFault, isTooLong } from "../../src/host/provider-fault.js";
import { fallbackList, nextModel } from "../../src/subagent/run.js";

const api = (more: Partial<RunError>): RunError => ({ name: "APIError", message: "no", ...more });

void describe("a fault of the provider", () => {
  const FAULTS: [what: string, error: RunError][] = [
    ["429", api({ status: 429, isRetryable: true })],
    ...[500, 502, 503, 504, 529].map((status): [string, RunError] => [
      String(status),
      api({ status, isRetryable: true }),
    ]),
    ["401", api({ status: 401, isRetryable: false })],
    ["402", api({ status: 402, isRetryable: false })],
    ["no key", { name: "ProviderAuthError", message: "API key is missing" }],
    ["no quota, whatever the status", api({ status: 400, codes: ["insufficient_quota"] })],
    ["no quota in the midst of a stream", api({ codes: ["insufficient_quota", "error"] })],
    ["overloaded in the midst of a stream", api({ codes: ["server_is_overloaded"] })],
    ["a connection that breaks", api({ isRetryable: true })],
  ];
  for (const [what, error] of FAULTS) {
    void it(`is ${what}`, () => assert.equal(isProviderFault(error), true));
  }

  const words = "overloaded, rate limit 429, insufficient credit, HTTP 402, 503";
  const OTHERS: [what: string, error: RunError][] = [
    ...[400, 403, 404, 408, 409, 413, 422].map((status): [string, RunError] => [
      String(status),
      api({ status, message: words }),
    ]),
    ["an abort", { name: "MessageAbortedError", message: words, status: 500 }],
    ["a context that is too long", { name: "ContextOverflowError", message: words }],
    ["a refusal", { name: "ContentFilterError", message: words }],
    ["an answer cut at its limit", { name: "MessageOutputLengthError", message: words }],
    ["what the host does not know", { name: "UnknownError", message: words, isRetryable: true }],
    ["an error without a status that will not pass", api({ message: words, isRetryable: false })],
    ["a wrong request with a code", api({ status: 400, codes: ["rate_limit_exceeded"] })],
  ];
  for (const [what, error] of OTHERS) {
    void it(`is not ${what}`, () => assert.equal(isProviderFault(error), false));
  }

  void it("has the provider's codes from the body of its answer, and no words", () => {
    const errorOf = (data: object): RunError | undefined => {
      const properties = { sessionID: "ses_1", error: { name: "APIError", data } };
      const event = translateEvent({ type: "session.error", properties });
      return event?.type === "error" ? event.error : undefined;
    };
    const body = (error: unknown) => ({ message: "m", responseBody: JSON.stringify({ error }) });
    const coded = errorOf(
      body({ code: "insufficient_quota", type: "t", message: "billing_error" }),
    );
    assert.deepEqual(coded?.codes, ["insufficient_quota", "t"]);
    for (const responseBody of ["<html>insufficient_quota</html>", '"x"', "null", "[1]", ""]) {
      const error = errorOf({ message: "m", responseBody });
      assert.equal(error?.codes, undefined, responseBody);
      assert.equal(error?.message, "m");
    }
    assert.deepEqual(errorOf(body({ code: 429, type: "t" }))?.codes, ["t"]);
    const odd = errorOf({ message: "m", statusCode: 500, isRetryable: "yes", responseBody: 7 });
    assert.deepEqual(odd, { name: "APIError", message: "m", status: 500, isRetryable: undefined });
  });
});

void describe("the next model", () => {
  const options = {
    fallbackModels: { "a/one": ["b/two", "a/one", "c/three"], "b/two": ["a/one"] },
    fallbackModelsByAgent: { explore: ["d/four"], general: [] },
  };

  void it("is of the agent's list, which may be empty, else of the first model's", () => {
    assert.deepEqual(fallbackList(options, "explore", "a/one"), ["d/four"]);
    assert.deepEqual(fallbackList(options, "general", "a/one"), []);
    assert.deepEqual(fallbackList(options, "build", "b/two"), ["a/one"]);
    for (const model of [undefined, "x/y", "constructor", "__proto__"]) {
      assert.deepEqual(fallbackList(options, "toString", model), []);
    }
  });

  void it("is each once, in order, whatever the list says", () => {
    const list = fallbackList(options, "build", "a/one");
    const given = ["a/one"];
    for (let next = nextModel(list, given); next; next = nextModel(list, given)) given.push(next);
    assert.deepEqual(given, ["a/one", "b/two", "c/three"]);
  });

  void it("is taken where the provider is to be asked again after two minutes only", () => {
    assert.equal(isTooLong(120_000), false);
    assert.equal(isTooLong(120_001), true);
  });
});
