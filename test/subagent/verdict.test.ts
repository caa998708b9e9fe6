import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AssistantMessage, Message } from "../../src/host/host.js";
import { finalText, judge, textSoFar } from "../../src/subagent/verdict.js";

const PROMPT = "msg_20";
const usage = { input: 0, output: 0, reasoning: 0, cacheRead: 0, cost: 0 };

function user(id: string, real = true): Message {
  const model = { providerID: "p", modelID: "m" };
  return { role: "user", id, agent: "general", model, text: "", real };
}

function step(id: string, parentID: string, more: Partial<AssistantMessage> = {}): Message {
  return {
    role: "assistant",
    id,
    parentID,
    providerID: "p",
    completed: true,
    finish: "stop",
    summary: false,
    text: "",
    tools: [],
    usage,
    ...more,
  };
}

const old = [user("msg_10"), step("msg_11", "msg_10", { text: "old" })];
const failed = { name: "APIError", message: "no", status: 500 };

void describe("how a run stands", () => {
  for (const [what, messages, facts, kind] of [
    ["nothing of it stored", old, {}, "unanswered"],
    ["only its prompt stored", [...old, user(PROMPT)], {}, "unanswered"],
    [
      "an answer to an earlier prompt that was begun after ours was made",
      [...old, step("msg_21", "msg_10"), user(PROMPT)],
      {},
      "unanswered",
    ],
    [
      "an answer to a message that was stored behind ours and has an older id",
      [...old, user(PROMPT), user("msg_19"), step("msg_21", "msg_19")],
      {},
      "ended",
    ],
    [
      "an answer under way",
      [user(PROMPT), step("msg_21", PROMPT, { completed: false })],
      {},
      "unfinished",
    ],
    ["an answer", [user(PROMPT), step("msg_21", PROMPT)], {}, "ended"],
    [
      "an answer to a message of the host's own behind it",
      [
        user(PROMPT),
        step("msg_21", PROMPT, { finish: "tool-calls" }),
        user("msg_22"),
        step("msg_23", "msg_22"),
      ],
      {},
      "ended",
    ],
    ["only a summary", [user(PROMPT), step("msg_21", PROMPT, { summary: true })], {}, "unfinished"],
    ["an error and no message", [user(PROMPT)], { sessionError: failed }, "ended"],
  ] as const) {
    void it(`${what}: ${kind}`, () => {
      const verdict = judge({ messages, promptMessageID: PROMPT, ...facts });
      assert.equal(verdict.kind, kind);
    });
  }

  void it("unanswered: says whether the prompt itself is stored", () => {
    for (const stored of [true, false]) {
      const messages = stored ? [user(PROMPT)] : [];
      const verdict = judge({ messages, promptMessageID: PROMPT });
      assert.deepEqual(verdict, { kind: "unanswered", stored });
    }
  });

  void it("its text is its own, without summaries", () => {
    const messages = [
      ...old,
      user(PROMPT),
      step("msg_21", PROMPT, { text: "one" }),
      step("msg_22", PROMPT, { text: "summary", summary: true }),
      step("msg_23", PROMPT, { text: "two" }),
      step("msg_24", PROMPT),
    ];
    assert.equal(finalText(messages, PROMPT), "two");
    assert.equal(textSoFar(messages, PROMPT), "one\n\ntwo");
    assert.equal(finalText(old, PROMPT), "");
  });

  void it("its text has one answer for each message that the parent sent, not for notices", () => {
    const messages = [
      user(PROMPT),
      step("msg_21", PROMPT, { text: "I wait for the part." }),
      user("msg_22", false),
      step("msg_23", "msg_22", { text: "The whole." }),
      user("msg_24"),
      step("msg_25", "msg_24", { text: "I wait again." }),
      user("msg_26", false),
      step("msg_27", "msg_26", { text: "More." }),
    ];
    assert.equal(finalText(messages, PROMPT), "The whole.\n\nMore.");
    assert.equal(finalText(messages, "msg_24"), "More.");
  });

  void it("its text keeps a report that an answer to a notice only closes", () => {
    const report = "r".repeat(400);
    const messages = [
      user(PROMPT),
      step("msg_21", PROMPT, { text: report }),
      user("msg_22", false),
      step("msg_23", "msg_22", { text: "Done." }),
    ];
    assert.equal(finalText(messages, PROMPT), `${report}\n\nDone.`);
  });
});
