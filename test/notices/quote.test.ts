import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { cutQuote, storedQuote } from "../../src/notices/notice.js";
import { process, subagent } from "./jobs.js";

const stored = (text: string) => storedQuote(subagent(), { text, total: text.length });

void describe("what the outbox keeps of a result", () => {
  void it("is the whole text up to 6,000 characters", () => {
    const { text, omitted } = stored("x".repeat(6_000));
    assert.deepEqual([text.length, omitted], [6_000, 0]);
  });

  void it("is head and end of a longer one, cut at line ends, and how much is missing where", () => {
    const lines = Array.from({ length: 1_000 }, (_, index) => `line ${index} of the report`);
    const whole = lines.join("\n");
    const { text, omitted, omittedAt } = stored(whole);
    assert.ok(text.length <= 6_000 && text.length > 5_800, `${text.length}`);
    assert.equal(text.length + omitted, whole.length);
    const [head, end] = [text.slice(0, omittedAt), text.slice(omittedAt)];
    assert.ok(whole.startsWith(head) && whole.endsWith(end));
    assert.ok(head.endsWith("\n"));
    assert.ok(lines.includes(end.split("\n")[0] ?? ""));
  });

  void it("keeps the gap of a process's errors and its end, also where it is cut once more", () => {
    const errors = "error: of many\n".repeat(100);
    const end = "ok\n".repeat(100);
    const quote = { text: errors + end, total: 100_000, gapAt: errors.length, pattern: "error" };
    const whole = storedQuote(process(), quote);
    assert.equal(whole.text.slice(0, whole.omittedAt), errors);
    for (const most of [1_600, 1_000, 400]) {
      const { text, omitted, omittedAt } = cutQuote("process", whole, most);
      assert.ok(text.length <= most);
      assert.equal(text.length + omitted, 100_000);
      assert.match(text.slice(0, omittedAt), /^(?:error: of many\n)+$/u);
      assert.match(text.slice(omittedAt), /^(?:ok\n)+$/u);
    }
  });

  void it("never holds half of a character", () => {
    for (const pad of ["", "x"]) {
      assert.doesNotMatch(stored(pad + "😀".repeat(5_000)).text, /\p{Surrogate}/u);
    }
  });
});
