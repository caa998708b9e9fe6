/** What a run has done, counted as it is seen. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Tally } from "../../src/subagent/tally.js";

test("what is kept of a long stream begins with no half of a character", () => {
  const tokens = { input: 0, output: 0, reasoning: 0, cacheRead: 0 };
  const progress = { toolCalls: 0, lastUpdate: new Date(0) };
  const tally = new Tally({ tokens, cost: 0, progress }, 0);
  tally.sawText({ partID: "prt_1", piece: `😀${"x".repeat(15_999)}` });
  assert.equal(tally.streamedText, "x".repeat(15_999));
});
