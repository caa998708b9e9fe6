/** A session as people read it, from what the host has stored. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { transcriptOf } from "../../src/host/transcript.js";

const info = { role: "assistant", time: { created: 1_000 } };
const message = (...parts: object[]) => ({ info, parts });
const tool = (state: object) => ({ type: "tool", tool: "bash", state });

void describe("a transcript", () => {
  void it("has texts, thoughts, tools and errors in their order", () => {
    const input = { command: "ls -l", timeout: 3 };
    const entries = transcriptOf({
      info: { ...info, error: { name: "APIError", data: { message: "too much" } } },
      parts: [
        { type: "step-start" },
        { type: "reasoning", text: "hm" },
        tool({ status: "running", input }),
        tool({ status: "completed", input, title: "List" }),
        tool({ status: "error", input, error: "no such file" }),
        { type: "text", text: " done \n" },
      ],
    });
    assert.deepEqual(
      entries.map(({ kind, text, status }) => [kind, text, status]),
      [
        ["reasoning", "hm", undefined],
        ["tool", "ls -l", "running"],
        ["tool", "List", "completed"],
        ["tool", "no such file", "error"],
        ["text", "done", undefined],
        ["error", "APIError: too much", undefined],
      ],
    );
    assert.deepEqual(entries[0]?.at, new Date(1_000));
  });

  void it("leaves out what is empty, ignored or unknown, and cuts what is long", () => {
    const parts = [
      { type: "text", text: " " },
      { type: "text", text: "for the user alone", ignored: true },
      { type: "patch", hash: "x" },
      { type: "tool", tool: "bash", state: { status: "dreaming" } },
    ];
    assert.deepEqual(transcriptOf(message(...parts)), []);
    assert.deepEqual(transcriptOf({ info: { role: "user" }, parts: [] }), []);
    assert.deepEqual(transcriptOf("nothing"), []);
    const [long] = transcriptOf(message({ type: "text", text: "x".repeat(30_000) }));
    assert.equal(long?.text.length, 20_001);
  });
});
