/** What a run's end says of itself: its result, its quote, and one read of the messages for both. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Quote } from "../../src/jobs/registry.js";
import { House } from "../fakes/house.js";

async function working() {
  const house = new House();
  const child = await house.child({ parentSessionID: house.host.addRoot(), notify: false });
  const quotes: (Quote | undefined)[] = [];
  house.jobs.onChange(({ type, quote }) => {
    if (type === "ended") quotes.push(quote);
  });
  const result = async () => (await house.tasks.result(house.job(child.id))).text;
  return { house, quotes, result, ...child };
}

void describe("the words of a run", () => {
  void it("come from the one read of the messages that judged its end", async () => {
    const { house, quotes, id, sessionID } = await working();
    await house.answer(sessionID, "The answer.");
    await house.clock.advance(60_000);
    assert.equal(house.outcome(id), "completed · finished");
    assert.deepEqual(quotes, [{ text: "The answer.", total: 11 }]);
    // One for the launch (the parent's newest message), one for the end.
    assert.equal(house.host.calls.get("messages"), 2);
  });

  void it("are its last failed tool call when it said nothing", async () => {
    const { house, quotes, sessionID } = await working();
    const tools = [{ callID: "1", tool: "bash", status: "error" as const, error: "rejected" }];
    await house.answer(sessionID, { tools });
    const text = "(no text output; its last failed tool call: bash: rejected)";
    assert.deepEqual(quotes, [{ text, total: text.length }]);
  });

  void it("are the answers to each of its user messages, in order", async () => {
    const { house, quotes, result, id, sessionID } = await working();
    house.step(sessionID, { text: "Looking.", finish: "tool-calls" });
    house.step(sessionID, { text: "The report." });
    await house.tasks.resume(id, "and the colours?", {});
    await house.answer(sessionID, "Red.");
    assert.equal(await result(), "The report.\n\nRed.");
    assert.equal(quotes[0]?.text, "The report.\n\nRed.");
    assert.equal(house.job(id).resultLength, "The report.\n\nRed.".length);
  });

  for (const [what, report, closing, isKept] of [
    ["400 characters before 200", 400, 200, true],
    ["399 characters before a short one", 399, 5, false],
    ["a report before 201 characters", 4_000, 201, false],
  ] as const) {
    void it(`${isKept ? "keep" : "drop"} an earlier text: ${what}`, async () => {
      const { house, result, sessionID } = await working();
      const [first, last] = ["r".repeat(report), "c".repeat(closing)];
      house.step(sessionID, { text: first, finish: "tool-calls" });
      await house.answer(sessionID, last);
      assert.equal(await result(), isKept ? `${first}\n\n${last}` : last);
    });
  }
});
