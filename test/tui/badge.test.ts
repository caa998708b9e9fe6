// The counts beside the prompt, and that nothing unseen reaches a row.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { aProcess, aSubagent } from "../../fixtures/jobs.js";
import { badgeCounts } from "../../src/tui/badge.js";
import { jobLine } from "../../src/tui/describe.js";
import { ago, NOW, shown } from "./shown.js";

void describe("the counts beside the prompt", () => {
  test("are the live jobs by urgency, then the failures that are news", () => {
    const blockedOn = { kind: "retry", what: "x", since: ago(1), sessionID: "s" } as const;
    const failed = shown(aProcess({ status: "failed", completedAt: ago(9), exitCode: 1 }));
    const done = shown(aProcess({ status: "completed", completedAt: ago(9), exitCode: 0 }));
    const jobs = [shown(aSubagent()), failed, shown(aSubagent({ blockedOn })), done];
    assert.deepEqual(badgeCounts(jobs, [failed, done]), [
      { look: "blocked", count: 1 },
      { look: "running", count: 1 },
      { look: "failed", count: 1 },
    ]);
    assert.deepEqual(badgeCounts([failed, done], []), []);
  });
});

test("a row holds nothing that a terminal would obey or no person would see", () => {
  const evil = "a\u202eb\u2066c\u200bd\u00ade\u{e0041}f\u009b2Jg\u0007h 👨‍👩‍👧";
  const { name } = jobLine(shown(aProcess({ name: evil })), 80, NOW);
  assert.match(name, /^abcdef.*gh 👨‍👩‍👧$/u);
  assert.doesNotMatch(name, /[\u202e\u2066\u200b\u00ad\u{e0041}\p{Cc}]/u);
});
