// A subagent's session as lines.
import assert from "node:assert/strict";
import { test } from "node:test";
import { sessionLines } from "../../src/tui/log/session-log.js";
import { ASSISTANT, bashCall, textPart, USER } from "./messages.js";

test("shows what was asked, each tool call with its outcome, and what was said", () => {
  const call = bashCall({ timeout: 5, command: "ls -la" });
  const lines = sessionLines([
    { info: USER, parts: [textPart("find them")] },
    {
      info: ASSISTANT,
      parts: [
        call.completed,
        call.running,
        call.failed,
        textPart("Two lines:\nsecond \u001b[31mred\u001b[0m\n"),
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
  const lines = sessionLines([{ info: { ...ASSISTANT, error }, parts: [] }]);
  assert.equal(lines[0]?.text, "✗ APIError: too many requests");
  assert.equal(lines[0].tone, "bad");
});

test("gives a line the same place when later parts grow", () => {
  const before = sessionLines([{ info: ASSISTANT, parts: [textPart("one"), textPart("two")] }]);
  const after = sessionLines([
    { info: ASSISTANT, parts: [textPart("one\nmore"), textPart("two")] },
  ]);
  const place = (lines: typeof before) => lines.find((line) => line.text === "two")?.offset;
  assert.equal(place(after), place(before));
});
