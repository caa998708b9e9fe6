/** Faults of running tasks: refused instructions, a provider without finish reasons, waits that end early. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { settle } from "../fakes/clock.js";
import { House } from "../fakes/house.js";

async function working(options: ConstructorParameters<typeof House>[0] = {}) {
  const house = new House(options);
  const root = house.host.addRoot();
  const child = await house.child({ parentSessionID: root });
  house.busy(child.sessionID);
  return { house, root, ...child };
}

void describe("instructions that the host refuses", () => {
  void it("two at once: neither is waited for, and none is sent again", async () => {
    const { house, id, sessionID } = await working();
    const before = house.job(id).runs;
    const gate = house.host.block("prompt");
    house.host.fail("prompt", 2);
    const both = ["one", "two"].map((text) => house.tasks.resume(id, text, {}));
    await settle();
    gate.resolve();
    const results = await Promise.allSettled(both);
    assert.ok(results.every(({ status }) => status === "rejected"));
    assert.deepEqual(house.job(id).runs, before);
    await house.answer(sessionID, "The answer.");
    assert.equal(house.outcome(id), "completed · finished");
    await house.clock.advance(60_000);
    assert.deepEqual(house.promptsTo(sessionID), ["do it"]);
  });

  void it("the first of two: the run ends with the answer to the second", async () => {
    const { house, id, sessionID } = await working();
    const gate = house.host.block("prompt");
    house.host.fail("prompt", 1);
    const both = ["one", "two"].map((text) => house.tasks.resume(id, text, {}));
    await settle();
    gate.resolve();
    const [first, second] = await Promise.allSettled(both);
    assert.deepEqual([first?.status, second?.status], ["rejected", "fulfilled"]);
    assert.equal(house.job(id).runs.at(-1)?.promptMessageID, house.host.prompts.at(-1)?.messageID);
    await house.answer(sessionID, "The answer.");
    assert.equal(house.outcome(id), "completed · finished");
  });
});

void describe("a provider that never sends a finish reason", () => {
  void it("is told once as stalled after ten steps in a row, and no more once a step finishes", async () => {
    const { house, root, id, sessionID } = await working({ options: { wake: "none" } });
    const told = () =>
      house.notices.outbox
        .pending(root)
        .flatMap(({ kind, text }) => (kind === "stalled" ? text : []));
    for (let step = 1; step <= 23; step++) {
      house.step(sessionID, { finish: "unknown", tools: [] });
      assert.equal(house.job(id).stalledSince !== undefined, step >= 10, `step ${step}`);
    }
    assert.equal(told().length, 1);
    assert.match(told()[0] ?? "", /^10 steps in a row without a finish reason/u);
    assert.equal(house.job(id).progress.steps, 23);
    house.step(sessionID, { finish: "tool-calls" });
    assert.equal(house.job(id).stalledSince, undefined);
    assert.deepEqual(told(), []);
  });

  void it('is ended with stallAction "cancel"', async () => {
    const { house, id, sessionID } = await working({ options: { stallAction: "cancel" } });
    house.host.onAbort = (session) => house.idle(session);
    for (let step = 1; step <= 10; step++) house.step(sessionID, { finish: "unknown" });
    await settle();
    assert.equal(house.outcome(id), "failed · stalled");
  });
});

void describe("waiting for a task", () => {
  void it("ends when it asks for a permission, and does not begin while it asks", async () => {
    const { house, id, sessionID } = await working();
    const waiting = house.tasks.wait(id, 600_000);
    const question = { kind: "permission", requestID: "per_1", what: "bash: rm x" } as const;
    house.event({ type: "asked", sessionID, ...question });
    await waiting;
    await house.tasks.wait(id, 600_000);
    assert.equal(house.outcome(id), "running");
  });

  void it("ends when a person writes in the waiting session, and in no other", async () => {
    const { house, root, id } = await working();
    let done = false;
    const waiting = house.tasks.wait(id, 600_000, undefined, root).then(() => (done = true));
    house.tasks.userWrote("ses_other");
    await settle();
    assert.equal(done, false);
    house.tasks.userWrote(root);
    await waiting;
  });
});

void describe("a task that is cancelled while its session is created", () => {
  void it("keeps that session and is continued in it", async () => {
    const house = new House();
    const gate = house.host.block("createSession");
    const launching = house.launch({ parentSessionID: house.host.addRoot() });
    await settle();
    const [task] = house.tasks.list();
    assert.ok(task);
    await house.tasks.cancel([task.id], "cancelled_by_agent");
    gate.resolve();
    await launching;
    await settle();
    const { sessionID } = house.job(task.id);
    assert.ok(sessionID);
    await house.tasks.resume(task.id, "after all", {});
    assert.equal(house.host.prompts.at(-1)?.sessionID, sessionID);
    assert.equal(house.host.calls.get("createSession"), 1);
  });
});

void it("a fan-out starts in the order of its calls, however long each is looked at", async () => {
  const house = new House({ options: { maxRunning: 1, maxDepth: 2 } });
  const parentSessionID = house.host.addRoot();
  const gate = house.host.block("models");
  const first = house.launch({ parentSessionID, prompt: "1", model: "scripted/m1" });
  const others = ["2", "3"].map((prompt) => house.launch({ parentSessionID, prompt }));
  await settle();
  gate.resolve();
  const launched = await Promise.all([first, ...others]);
  assert.deepEqual(
    launched.map(({ status }) => status),
    ["running", "pending", "pending"],
  );
  assert.deepEqual(
    launched.map(({ id }) => house.tasks.position(id)),
    [0, 1, 2],
  );
});

void it("messages are read only after the host said that the session is idle", async () => {
  const { house, id, sessionID } = await working();
  house.step(sessionID, { text: "I look.", finish: "tool-calls" });
  const status = house.host.block("busySessions");
  house.idle(sessionID);
  await settle();
  // The host says so only when the next step is over, too.
  house.step(sessionID, { text: "The answer." });
  house.idle(sessionID);
  status.resolve();
  await settle();
  assert.equal(house.outcome(id), "completed · finished");
  assert.equal(house.job(id).resultLength, "The answer.".length);
});
