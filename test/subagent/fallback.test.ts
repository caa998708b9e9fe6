import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Message, RunError } from "../../src/host/host.js";
import { translateEvent } from "../../src/host/events.js";
import { isProviderFault, isTooLong } from "../../src/host/provider-fault.js";
import { parseModel } from "../../src/jobs/job.js";
import { parseOptions } from "../../src/options.js";
import { beginRun, step, type Effect, type RunEvent } from "../../src/subagent/run.js";
import { aSubagent } from "../../fixtures/jobs.js";

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

/** All models that a run is given of which each fails, though OpenCode has all that are named here. */
function tried(agent: string, model: string | undefined): string[] {
  const fallbackModels = { "a/one": ["b/two", "a/one", "c/three"], "b/two": ["a/one"] };
  const fallbackModelsByAgent = { explore: ["d/four"], general: [] };
  const options = { ...parseOptions().options, fallbackModels, fallbackModelsByAgent };
  const names = new Set(["a/one", "b/two", "c/three", "d/four"]);
  const now = { at: 0, date: 0 };
  const job = aSubagent({ agent, model: model === undefined ? undefined : parseModel(model) });
  let state = beginRun(job, options, now);
  const take = (event: RunEvent): Effect[] => {
    const stepped = step(state, event, now);
    state = stepped.state;
    return stepped.effects.flatMap((effect) =>
      effect.do === "then" ? take(effect.event) : [effect],
    );
  };
  const messages: Message[] = [];
  take({ type: "prompt", prompt: { messageID: "msg_1", text: "do it", sent: now } });
  for (;;) {
    const usage = { input: 1, output: 1, reasoning: 0, cacheRead: 0, cost: 0 };
    messages.push({
      role: "assistant",
      id: `msg_1_${messages.length}`,
      parentID: "msg_1",
      providerID: "a",
      completed: true,
      error: api({ status: 503 }),
      summary: false,
      usage,
      text: "",
      tools: [],
    });
    take({ type: "look" });
    const found = take({ type: "read", messages, waits: () => false });
    const asked = found.find((effect) => effect.do === "askModels");
    const patch = found.find((effect) => effect.do === "end")?.patch;
    if (patch) return patch.runs?.at(-1)?.models?.map((use) => use.model) ?? [];
    assert.ok(asked);
    take({ type: "models", names, wish: asked.wish });
    take({ type: "resent" });
  }
}

void describe("the next model", () => {
  void it("is of the agent's list, which may be empty, else of the first model's", () => {
    assert.deepEqual(tried("explore", "a/one"), ["a/one", "d/four"]);
    assert.deepEqual(tried("general", "a/one"), []);
    assert.deepEqual(tried("build", "b/two"), ["b/two", "a/one"]);
    for (const model of [undefined, "x/y", "constructor", "__proto__"]) {
      assert.deepEqual(tried("toString", model), []);
    }
  });

  void it("is each once, in order, whatever the list says", () => {
    assert.deepEqual(tried("build", "a/one"), ["a/one", "b/two", "c/three"]);
  });

  void it("is taken where the provider is to be asked again after two minutes only", () => {
    assert.equal(isTooLong(120_000), false);
    assert.equal(isTooLong(120_001), true);
  });
});
