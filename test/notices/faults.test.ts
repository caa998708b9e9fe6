/** A delivery whose host, disk, job, parent or instance fails or goes away. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { settle } from "../fakes/clock.js";
import { House } from "../fakes/house.js";
import { aSubagent } from "../../fixtures/jobs.js";
import { process } from "./jobs.js";
import { family, familyAtRest, MINUTE } from "./family.js";

void describe("what goes wrong on the way", () => {
  for (const method of ["session", "messages", "prompt", "busySessions"] as const) {
    void it(`${method} fails for a while: told once all the same`, async () => {
      const { house, parent, job } = await familyAtRest();
      house.host.fail(method);
      await house.clock.advance(10 * MINUTE);
      const calls = house.host.calls.get(method) ?? 0;
      assert.ok(calls < 200, `${calls} calls`);
      house.host.heal(method);
      for (let round = 0; round < 6; round++) {
        await house.clock.advance(5 * MINUTE);
        await parent.run();
      }
      assert.deepEqual(parent.told(`id="${job(0)}"`), { times: 1, read: true });
      assert.deepEqual(house.notices.outbox.all(), []);
    });
  }

  void it("a state that cannot be saved does not keep a notice back", async () => {
    const { house, parent, finish, prompts } = await family();
    await parent.run();
    house.save = () => Promise.reject(new Error("disk full"));
    await finish(0);
    await house.clock.advance(200);
    assert.equal(prompts().length, 1);
  });

  void it("a job whose record was removed is not told of in an empty message", async () => {
    const { house, parent, prompts } = await family();
    await parent.run();
    const job = process({ parentSessionID: parent.id });
    house.jobs.add(job);
    house.notices.announce(job, "output", "hello");
    house.jobs.remove(job.id);
    await house.clock.advance(MINUTE);
    assert.deepEqual(prompts(), []);
    assert.deepEqual(house.notices.outbox.all(), []);
  });

  void it("a parent without a message of a user is not asked about in a loop", async () => {
    const { house, parent, finish } = await family();
    await parent.run();
    house.host.sessions.get(parent.id)?.messages.splice(0);
    await finish(0);
    await house.clock.advance(10 * MINUTE);
    const calls = house.host.calls.get("messages") ?? 0;
    assert.ok(calls < 100, `${calls} calls`);
    await parent.types();
    await parent.run();
    assert.deepEqual(house.notices.outbox.all(), []);
  });

  void it("a deleted parent: its notices are dropped, with a log line", async () => {
    const { house, parent, prompts } = await familyAtRest();
    house.host.sessions.delete(parent.id);
    await house.clock.advance(MINUTE);
    assert.equal(prompts().length, 0);
    assert.deepEqual(house.notices.outbox.all(), []);
    assert.deepEqual(house.logs("info"), ["notices dropped: their session was deleted"]);
    assert.equal(house.clock.pending, 0);
  });

  void it("a session whose user has undone messages: a prompt would take them away for good", async () => {
    const { house, parent, finish, job, prompts } = await family(2);
    await parent.run();
    const session = house.host.sessions.get(parent.id);
    assert.ok(session);
    const { info } = session;
    const undo = () => (session.info = { ...info, revertedFrom: parent.stored.at(-2)?.id });
    undo();
    await finish(0);
    await house.clock.advance(MINUTE);
    assert.equal(prompts().length, 0);
    // The user takes it back.
    session.info = info;
    await house.clock.advance(5 * MINUTE);
    await parent.run();
    assert.deepEqual(parent.told(`id="${job(0)}"`), { times: 1, read: true });
    undo();
    await finish(1);
    await house.clock.advance(MINUTE);
    // The user goes on from there.
    session.info = info;
    await parent.types("something else");
    await parent.run();
    assert.deepEqual(parent.told(`id="${job(1)}"`), { times: 1, read: true });
    assert.equal(prompts().length, 1);
  });

  void it("a session in which something is undone while a notice for it is prepared", async () => {
    const { house, parent, job, prompts } = await familyAtRest();
    const session = house.host.sessions.get(parent.id);
    assert.ok(session);
    const { info } = session;
    const preparing = house.host.block("messages");
    await house.clock.advance(200);
    const messageID = parent.stored.at(-2)?.id ?? "";
    session.info = { ...info, revertedFrom: messageID };
    house.event({ type: "reverted", sessionID: parent.id, messageID });
    preparing.resolve();
    await house.clock.advance(MINUTE);
    assert.equal(prompts().length, 0);
    session.info = info;
    await parent.types("something else");
    await parent.run();
    assert.deepEqual(parent.told(`id="${job(0)}"`), { times: 1, read: true });
  });

  void it("a notice of an earlier host without the record of its job says nothing", async () => {
    const { house, parent, prompts } = await family();
    await parent.run();
    const createdAt = new Date(house.clock.now());
    const lost = { id: "ntc_1", parentSessionID: parent.id, jobID: "bg_lost", createdAt };
    house.notices.outbox.adopt([{ ...lost, kind: "ended" }]);
    await parent.types("go on");
    assert.equal(parent.stored.findLast(({ role }) => role === "user")?.text, "go on");
    await parent.run();
    await house.clock.advance(MINUTE);
    assert.equal(prompts().length, 0);
    assert.deepEqual(house.notices.outbox.all(), []);
  });

  void it("a parent that launches is in use, though nothing else is heard of it", async () => {
    const house = new House();
    const root = house.host.addRoot();
    const { id, sessionID } = await house.child({ parentSessionID: root });
    await house.answer(sessionID, "done");
    await house.clock.advanceUntil(() => house.promptsTo(root).length > 0, MINUTE);
    assert.ok(house.promptsTo(root)[0]?.includes(id));
  });

  void it("a parent that was not used since the start is not woken", async () => {
    const house = new House();
    const root = house.host.addRoot();
    const before = new Date(house.clock.now());
    const task = aSubagent({ parentSessionID: root, rootSessionID: root, createdAt: before });
    const { id } = task;
    house.jobs.add(task);
    await house.tasks.recover(task, before);
    assert.equal(house.outcome(id), "failed · interrupted");
    await house.clock.advance(MINUTE);
    assert.deepEqual(house.promptsTo(root), []);
    house.notices.used(root);
    house.busy(root);
    await house.clock.advance(MINUTE);
    assert.equal(house.promptsTo(root).length, 1);
    assert.ok(house.promptsTo(root)[0]?.includes(id));
  });

  void it("an instance that closes sends nothing more and leaves no timer", async () => {
    const { house, prompts } = await familyAtRest();
    const gate = house.host.block("session");
    await house.clock.advance(200);
    house.notices.dispose();
    gate.resolve();
    await settle();
    await house.clock.advance(10_000);
    assert.equal(prompts().length, 0);
    assert.equal(house.clock.pending, 0);
  });
});
