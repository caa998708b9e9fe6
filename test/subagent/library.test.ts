import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { settle } from "../fakes/clock.js";
import { House } from "../fakes/house.js";

void describe("BackgroundManager by the names that its users know", () => {
  void it("finds a task by its id, by its session and by its parent's session", async () => {
    const house = new House();
    const parentSessionID = house.host.addRoot();
    const { id, sessionID } = await house.child({ parentSessionID });
    for (const found of [
      house.tasks.getTask(id),
      house.tasks.getTask(sessionID),
      house.tasks.findBySession(sessionID),
      house.tasks.getTasksByParentSession(parentSessionID)[0],
    ]) {
      assert.equal(found?.id, id);
    }
    assert.equal(house.tasks.getTask("bg_unknown"), undefined);
    assert.deepEqual(house.tasks.getTasksByParentSession("ses_unknown"), []);
  });

  void it("takes raw events of the host, and anything else without throwing", async () => {
    const house = new House();
    const { id, sessionID } = await house.child({ parentSessionID: house.host.addRoot() });
    house.host.addAssistant(sessionID, { text: "The answer." });
    for (const event of [undefined, null, 7, "idle", {}, { type: "session.idle" }]) {
      house.tasks.handleEvent(event);
    }
    await settle();
    assert.equal(house.outcome(id), "running");
    house.tasks.handleEvent({ type: "session.idle", properties: { sessionID } });
    await settle();
    assert.equal(house.outcome(id), "completed · finished");
  });

  void it("lists, marks and clears what a parent has still to be told", async () => {
    const house = new House();
    const parentSessionID = house.host.addRoot();
    const { id, sessionID } = await house.child({ parentSessionID, notify: false });
    await house.answer(sessionID, "The answer.");
    assert.deepEqual(house.tasks.getPendingNotifications(parentSessionID), []);
    house.tasks.markForNotification(house.job(id));
    house.tasks.markForNotification(house.job(id));
    const pending = house.tasks.getPendingNotifications(parentSessionID);
    assert.deepEqual(
      pending.map(({ jobID, kind }) => [jobID, kind]),
      [[id, "ended"]],
    );
    house.tasks.clearNotifications(parentSessionID);
    assert.deepEqual(house.tasks.getPendingNotifications(parentSessionID), []);
  });
});

void describe("waiting for a task", () => {
  async function waiting(milliseconds: number) {
    const house = new House();
    const child = await house.child({ parentSessionID: house.host.addRoot() });
    const abort = new AbortController();
    let done = false;
    const wait = house.tasks.wait(child.id, milliseconds, abort.signal).then(() => (done = true));
    await settle();
    assert.equal(done, false);
    return { house, abort, wait, ...child };
  }

  void it("ends the moment the task ends", async () => {
    const { house, wait, sessionID } = await waiting(600_000);
    await house.answer(sessionID, "The answer.");
    await wait;
  });

  void it("ends after the time asked for, and not before", async () => {
    const { house, wait, id } = await waiting(3_000);
    await house.clock.advance(3_000);
    await wait;
    assert.equal(house.outcome(id), "running");
  });

  void it("ends at once when the caller is aborted, leaving no timer of its own", async () => {
    const { house, abort, wait } = await waiting(600_000);
    const before = house.clock.pending;
    abort.abort();
    await wait;
    assert.equal(house.clock.pending, before - 1);
  });

  void it("does not begin for an ended task, an unknown one or an aborted caller", async () => {
    const { house, id } = await waiting(1_000);
    await house.tasks.wait("bg_unknown", 600_000);
    await house.tasks.wait(id, 600_000, AbortSignal.abort());
  });
});

void describe("what a task said", () => {
  void it("is every step so far while it runs, and the last words at the end", async () => {
    const house = new House();
    const { id, sessionID } = await house.child({ parentSessionID: house.host.addRoot() });
    assert.equal((await house.tasks.result(house.job(id))).text, "");
    house.step(sessionID, { text: "First.", finish: "tool-calls" });
    house.step(sessionID, { text: "Second.", completed: false });
    assert.equal((await house.tasks.result(house.job(id))).text, "First.\n\nSecond.");
    await house.answer(sessionID, "Third.");
    assert.equal((await house.tasks.result(house.job(id))).text, "Third.");
  });

  void it("is its last failed tool call when it said nothing", async () => {
    const house = new House();
    const { id, sessionID } = await house.child({ parentSessionID: house.host.addRoot() });
    const tools = [{ callID: "1", tool: "bash", status: "error" as const, error: "rejected" }];
    await house.answer(sessionID, { finish: "tool-calls", tools });
    const result = await house.tasks.result(house.job(id));
    assert.equal(result.text, "");
    assert.equal(result.toolError, "bash: rejected");
  });

  void it("cannot be made up when the host does not answer", async () => {
    const house = new House();
    const { id } = await house.child({ parentSessionID: house.host.addRoot() });
    house.host.fail("messages");
    await assert.rejects(house.tasks.result(house.job(id)), /scripted refusal/u);
  });
});
