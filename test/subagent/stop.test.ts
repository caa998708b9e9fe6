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

  for (const [what, request] of [
    ["its session is being created", "createSession"],
    ["its limits are being checked", "session"],
  ] as const) {
    void it(`while ${what}: is never prompted`, async () => {
      const house = new House({ options: { maxRunning: 1 } });
      const created = house.host.block("createSession");
      const launching = house.launch({ parentSessionID: house.host.addRoot() });
      await settle();
      const gate = request === "createSession" ? created : house.host.block(request);
      if (gate !== created) created.resolve();
      await settle();
      const [job] = house.tasks.list();
      await house.tasks.cancel([job?.id ?? ""], "cancelled_by_agent");
      gate.resolve();
      const { id } = await launching;
      await settle();
      assert.equal(house.outcome(id), BY_AGENT);
      assert.equal(house.host.prompts.length, 0);
      assert.equal(house.ends.get(id), 1);
    });
  }

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
    const { id, sessionID } = await house.child({ parentSessionID: house.host.addRoot() });
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

void describe("an instance that closes", () => {
  void it("ends every task with host_exit, aborts each session and leaves no timer", async () => {
    const house = new House({ options: { maxRunning: 2 } });
    const parentSessionID = house.host.addRoot();
    const one = await house.child({ parentSessionID });
    const two = await house.child({ parentSessionID });
    const waiting = await house.launch({ parentSessionID });
    house.step(one.sessionID, { completed: false });
    house.host.fail("messages");
    house.idle(two.sessionID);
    void house.tasks.cancel([one.id], "cancelled_by_agent");
    await settle();
    await house.tasks.dispose();
    house.notices.dispose();
    for (const { id } of [one, two, waiting]) {
      assert.equal(house.outcome(id), "cancelled · host_exit");
    }
    assert.equal(house.job(two.id).runs[0]?.endReason, "host_exit");
    assert.ok([one, two].every(({ sessionID }) => house.host.aborted.includes(sessionID)));
    await settle();
    assert.equal(house.clock.pending, 0);
    await house.tasks.dispose();
  });

  void it("starts nothing that was being looked at", async () => {
    const house = new House();
    const parentSessionID = house.host.addRoot();
    const { id, sessionID } = await house.child({ parentSessionID });
    await house.answer(sessionID, "done");
    const looking = house.host.block("agents");
    const starting = [house.launch({ parentSessionID }), house.tasks.resume(id, "more", {})].map(
      (start) => assert.rejects(start, /nothing was started/u),
    );
    await settle();
    await house.tasks.dispose();
    looking.resolve();
    await Promise.all(starting);
    assert.equal(house.outcome(id), "completed · finished");
    assert.equal(house.jobs.size, 1);
    assert.equal(house.host.prompts.length, 1);
  });

  void it("does not wait for a host that never answers", async () => {
    const house = new House();
    const { id } = await house.child({ parentSessionID: house.host.addRoot() });
    house.host.block("abort");
    const closing = house.tasks.dispose();
    await house.clock.advance(2_000);
    await closing;
    assert.equal(house.outcome(id), "cancelled · host_exit");
    assert.equal(house.clock.pending, 0);
  });
});
