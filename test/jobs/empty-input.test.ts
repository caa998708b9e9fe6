import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { emptyInputHint } from "../../src/jobs/facts.js";
import type { ProcessJob } from "../../src/jobs/job.js";
import { aProcess } from "../../fixtures/jobs.js";

function hint(more: Partial<ProcessJob>): boolean {
  const startedAt = new Date(1_000_000);
  const ended = { status: "completed", startedAt, completedAt: new Date(1_000_500) } as const;
  return emptyInputHint({ ...aProcess(), command: "x", ...ended, ...more }) !== undefined;
}

void describe("an end that an empty stdin may have caused", () => {
  void it("is one of what was meant to go on", () => {
    for (const command of [
      "esbuild a.js --watch",
      "npm run dev",
      "npm run build:watch",
      "hugo serve",
      "x -watch=1",
    ])
      assert.equal(hint({ command }), true, command);
    assert.equal(hint({ global: true }), true);
    assert.equal(hint({ readyPort: 1 }), true);
    assert.equal(hint({ readyPattern: "x" }), true);
    assert.equal(hint({ notifyPattern: "x" }), true);
  });

  void it("is no other one", () => {
    for (const command of [
      "make",
      "git diff dev-1",
      "cat server.js",
      "npm run devise",
      "cat dev.js",
      "make 2>/dev/null",
      "make > /dev/null",
      "ls serve/",
    ])
      assert.equal(hint({ command }), false, command);
    const command = "npm run dev";
    assert.equal(hint({ command, status: "failed" }), false);
    assert.equal(hint({ command, stdin: "open" }), false);
    assert.equal(hint({ command, completedAt: new Date(1_006_000) }), false);
  });
});
