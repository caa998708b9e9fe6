// A subagent's session as lines of a log; what was heard while it was being read is not lost.
import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import { createOpencodeClient, type Event, type Part } from "@opencode-ai/sdk/v2";
import { deferred } from "../../fixtures/deferred.js";
import { openSessionLog, sessionLines } from "../../src/tui/log/session-log.js";
import { FakeClock, settle } from "../fakes/clock.js";
import { answering } from "./answering.js";
import { ASSISTANT, bashCall, textPart, USER } from "./messages.js";

const { running: RUNNING, completed: DONE } = bashCall({ command: "ls" });

/** An open log whose session is read when the test says so; with what the terminal itself has heard. */
function opened(t: TestContext, stored: readonly Part[], known: readonly Part[] = []) {
  const listeners = new Set<(event: Event) => void>();
  const clock = new FakeClock();
  const answer = deferred<Response>();
  const log = openSessionLog(
    {
      client: createOpencodeClient({
        baseUrl: "http://server",
        fetch: answering(() => answer.promise),
      }),
      state: { part: () => known },
      event: {
        on: (type, handler) => {
          const listener = (event: Event) => {
            if (isOf(type, event)) handler(event);
          };
          listeners.add(listener);
          return () => listeners.delete(listener);
        },
      },
    },
    ASSISTANT.sessionID,
    clock,
  );
  t.after(() => {
    log.close();
    assert.equal(listeners.size, 0);
  });
  const tell = (event: Event) => {
    for (const listener of listeners) listener(event);
  };
  const read = async () => {
    answer.resolve(Response.json([{ info: ASSISTANT, parts: stored }]));
    while (log.note() !== undefined) await settle();
    await clock.advance(1_000);
    return log.lines().map(({ text }) => text);
  };
  return { tell, read };
}

function isOf<Type extends Event["type"]>(
  type: Type,
  event: Event,
): event is Extract<Event, { type: Type }> {
  return event.type === type;
}

const { sessionID, id: messageID } = ASSISTANT;
const updated = (part: Part): Event => ({
  id: "evt",
  type: "message.part.updated",
  properties: { sessionID, part, time: 2 },
});

void describe("a session that goes on while it is being read", () => {
  test("a tool that has finished meanwhile is finished", async (t) => {
    const { tell, read } = opened(t, [RUNNING]);
    tell(updated(DONE));
    assert.deepEqual(await read(), ["✓ bash List files"]);
  });

  test("what was removed meanwhile does not come back", async (t) => {
    const { tell, read } = opened(t, [RUNNING, textPart("stays")]);
    const properties = { sessionID, messageID, partID: RUNNING.id };
    tell({ id: "evt", type: "message.part.removed", properties });
    assert.deepEqual(await read(), ["stays", ""]);
  });

  test("a message that was removed meanwhile does not come back, and one that was there goes", async (t) => {
    const { tell, read } = opened(t, [textPart("undone")]);
    const properties = { sessionID, messageID };
    tell({ id: "evt", type: "message.updated", properties: { sessionID, info: ASSISTANT } });
    tell(updated(textPart("undone")));
    tell({ id: "evt", type: "message.removed", properties });
    assert.deepEqual(await read(), []);
  });

  test("an answer that broke off meanwhile has its error", async (t) => {
    const { tell, read } = opened(t, [textPart("half")]);
    const error = { name: "UnknownError", data: { message: "cut" } } as const;
    const info = { ...ASSISTANT, error };
    tell({ id: "evt", type: "message.updated", properties: { sessionID, info } });
    assert.deepEqual(await read(), ["half", "", "✗ UnknownError: cut", ""]);
  });

  test("a text that is being streamed is shown as far as the terminal has heard it", async (t) => {
    const { read } = opened(t, [textPart("")], [textPart("so far")]);
    assert.deepEqual(await read(), ["so far", ""]);
  });
});

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
