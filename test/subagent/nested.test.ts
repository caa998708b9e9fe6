import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { settle } from "../fakes/clock.js";
import { aProcess } from "../../fixtures/jobs.js";
import { House } from "../fakes/house.js";

/** A child of a root session and a subagent of its own. */
async function family(options: House["options"] | object = {}) {
  const house = new House({ options: { maxDepth: 2, ...options } });
  const root = house.host.addRoot();
  house.busy(root);
  const child = await house.child({ parentSessionID: root, description: "child" });
  house.step(child.sessionID, { finish: "tool-calls" });
  const nested = await house.child({
    parentSessionID: child.sessionID,
    description: "nested",
    prompt: "a part of it",
  });
  house.busy(nested.sessionID);
  return { house, root, child, nested };
}

void describe("a child with subagents of its own", () => {
  void it("completes only after they ended and their notice was answered", async () => {
    const { house, child, nested } = await family();
    await house.answer(child.sessionID, "I wait for the part.");
    assert.equal(house.outcome(child.id), "running");
    await house.answer(nested.sessionID, "The part.");
    assert.equal(house.outcome(nested.id), "completed · finished");
    house.idle(child.sessionID);
    await settle();
    assert.equal(house.outcome(child.id), "running", "the notice is still to come");
    await house.clock.advance(1_000);
    const [, notice = ""] = house.promptsTo(child.sessionID);
    assert.match(notice, new RegExp(nested.id, "u"));
    assert.match(notice, /^\| The part\.$/mu);
    await house.answer(child.sessionID, "The whole.");
    assert.equal(house.outcome(child.id), "completed · finished");
    assert.equal((await house.tasks.result(house.job(child.id))).text, "The whole.");
    assert.equal(house.ends.get(child.id), 1);
  });

  for (const wake of ["all", "none"] as const) {
    void it(`is woken by them although its parent wants wake: "${wake}"`, async () => {
      const { house, child, nested } = await family({ wake });
      await house.answer(child.sessionID, "I wait for the part.");
      await house.answer(nested.sessionID, "The part.");
      await house.clock.advance(1_000);
      assert.equal(house.promptsTo(child.sessionID).length, 2);
      await house.answer(child.sessionID, "The whole.");
      assert.equal(house.outcome(child.id), "completed · finished");
    });
  }

  void it("is not stalled while it waits for them", async () => {
    const { house, child, nested } = await family({ stallAction: "cancel" });
    await house.answer(child.sessionID, "I wait for the part.");
    for (let minute = 0; minute < 30; minute++) {
      await house.clock.advance(60_000);
      house.busy(nested.sessionID);
    }
    assert.equal(house.outcome(child.id), "running");
    assert.equal(house.job(child.id).stalledSince, undefined);
    await house.answer(nested.sessionID, "The part.");
    await house.clock.advance(6_000);
    assert.equal(house.job(child.id).stalledSince, undefined);
  });

  void it("takes them along when it is cancelled, and only its own end is told", async () => {
    const { house, root, child, nested } = await family();
    house.host.onAbort = (sessionID) => house.idle(sessionID);
    await house.tasks.cancel([child.id], "cancelled_by_user");
    assert.equal(house.outcome(nested.id), "cancelled · cancelled_by_user");
    assert.equal(house.outcome(child.id), "cancelled · cancelled_by_user");
    assert.deepEqual(house.host.aborted, [child.sessionID, nested.sessionID]);
    assert.deepEqual(
      house.notices.outbox.all().map(({ parentSessionID, jobID }) => [parentSessionID, jobID]),
      [[root, child.id]],
    );
  });

  void it("is cancelled: what its global process has to say goes to its parent", async () => {
    const { house, root, child } = await family();
    const { rootSessionID } = house.job(child.id);
    const server = aProcess({ parentSessionID: child.sessionID, rootSessionID, global: true });
    house.jobs.add(server);
    house.host.onAbort = (sessionID) => house.idle(sessionID);
    house.endProcesses = async () => {
      if (!house.notices.outbox.has(server.id))
        house.notices.announce(server, "ready", "listening");
    };
    await house.tasks.cancel([child.id], "cancelled_by_user");
    const owed = house.notices.outbox.pending(root).map(({ jobID, kind }) => `${jobID} ${kind}`);
    assert.deepEqual(owed.toSorted(), [`${child.id} ended`, `${server.id} ready`].toSorted());
  });

  void it("fails at once when it fails, whatever they do, and their results go to its parent", async () => {
    const { house, root, child, nested } = await family();
    await house.answer(child.sessionID, {
      error: { name: "APIError", message: "no", status: 400 },
    });
    assert.equal(house.outcome(child.id), "failed · error");
    await house.answer(nested.sessionID, "The part.");
    assert.equal(house.outcome(nested.id), "completed · finished");
    const owed = house.notices.outbox.pending(root).map(({ jobID }) => jobID);
    assert.deepEqual(owed.toSorted(), [child.id, nested.id].toSorted());
  });

  void it("waits for a command that was moved out of its bash, and is not stalled by it", async () => {
    const house = new House({ options: { stallAction: "cancel" } });
    const root = house.host.addRoot();
    house.busy(root);
    const child = await house.child({ parentSessionID: root });
    const { rootSessionID } = house.job(child.id);
    const command = aProcess({
      parentSessionID: child.sessionID,
      rootSessionID,
      fromBash: "moved",
    });
    house.jobs.add(command);
    await house.answer(child.sessionID, "It builds, I do not wait.");
    await house.clock.advance(30 * 60_000);
    assert.equal(house.outcome(child.id), "running");
    assert.equal(house.job(child.id).stalledSince, undefined);
    house.jobs.end(command.id, { status: "completed", reason: "finished", at: new Date(0) });
    house.idle(child.sessionID);
    await settle();
    assert.equal(house.outcome(child.id), "running", "the notice is still to come");
    await house.clock.advance(1_000);
    assert.match(house.promptsTo(child.sessionID).at(-1) ?? "", new RegExp(command.id, "u"));
    await house.answer(child.sessionID, "It is built.");
    assert.equal(house.outcome(child.id), "completed · finished");
    assert.equal((await house.tasks.result(house.job(child.id))).text, "It is built.");
  });

  void it("does not wait for the processes that it left running", async () => {
    const house = new House();
    const { id, sessionID } = await house.child({ parentSessionID: house.host.addRoot() });
    const { rootSessionID } = house.job(id);
    house.jobs.add(aProcess({ parentSessionID: sessionID, rootSessionID }));
    await house.answer(sessionID, "It runs.");
    assert.equal(house.outcome(id), "completed · finished");
  });
});
