import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import { translateEvent, type HostEvent } from "../../src/host/events.js";
import { loadRecording } from "../../fixtures/recordings/format.js";

const NAMES = readdirSync(new URL("../../fixtures/recordings/", import.meta.url))
  .filter((file) => file.endsWith(".jsonl"))
  .map((file) => file.slice(0, -".jsonl".length));

const TYPES = [
  "activity",
  "busy",
  "idle",
  "retry",
  "tool",
  "user",
  "assistant",
  "error",
  "asked",
  "answered",
  "created",
  "deleted",
  "reverted",
] as const;

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
    if (type === "session.updated" && text.includes('"revert":{')) add("reverted");
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
        error: undefined,
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

  void it("assistant: an error with name, message and HTTP status", () => {
    assert.deepEqual(only("error-401", "assistant").at(-1)?.message.error, {
      name: "APIError",
      message: "scripted 401",
      status: 401,
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

const all = NAMES.flatMap((name) => loadRecording(name).events.map(({ event }) => event));

/** Something else in one place, at any depth. */
function mutate(value: unknown, path: readonly number[], replacement: unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined || typeof value !== "object" || value === null) return replacement;
  const keys = Object.keys(value);
  const key = keys[step % Math.max(1, keys.length)];
  if (key === undefined) return replacement;
  const inner: unknown = Reflect.get(value, key);
  const changed = mutate(inner, rest, replacement);
  if (Array.isArray(value)) return value.with(Number(key), changed);
  return changed === undefined
    ? Object.fromEntries(Object.entries(value).filter(([name]) => name !== key))
    : { ...value, [key]: changed };
}

void describe("a broken event", () => {
  void it("is none, or one of ours with its fields in order, and never an exception", () => {
    const replacement = fc.oneof(
      fc.constantFrom(undefined, null, "", 0, -1, NaN, Infinity, 1e300, [], {}, true, "deny"),
      fc.anything(),
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...all),
        fc.array(fc.nat(20), { minLength: 1, maxLength: 5 }),
        replacement,
        (event, path, other) => {
          const result = translateEvent(mutate(event, path, other));
          if (!result) return;
          assert.ok(TYPES.includes(result.type));
          assert.equal(typeof result.sessionID, "string");
          if (result.type === "retry") assert.ok(!Number.isNaN(result.nextAt.getTime()));
          if (result.type === "assistant") {
            const { usage } = result.message;
            assert.ok(
              Object.values(usage).every((figure) => Number.isFinite(figure) && figure >= 0),
            );
            assert.ok([usage.input, usage.output].every(Number.isInteger));
          }
        },
      ),
      { numRuns: 20_000 },
    );
  });

  void it("of any form at all is no exception", () => {
    fc.assert(
      fc.property(fc.anything(), (event) => {
        translateEvent(event);
      }),
      { numRuns: 2_000 },
    );
    const loop: Record<string, unknown> = { name: 7 };
    loop["self"] = loop;
    for (const type of ["session.error", "message.updated", "message.part.updated"]) {
      const properties = { sessionID: "ses_1", error: loop, info: loop, part: loop };
      translateEvent({ type, properties });
    }
  });

  void it("of an assistant keeps what is right: a figure that makes no sense costs no answer", () => {
    const info = {
      role: "assistant",
      id: "msg_2",
      parentID: "msg_1",
      time: { completed: 7 },
      finish: "stop",
      tokens: { input: null, output: -3, reasoning: 1.4, cache: null },
      cost: NaN,
    };
    const event = translateEvent({ type: "message.updated", properties: { sessionID: "s", info } });
    assert.ok(event?.type === "assistant");
    assert.equal(event.message.completed, true);
    assert.deepEqual(event.message.usage, {
      input: 0,
      output: 0,
      reasoning: 1,
      cacheRead: 0,
      cost: 0,
    });
  });
});
