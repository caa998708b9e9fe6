import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { settle } from "../fakes/clock.js";
import { House } from "../fakes/house.js";

const BY_AGENT = "cancelled · cancelled_by_agent";

void describe("a task that is cancelled early", () => {
  void it("while it waits for a slot: never has a session", async () => {
    const house = new House({ options: { maxRunning: 1 } });
    const parentSessionID = house.host.addRoot();
    const first = await house.child({ parentSessionID });
    const { id } = await house.launch({ parentSessionID });
    await house.tasks.cancel([id], "cancelled_by_agent");
    assert.equal(house.outcome(id), BY_AGENT);
    assert.deepEqual(house.job(id).runs, []);
    await house.answer(first.sessionID, "done");
    assert.equal(house.host.calls.get("createSession"), 1);
    assert.equal(house.host.prompts.length, 1);
    assert.equal((await house.launch({ parentSessionID })).status, "running");
  });

  void it("while its session is being created: is never prompted", async () => {
    const house = new House({ options: { maxRunning: 1 } });
    const created = house.host.block("createSession");
    const launching = house.launch({ parentSessionID: house.host.addRoot() });
    await settle();
    const [job] = house.tasks.list();
    await house.tasks.cancel([job?.id ?? ""], "cancelled_by_agent");
    created.resolve();
    const { id } = await launching;
    await settle();
    assert.equal(house.outcome(id), BY_AGENT);
    assert.equal(house.host.prompts.length, 0);
    assert.equal(house.ends.get(id), 1);
  });

  void it("while the limits of its session are being checked: is not prompted again", async () => {
    const house = new House({ options: { maxRunning: 1 } });
    const { id, next } = await house.continuedAfter(house.host.addRoot());
    const before = house.host.prompts.length;
    const gate = house.host.block("session");
    await next();
    await house.tasks.cancel([id], "cancelled_by_agent");
    gate.resolve();
    await settle();
    assert.equal(house.outcome(id), BY_AGENT);
    assert.equal(house.host.prompts.length, before);
    assert.equal(house.ends.get(id), 2);
  });

  void it("while its prompt is on its way: what starts all the same is aborted, and the slot is free at once", async () => {
    const house = new House({ options: { maxRunning: 1 } });
    const parentSessionID = house.host.addRoot();
    const gate = house.host.block("prompt");
    const launching = house.launch({ parentSessionID });
    await settle();
    const [job] = house.tasks.list();
    const id = job?.id ?? "";
    await house.tasks.cancel([id], "cancelled_by_agent");
    assert.equal(house.outcome(id), BY_AGENT);
    assert.equal(house.host.aborted.length, 1);
    await launching;
    const next = house.launch({ parentSessionID });
    await settle();
    assert.equal(house.host.calls.get("createSession"), 2);
    gate.resolve();
    await next;
    await settle();
    assert.equal(house.host.aborted.length, 2);
    assert.equal(house.outcome(id), BY_AGENT);
  });

  void it("while its prompt is on its way, which then fails: is cancelled, not failed", async () => {
    const house = new House();
    const prompting = house.host.block("prompt");
    const aborting = house.host.block("abort");
    const launching = house.launch({ parentSessionID: house.host.addRoot() });
    await settle();
    const id = house.tasks.list()[0]?.id ?? "";
    const cancelling = house.tasks.cancel([id], "cancelled_by_agent");
    house.host.fail("prompt", 1);
    prompting.resolve();
    await launching;
    aborting.resolve();
    await cancelling;
    assert.equal(house.outcome(id), BY_AGENT);
  });

  void it("while it is being stopped takes no further instruction", async () => {
    const house = new House();
    const { id, sessionID } = await house.child({ parentSessionID: house.host.addRoot() });
    house.busy(sessionID);
    const cancelling = house.tasks.cancel([id], "cancelled_by_agent");
    await settle();
    await assert.rejects(house.tasks.resume(id, "more", {}), /is being ended/u);
    assert.equal(house.host.prompts.length, 1);
    house.idle(sessionID);
    await cancelling;
    assert.equal(house.outcome(id), BY_AGENT);
  });

  void it("while a further instruction is on its way: what that starts is aborted, too", async () => {
    const house = new House();
    const { id, sessionID } = await house.child({ parentSessionID: house.host.addRoot() });
    house.busy(sessionID);
    const prompting = house.host.block("prompt");
    const instructing = house.tasks.resume(id, "more", {});
    await settle();
    const cancelling = house.tasks.cancel([id], "cancelled_by_agent");
    await settle();
    assert.equal(house.host.aborted.length, 1);
    // Stored after the abort: the host begins a turn with it.
    prompting.resolve();
    await instructing;
    assert.equal(house.host.aborted.length, 2);
    house.idle(sessionID);
    await cancelling;
    assert.equal(house.outcome(id), BY_AGENT);
  });
});
