// When the user is called, and when not.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { aProcess, aSubagent } from "../../fixtures/jobs.js";
import type { BlockedOn, Job } from "../../src/jobs/job.js";
import { callsFor } from "../../src/tui/attention.js";
import { ago, shown } from "./shown.js";

const blockedOn: BlockedOn = {
  kind: "permission",
  what: "bash: cat /etc/secret",
  since: ago(1),
  sessionID: "s",
  requestID: "r",
};
const calls = (before: Job[], after: Job[]) =>
  callsFor(
    before.map((job) => shown(job)),
    after.map((job) => shown(job)),
  );

void describe("the user is called", () => {
  test("with a sound for the end of a process", () => {
    const done = aProcess({ status: "completed", endReason: "finished", completedAt: ago(0) });
    assert.deepEqual(calls([aProcess()], [done]), [
      { message: "dev server is done", sound: "done" },
    ]);
    const failed = aProcess({ status: "failed", endReason: "error", completedAt: ago(0) });
    const [call] = calls([aProcess()], [failed]);
    assert.deepEqual(call, { message: "dev server failed", sound: "error" });
  });

  test("silently for the end of a subagent: the host rings for it", () => {
    const done = aSubagent({ status: "completed", endReason: "finished", completedAt: ago(0) });
    assert.deepEqual(calls([aSubagent()], [done]), [{ message: "Look into it is done" }]);
  });

  test("when one is blocked, without a word of what it wants to do", () => {
    const [call] = calls([aSubagent()], [aSubagent({ blockedOn })]);
    assert.deepEqual(call, { message: "Look into it waits for you" });
    assert.equal(calls([], [aSubagent({ blockedOn })]).length, 1);
  });

  test("when one that was answered asks for something else at once", () => {
    const next = { ...blockedOn, what: "bash: cat /etc/other", requestID: "r2" };
    const [call] = calls([aSubagent({ blockedOn })], [aSubagent({ blockedOn: next })]);
    assert.deepEqual(call, { message: "Look into it waits for you" });
  });

  test("when one stalls", () => {
    const [call] = calls([aSubagent()], [aSubagent({ stalledSince: ago(1) })]);
    assert.equal(call?.sound, "default");
  });
});

void describe("the user is left alone", () => {
  test("when nothing changed, or only numbers did", () => {
    const progress = { toolCalls: 9, lastUpdate: ago(0) };
    assert.deepEqual(calls([aSubagent()], [aSubagent({ progress })]), []);
    assert.deepEqual(calls([aSubagent({ blockedOn })], [aSubagent({ blockedOn })]), []);
  });

  test("when a job was cancelled, retries or started", () => {
    const cancelled = aProcess({ status: "cancelled", endReason: "cancelled_by_user" });
    assert.deepEqual(calls([aProcess()], [cancelled]), []);
    assert.deepEqual(calls([], [aProcess()]), []);
    const retry: BlockedOn = { ...blockedOn, kind: "retry" };
    assert.deepEqual(calls([aSubagent()], [aSubagent({ blockedOn: retry })]), []);
  });

  test("about jobs that had ended before this terminal looked", () => {
    const done = aProcess({ status: "completed", endReason: "finished", completedAt: ago(0) });
    assert.deepEqual(calls([], [done]), []);
  });
});
