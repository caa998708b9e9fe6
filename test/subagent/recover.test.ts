import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AssistantMessage } from "../../src/host/host.js";
import type { SubagentJob } from "../../src/jobs/job.js";
import { aSubagent } from "../../fixtures/jobs.js";
import { settle } from "../fakes/clock.js";
import { House } from "../fakes/house.js";

/** The last sign of life of its host. */
const DIED = new Date(Date.UTC(2026, 0, 1, 0, 0, 30));

/** A task as a dead host left it: prompted, with this answer in its session. */
function left(answer: Partial<AssistantMessage> | undefined, more: Partial<SubagentJob> = {}) {
  const house = new House();
  const root = house.host.addRoot();
  const sessionID = house.host.addSession({ parentID: root });
  const prompt = house.host.addUser(sessionID);
  if (answer) house.host.addAssistant(sessionID, answer);
  const now = new Date(house.clock.now());
  const task = aSubagent({
    parentSessionID: root,
    rootSessionID: root,
    createdAt: now,
    startedAt: undefined,
    sessionID,
    runs: [{ promptMessageID: prompt.id, startedAt: now, status: "running" }],
    progress: { toolCalls: 0, lastUpdate: now },
    ...more,
  });
  house.jobs.add(task);
  return { house, task };
}

const aborted = { name: "MessageAbortedError", message: "Aborted" };

void describe("a task whose host died", () => {
  for (const [what, answer, outcome, length] of [
    ["with a finished answer", { text: "Done." }, "completed · finished", 5],
    [
      "in the middle of an answer",
      { text: "Do", completed: false, finish: undefined },
      "failed · interrupted",
      2,
    ],
    ["between two steps", { finish: "tool-calls" }, "failed · interrupted", 0],
    ["aborted as its host ended", { text: "Do", error: aborted }, "failed · interrupted", 2],
    [
      "with an error of the provider",
      { error: { name: "APIError", message: "no", status: 401 } },
      "failed · error",
      0,
    ],
    ["without an answer", undefined, "failed · interrupted", 0],
  ] as const) {
    void it(`${what}: ${outcome}`, async () => {
      const { house, task } = left(answer);
      await house.tasks.recover(task, DIED);
      const job = house.job(task.id);
      assert.equal(house.outcome(task.id), outcome);
      assert.equal(job.resultLength, length);
      assert.equal(job.runs[0]?.status, job.status);
      assert.deepEqual([job.completedAt, job.runs[0]?.completedAt], [DIED, DIED]);
      assert.equal(house.ends.get(task.id), 1);
      assert.equal(house.host.prompts.length, 0);
    });
  }

  void it("while it waited for its turn is interrupted", async () => {
    const { house, task } = left(undefined, {
      status: "pending",
      runs: [],
      prompt: "do it",
      sessionID: undefined,
    });
    await house.tasks.recover(task, DIED);
    assert.equal(house.outcome(task.id), "failed · interrupted");
    await house.tasks.resume(task.id, "go on", {});
    assert.equal(house.host.prompts[0]?.text, "do it\n\ngo on", "no one has answered it yet");
    assert.equal(house.job(task.id).prompt, undefined);
  });

  void it("and whose session cannot be read is interrupted and says so", async () => {
    const { house, task } = left({ text: "Done." });
    house.host.fail("messages");
    await house.tasks.recover(task, DIED);
    assert.equal(house.outcome(task.id), "failed · interrupted");
    assert.match(house.job(task.id).error ?? "", /could not be read: scripted refusal/u);
  });

  void it("after it had ended is left as it was", async () => {
    const { house, task } = left(undefined, { status: "failed", endReason: "timeout" });
    await house.tasks.recover(task, DIED);
    assert.equal(house.outcome(task.id), "failed · timeout");
    assert.equal(house.ends.size, 0);
  });

  for (const again of [false, true]) {
    void it(`and that was cancelled${again ? " and continued" : ""} while its session was read is left to that`, async () => {
      const unfinished = { text: "Do", completed: false, finish: undefined };
      const { house, task } = left(unfinished, { agent: "explore" });
      const reading = house.host.block("messages");
      const recovering = house.tasks.recover(task, DIED);
      await settle();
      await house.tasks.cancel([task.id], "cancelled_by_agent");
      // Whatever else reads messages is answered.
      house.host.block("messages").resolve();
      await settle();
      if (again) await house.tasks.resume(task.id, "more", {});
      const { status, runs } = house.job(task.id);
      assert.equal(status, again ? "running" : "cancelled");
      reading.resolve();
      await recovering;
      assert.equal(house.job(task.id).status, status);
      assert.deepEqual(house.job(task.id).runs, runs);
      assert.equal(house.ends.get(task.id), 1);
    });
  }
});
