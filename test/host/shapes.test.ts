import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import { messageOf } from "../../src/host/shapes.js";

const user = {
  role: "user",
  id: "msg_1",
  agent: "build",
  model: { providerID: "p", modelID: "m" },
};
const assistant = { role: "assistant", id: "msg_2", parentID: "msg_1", time: {} };
const text = (words: string, more: object = {}) => ({ type: "text", text: words, ...more });

void describe("a user message", () => {
  for (const [what, parts, real, words] of [
    ["typed", [text("hello")], true, "hello"],
    ["of synthetic parts only", [text("notice", { synthetic: true })], false, ""],
    [
      "typed, with a synthetic part",
      [text("hello"), text("more", { synthetic: true })],
      true,
      "hello",
    ],
    [
      "of a file and what a plugin says of it",
      [{ type: "file" }, text("read", { synthetic: true })],
      true,
      "",
    ],
    ["of parts for the screen alone", [text("pruned", { ignored: true })], false, ""],
    [
      "of parts for the screen or the model alone",
      [text("pruned", { ignored: true }), text("notice", { synthetic: true })],
      false,
      "",
    ],
    ["of a file only", [{ type: "file", url: "file:///x" }], true, ""],
    ["of a compaction", [{ type: "compaction", auto: true }], false, ""],
    ["without parts", [], true, ""],
  ] as const) {
    void it(`${what} is ${real ? "a person's" : "no person's"}`, () => {
      const message = messageOf({ info: user, parts });
      assert.ok(message?.role === "user");
      assert.equal(message.real, real);
      assert.equal(message.text, words);
      assert.deepEqual(message.model, user.model);
    });
  }

  void it("has the variant of its model", () => {
    const info = { ...user, model: { ...user.model, variant: "high" } };
    const message = messageOf({ info, parts: [] });
    assert.ok(message?.role === "user");
    assert.equal(message.variant, "high");
    assert.deepEqual(message.model, { providerID: "p", modelID: "m" });
  });
});

void describe("an assistant message", () => {
  void it("has the text of its parts and its tool calls, and nothing of other parts", () => {
    const call = {
      type: "tool",
      callID: "c1",
      tool: "bash",
      state: { status: "error", error: "no" },
    };
    const parts = [
      { type: "step-start" },
      text(" one "),
      { type: "reasoning", text: "hm" },
      text("two\n"),
      call,
      { type: "tool", callID: 7 },
    ];
    const message = messageOf({ info: assistant, parts });
    assert.ok(message?.role === "assistant");
    assert.equal(message.text, "one \ntwo");
    assert.deepEqual(message.tools, [{ callID: "c1", tool: "bash", status: "error", error: "no" }]);
    assert.equal(message.completed, false);
  });
});

void it("a call that created a job of ours keeps its id, and no other tool's output counts", () => {
  const output = "bg_0123456789 running · words";
  const part = (tool: string, state: object) => ({ type: "tool", callID: tool, tool, state });
  const message = messageOf({
    info: assistant,
    parts: [
      part("createBackgroundTask", { status: "completed", output }),
      part("createBackgroundProcess", { status: "completed", output: `see ${output}` }),
      part("bash", { status: "completed", output }),
    ],
  });
  assert.ok(message?.role === "assistant");
  assert.deepEqual(
    message.tools.map(({ created }) => created),
    ["bg_0123456789", undefined, undefined],
  );
});

void it("a message of an unknown form is none, and never an exception", () => {
  fc.assert(
    fc.property(fc.anything(), fc.anything(), (info, parts) => {
      messageOf({ info, parts });
      messageOf({ info: { ...assistant, error: info, tokens: parts }, parts: [parts] });
    }),
    { numRuns: 2_000 },
  );
  assert.equal(messageOf(undefined), undefined);
  assert.equal(messageOf({ info: { role: "system", id: "x" }, parts: [] }), undefined);
});
