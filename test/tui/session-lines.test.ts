// A subagent's session as lines.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Message, Part, ToolPart } from "@opencode-ai/sdk/v2";
import { sessionLines } from "../../src/tui/session-lines.js";

const ids = { sessionID: "ses_a", messageID: "msg_a" };
const text = (content: string): Part => ({ id: "prt_a", type: "text", text: content, ...ids });
const tool = (state: ToolPart["state"], name = "bash"): Part => ({
  id: "prt_b",
  type: "tool",
  callID: "call_a",
  tool: name,
  state,
  ...ids,
});
const user: Message = {
  id: "msg_a",
  sessionID: "ses_a",
  role: "user",
  time: { created: 1 },
  agent: "general",
  model: { providerID: "p", modelID: "m" },
};
const assistant: Message = {
  id: "msg_b",
  sessionID: "ses_a",
  role: "assistant",
  time: { created: 1 },
  parentID: "msg_a",
  modelID: "m",
  providerID: "p",
  mode: "general",
  agent: "general",
  path: { cwd: "/", root: "/" },
  cost: 0,
  tokens: { input: 0, output: 0, reasoning: 0, cache: { read: 0, write: 0 } },
};

test("shows what was asked, each tool call with its outcome, and what was said", () => {
  const time = { start: 1, end: 2 };
  const input = { timeout: 5, command: "ls -la" };
  const completed = {
    status: "completed",
    input,
    output: "",
    title: "List files",
    metadata: {},
    time,
  };
  const lines = sessionLines([
    { info: user, parts: [text("find them")] },
    {
      info: assistant,
      parts: [
        tool({ ...completed, status: "completed" }),
        tool({ status: "running", input, time }),
        tool({ status: "error", input, error: "no such file", time }),
        text("Two lines:\nsecond \u001b[31mred\u001b[0m\n"),
      ],
    },
  ]);
  assert.deepEqual(
    lines.map((line) => line.text),
    [
      "> find them",
      "",
      "✓ bash List files",
      "● bash ls -la",
      "✗ bash ls -la",
      "  no such file",
      "",
      "Two lines:",
      "second red",
      "",
    ],
  );
});

test("shows the error that ended a message", () => {
  const error = {
    name: "APIError",
    data: { message: "too many requests", isRetryable: true },
  } as const;
  const lines = sessionLines([{ info: { ...assistant, error }, parts: [] }]);
  assert.equal(lines[0]?.text, "✗ APIError: too many requests");
  assert.equal(lines[0].tone, "bad");
});

test("gives a line the same place when later parts grow", () => {
  const before = sessionLines([{ info: assistant, parts: [text("one"), text("two")] }]);
  const after = sessionLines([{ info: assistant, parts: [text("one\nmore"), text("two")] }]);
  const place = (lines: typeof before) => lines.find((line) => line.text === "two")?.offset;
  assert.equal(place(after), place(before));
});
