/** What an earlier host left in the outbox reaches its session once, however far its sending had come. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { family, MINUTE } from "./family.js";
import { process } from "./jobs.js";

void describe("an entry", () => {
  void it("of an earlier host is delivered once its session is used", async () => {
    const { house, parent, child, owed } = await family();
    parent.esc();
    await house.answer(child.sessionID, "done");
    const left = house.notices.outbox.all();
    house.notices.outbox.clear(parent.id);
    house.notices.outbox.adopt(left);
    assert.equal(owed().length, 1);
    await parent.types();
    await parent.run();
    assert.deepEqual(parent.told(child.id), { times: 1, read: true });
    assert.deepEqual(owed(), []);
  });

  void it("of an earlier host is delivered at once to a used session in which nothing happens any more", async () => {
    const { house, parent, child } = await family();
    parent.esc();
    await house.answer(child.sessionID, "done");
    const left = house.notices.outbox.all();
    house.notices.outbox.clear(parent.id);
    await parent.types();
    await parent.run();
    house.notices.outbox.adopt(left);
    await house.clock.advance(200);
    assert.equal(house.promptsTo(parent.id).length, 1);
  });

  void it("of an earlier host for a subagent that is not ours goes to its parent, unless it is at work again", async () => {
    const { house, parent } = await family();
    const [idle, busy] = [1, 2].map(() => house.host.addSession({ parentID: parent.id }));
    assert.ok(idle !== undefined && busy !== undefined);
    for (const native of [idle, busy]) {
      const more = { parentSessionID: native, rootSessionID: parent.id, status: "failed" as const };
      const job = process({ id: `proc_${native}`, ...more });
      house.jobs.add(job);
      house.notices.outbox.add(job, "ended");
    }
    house.busy(busy);
    await house.notices.findRecipients();
    assert.deepEqual(
      house.notices.outbox.all().map(({ parentSessionID, jobID }) => [jobID, parentSessionID]),
      [
        [`proc_${busy}`, busy],
        [`proc_${idle}`, parent.id],
      ],
    );
  });

  for (const [stored, attempts] of [
    [true, 0],
    [true, 1],
    [false, 0],
    [false, 1],
  ] as const) {
    void it(`that an earlier host was sending (${attempts}) ${stored ? "and stored" : "and never stored"} is told once`, async () => {
      const { house, parent, child, owed } = await family();
      parent.esc();
      await house.answer(child.sessionID, "done");
      const [entry] = house.notices.outbox.all();
      assert.ok(entry);
      const messageID = house.host.newMessageID();
      const sentAt = new Date(house.clock.now());
      house.notices.outbox.clear(parent.id);
      house.notices.outbox.adopt([
        { ...entry, carrier: { messageID, own: true, sentAt, attempts } },
      ]);
      if (stored) house.host.addUser(parent.id, { id: messageID, text: child.id, real: false });
      await parent.types();
      await parent.run();
      await house.clock.advance(MINUTE);
      await parent.run();
      assert.deepEqual(parent.told(child.id), { times: 1, read: true });
      assert.deepEqual(owed(), []);
    });
  }

  void it("of version 0.1.0, which kept no words of an end, names the call that reads them", async () => {
    const { house, parent, child } = await family();
    parent.esc();
    await house.answer(child.sessionID, "done");
    const left = house.notices.outbox.all().map((entry) => ({ ...entry, quote: undefined }));
    house.notices.outbox.clear(parent.id);
    house.notices.outbox.adopt(left);
    await parent.types();
    const call = `to read its result: getBackgroundTask({"taskId":"${child.id}"})`;
    assert.equal(parent.told(call).times, 1);
  });
});
