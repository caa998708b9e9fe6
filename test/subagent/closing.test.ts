import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { settle } from "../fakes/clock.js";
import { House } from "../fakes/house.js";

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
    assert.deepEqual(
      house.notices.outbox.pending(parentSessionID).map(({ jobID, kind }) => [jobID, kind]),
      [one, two, waiting].map(({ id }) => [id, "ended"]),
      "its next instance tells them",
    );
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
    house.notices.dispose();
    assert.equal(house.clock.pending, 0);
  });
});
