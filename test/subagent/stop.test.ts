import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { settle } from "../fakes/clock.js";
import { House } from "../fakes/house.js";

const BY_AGENT = "cancelled · cancelled_by_agent";

/** A host that says idle as soon as it was asked to abort. */
function obedient(house: House): void {
  house.host.onAbort = (sessionID) => {
    const last = house.host.sessions.get(sessionID)?.messages.at(-1);
    if (last?.role === "assistant" && !last.completed) {
      last.completed = true;
      last.error = { name: "MessageAbortedError", message: "Aborted" };
    }
    house.idle(sessionID);
  };
}

void describe("a task that is cancelled", () => {
  void it("while it runs: keeps its session and its partial text", async () => {
    const house = new House();
    obedient(house);
    const { id, sessionID } = await house.child({ parentSessionID: house.host.addRoot() });
    house.step(sessionID, { text: "The beg", completed: false, finish: undefined });
    await house.tasks.cancel([id], "cancelled_by_agent");
    const job = house.job(id);
    assert.equal(house.outcome(id), BY_AGENT);
    assert.deepEqual(house.host.aborted, [sessionID]);
    assert.equal(job.partial, true);
    assert.equal(job.runs[0]?.endReason, "cancelled_by_agent");
    assert.equal((await house.tasks.result(job)).text, "The beg");
    assert.ok(house.host.sessions.has(sessionID));
    assert.deepEqual(house.endedProcesses, [sessionID]);
  });

  void it("waits until the host says that it is idle", async () => {
    const house = new House();
    const { id, sessionID } = await house.child({ parentSessionID: house.host.addRoot() });
    house.step(sessionID, { text: "The beg", completed: false });
    let done = false;
    const cancelling = house.tasks.cancel([id], "cancelled_by_agent").then(() => (done = true));
    await house.clock.advance(5_000);
    assert.equal(done, false);
    assert.equal(house.outcome(id), "running");
    house.idle(sessionID);
    await cancelling;
    assert.equal(house.outcome(id), BY_AGENT);
  });

  void it("that finished in the same moment stays completed", async () => {
    const house = new House();
    const { id, sessionID } = await house.child({ parentSessionID: house.host.addRoot() });
    house.step(sessionID, { text: "The answer." });
    house.host.busy.delete(sessionID);
    await house.tasks.cancel([id], "cancelled_by_agent");
    assert.equal(house.outcome(id), "completed · finished");
  });

  void it("twice: ends once, as the first one said", async () => {
    const house = new House();
    const { id, sessionID } = await house.child({
      parentSessionID: house.host.addRoot(),
      notify: false,
    });
    house.busy(sessionID);
    const first = house.tasks.cancel([id], "cancelled_by_agent");
    const second = house.tasks.cancel([id], "cancelled_by_user");
    await settle();
    house.idle(sessionID);
    await Promise.all([first, second]);
    await house.tasks.cancel([id], "cancelled_by_user");
    assert.equal(house.outcome(id), BY_AGENT);
    assert.equal(house.ends.get(id), 1);
    await house.clock.advance(5_000);
    assert.equal(house.clock.pending, 0);
  });

  for (const trouble of ["rejects", "hangs"] as const) {
    void it(`whose abort ${trouble}: ends after 10 s and says that it may still run`, async () => {
      const house = new House({ options: { maxRunning: 1 } });
      const parentSessionID = house.host.addRoot();
      const { id, sessionID } = await house.child({ parentSessionID });
      house.step(sessionID, { text: "The beg", completed: false });
      if (trouble === "rejects") house.host.fail("abort");
      else house.host.block("abort");
      let done = false;
      const cancelling = house.tasks.cancel([id], "cancelled_by_agent").then(() => (done = true));
      await house.clock.advance(9_900);
      assert.equal(done, false);
      await house.clock.advance(200);
      await cancelling;
      assert.equal(house.outcome(id), BY_AGENT);
      assert.match(house.job(id).error ?? "", /did not confirm the abort/u);
      assert.equal((await house.launch({ parentSessionID })).status, "running");
    });
  }

  void it("whose abort hangs: says nothing of a run that was begun meanwhile", async () => {
    const house = new House();
    const { id, sessionID } = await house.child({ parentSessionID: house.host.addRoot() });
    house.step(sessionID, { text: "The beg", completed: false });
    const gate = house.host.block("abort");
    const cancelling = house.tasks.cancel([id], "cancelled_by_agent");
    await settle();
    house.idle(sessionID);
    await settle();
    assert.equal(house.outcome(id), BY_AGENT);
    await house.tasks.resume(id, "again", {});
    await house.clock.advance(10_000);
    await cancelling;
    gate.resolve();
    await settle();
    assert.equal(house.outcome(id), "running");
    assert.equal(house.ends.get(id), 1);
  });

  void it("whose processes cannot be ended: is cancelled all the same", async () => {
    const house = new House();
    obedient(house);
    house.endProcesses = () => Promise.reject(new Error("no kill"));
    const { id, sessionID } = await house.child({ parentSessionID: house.host.addRoot() });
    house.busy(sessionID);
    await house.tasks.cancel([id], "cancelled_by_agent");
    assert.equal(house.outcome(id), BY_AGENT);
    assert.deepEqual(house.logs("warn"), ["what a subagent started could not be ended"]);
  });
});

void describe("a task that its user aborts", () => {
  void it("is cancelled by the user", async () => {
    const house = new House();
    const { id, sessionID } = await house.child({ parentSessionID: house.host.addRoot() });
    await house.answer(sessionID, {
      text: "The beg",
      error: { name: "MessageAbortedError", message: "Aborted" },
    });
    assert.equal(house.outcome(id), "cancelled · cancelled_by_user");
    assert.equal(house.job(id).partial, true);
  });
});

void describe("a deleted session", () => {
  void it("ends its own task, aborts its run, and the parent is told", async () => {
    const house = new House();
    const parentSessionID = house.host.addRoot();
    const { id, sessionID } = await house.child({ parentSessionID });
    house.busy(sessionID);
    house.host.sessions.delete(sessionID);
    house.event({ type: "deleted", sessionID });
    await settle();
    assert.equal(house.outcome(id), "cancelled · session_deleted");
    assert.deepEqual(house.host.aborted, [sessionID]);
    assert.equal(house.notices.outbox.pending(parentSessionID).length, 1);
  });

  void it("ends the running and the waiting tasks of a parent, and nothing is owed to it", async () => {
    const house = new House({ options: { maxRunning: 1 } });
    obedient(house);
    const parentSessionID = house.host.addRoot();
    const running = await house.child({ parentSessionID });
    const waiting = await house.launch({ parentSessionID });
    house.busy(running.sessionID);
    house.host.sessions.delete(parentSessionID);
    house.event({ type: "deleted", sessionID: parentSessionID });
    await settle();
    for (const { id } of [running, waiting]) {
      assert.equal(house.outcome(id), "cancelled · session_deleted");
      assert.equal(house.ends.get(id), 1);
    }
    await house.clock.advance(60_000);
    assert.deepEqual(house.notices.outbox.all(), []);
    assert.ok(house.logs("info").some((line) => line.includes("session was deleted")));
  });
});
