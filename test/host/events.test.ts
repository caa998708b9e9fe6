/** What the host really sent is translated whole, field by field, and nothing else is. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { translateEvent, type HostEvent } from "../../src/host/events.js";
import { loadRecording } from "../../fixtures/recordings/format.js";
import { NAMES } from "./recorded.js";

type Counts = Partial<Record<HostEvent["type"], number>>;

/** How many of each kind a recording gives, counted by the host's own names. */
function expected(name: string): Counts {
  const counts: Counts = {};
  const add = (type: HostEvent["type"]) => (counts[type] = (counts[type] ?? 0) + 1);
  for (const { event } of loadRecording(name).events) {
    const text = JSON.stringify(event);
    const { type } = event;
    if (type === "message.part.delta") add("activity");
    if (type === "message.part.updated") add(text.includes('"type":"tool"') ? "tool" : "activity");
    if (type === "message.updated") add(text.includes('"role":"user"') ? "user" : "assistant");
    if (type === "session.status") {
      const [, status] = /"status":\{"type":"(\w+)"/u.exec(text) ?? [];
      if (status === "busy" || status === "idle" || status === "retry") add(status);
    }
    if (type === "session.idle") add("idle");
    if (type === "session.error") add("error");
    if (type === "session.created") add("created");
    if (type === "session.deleted") add("deleted");
    if (type === "session.updated") add(text.includes('"revert":{') ? "reverted" : "updated");
    if (/^(?:permission|question)\.asked$/u.test(type)) add("asked");
    if (/^(?:permission|question)\.(?:replied|rejected)$/u.test(type)) add("answered");
  }
  return counts;
}

function translated(name: string): HostEvent[] {
  return loadRecording(name).events.flatMap(({ event }) => translateEvent(event) ?? []);
}

void describe("every recorded event is translated, and nothing else", () => {
  for (const name of NAMES) {
    void it(name, () => {
      const counts: Counts = {};
      for (const { type } of translated(name)) counts[type] = (counts[type] ?? 0) + 1;
      assert.deepEqual(counts, expected(name));
    });
  }
});

function only<T extends HostEvent["type"]>(
  name: string,
  type: T,
): Extract<HostEvent, { type: T }>[] {
  return translated(name).filter(
    (event): event is Extract<HostEvent, { type: T }> => event.type === type,
  );
}

void describe("the fields that are read of an event", () => {
  void it("assistant: what it answers, its error, its figures", () => {
    const { sessions, messages } = loadRecording("text");
    const last = only("text", "assistant").at(-1);
    assert.deepEqual(last, {
      type: "assistant",
      sessionID: sessions["child"],
      message: {
        id: "msg_1fd78d84b001A1G6RNZIpDvmEn",
        parentID: messages["first"],
        providerID: "scripted",
        completed: true,
        finish: "stop",
        summary: false,
        usage: { input: 10, output: 5, reasoning: 0, cacheRead: 0, cost: 0.00002 },
      },
    });
    assert.deepEqual(
      only("text", "assistant").map(({ message }) => [message.completed, message.finish]),
      [
        [false, undefined],
        [false, "stop"],
        [true, "stop"],
      ],
    );
  });

  void it("assistant: an error with name, message, HTTP status and the provider's codes", () => {
    assert.deepEqual(only("error-401", "assistant").at(-1)?.message.error, {
      name: "APIError",
      message: "scripted 401",
      status: 401,
      isRetryable: false,
      codes: ["scripted_error"],
    });
    const aborted = only("aborted-in-text", "assistant").at(-1)?.message.error;
    assert.equal(aborted?.name, "MessageAbortedError");
  });

  void it("assistant: a summary is one", () => {
    const summaries = only("compaction", "assistant").filter(({ message }) => message.summary);
    assert.equal(summaries.length, 3);
  });

  void it("tool: the call, its tool, its message and each of its states", () => {
    const calls = only("tools-then-text", "tool");
    assert.deepEqual(calls.map(({ callID, tool, status }) => [callID, tool, status]).slice(0, 3), [
      ["call_5_0", "echo", "pending"],
      ["call_5_0", "echo", "running"],
      ["call_5_1", "echo", "pending"],
    ]);
    assert.equal(new Set(calls.map(({ callID }) => callID)).size, 3);
    assert.equal(new Set(calls.map(({ messageID }) => messageID)).size, 2);
  });

  void it("retry: attempt, words and time", () => {
    const retries = only("error-429-retried", "retry");
    assert.deepEqual(
      retries.map(({ attempt, message }) => [attempt, message]),
      [
        [1, "scripted 429"],
        [2, "scripted 429"],
      ],
    );
    assert.equal(retries[0]?.nextAt.getTime(), 1795253935171);
  });

  void it("asked and answered: the same request, and what is asked", () => {
    for (const [name, kind, what] of [
      ["permission-once", "permission", "bash: echo allowed"],
      ["question-rejected", "question", "Which colour?"],
    ] as const) {
      const [asked] = only(name, "asked");
      const [answered] = only(name, "answered");
      assert.equal(asked?.kind, kind);
      assert.equal(asked?.what, what);
      assert.equal(asked?.requestID, answered?.requestID);
      assert.equal(asked?.sessionID, answered?.sessionID);
    }
  });

  void it("created: the parent, and none for a root", () => {
    const { sessions } = loadRecording("text");
    assert.deepEqual(
      only("text", "created").map(({ sessionID, parentID }) => [sessionID, parentID]),
      [
        [sessions["parent"], undefined],
        [sessions["child"], sessions["parent"]],
      ],
    );
  });

  void it("updated: whether the session is archived", () => {
    const updated = (time: object) =>
      translateEvent({
        type: "session.updated",
        properties: { sessionID: "ses_1", info: { id: "ses_1", time } },
      });
    const event = { type: "updated", sessionID: "ses_1" };
    assert.deepEqual(updated({ created: 1, archived: 2 }), { ...event, archived: true });
    assert.deepEqual(updated({ created: 1 }), { ...event, archived: false });
  });

  void it("reverted: from which message on; taken back, it is no such event", () => {
    const { messages } = loadRecording("revert");
    assert.deepEqual(
      only("revert", "reverted").map(({ messageID }) => messageID),
      [messages["second"], messages["second"]],
    );
  });

  void it("activity: a streamed piece of text with its part, and nothing of other parts", () => {
    const pieces = only("text", "activity").flatMap(({ text }) => text?.piece ?? []);
    assert.equal(pieces.join(""), "The answer.");
    const reasoning = { sessionID: "ses_1", partID: "prt_1", field: "reasoning", delta: "hm" };
    assert.deepEqual(translateEvent({ type: "message.part.delta", properties: reasoning }), {
      type: "activity",
      sessionID: "ses_1",
    });
  });

  void it("error: an unknown form is an error all the same", () => {
    const properties = { sessionID: "ses_1", error: { code: 7 } };
    assert.deepEqual(translateEvent({ type: "session.error", properties }), {
      type: "error",
      sessionID: "ses_1",
      error: { name: "UnknownError", message: "an error of an unknown form" },
    });
  });
});
