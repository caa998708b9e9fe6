/** A user's ESC keeps notices back until that user types. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { family, MINUTE } from "./family.js";

void describe("a parent whose user pressed ESC", () => {
  void it("is left alone until its user types, and then told everything in the same turn", async () => {
    const { house, parent, finish, job, prompts } = await family(3);
    parent.esc();
    assert.deepEqual(house.stoppedByUser, [parent.id]);
    for (const index of [0, 1, 2]) await finish(index);
    await house.clock.advance(60 * MINUTE);
    assert.equal(prompts().length, 0);
    assert.equal(house.clock.pending, 0, "nothing is tried");
    await parent.types("go on");
    assert.equal(prompts().length, 0);
    const typed = parent.stored.findLast(({ role }) => role === "user");
    for (const index of [0, 1, 2]) assert.ok(typed?.text.includes(job(index)));
    await parent.run();
    await house.clock.advance(MINUTE);
    for (const index of [0, 1, 2])
      assert.deepEqual(parent.told(job(index)), { times: 1, read: true });
    assert.equal(prompts().length, 0);
    assert.deepEqual(house.notices.outbox.all(), []);
  });

  void it("while the host waits to ask its provider again is left alone, too", async () => {
    const { house, parent, finish, job, prompts } = await family();
    parent.escInRetry();
    assert.deepEqual(house.stoppedByUser, [parent.id]);
    await finish(0);
    await house.clock.advance(60 * MINUTE);
    assert.equal(prompts().length, 0);
    await parent.types("go on");
    house.idle(parent.id);
    assert.deepEqual(house.stoppedByUser, [parent.id], "that run is an old story");
    await parent.run();
    assert.deepEqual(parent.told(job(0)), { times: 1, read: true });
  });

  void it("is told from a shell command that the user types: that stops nothing", async () => {
    const { house, parent, finish, prompts } = await family(2, { onParentAbort: "cancel" });
    await parent.run();
    parent.shell();
    assert.deepEqual(house.stoppedByUser, []);
    await finish(0);
    await house.clock.advance(200);
    assert.equal(prompts().length, 1);
    await parent.run();
    // A stop between two tries that is over does not make one of it either.
    parent.escInRetry();
    await parent.types();
    await parent.run();
    parent.shell();
    assert.deepEqual(house.stoppedByUser, [parent.id]);
    await finish(1);
    await house.clock.advance(200);
    assert.equal(prompts().length, 2);
  });

  void it("between the decision to send and the sending is not started again", async () => {
    const { house, parent, finish, prompts } = await family();
    parent.step();
    await finish(0);
    let saved = (): void => undefined;
    house.save = () => new Promise((resolve) => (saved = resolve));
    await house.clock.advance(200);
    parent.esc();
    saved();
    await house.clock.advance(MINUTE);
    assert.equal(prompts().length, 0);
    house.save = () => Promise.resolve();
    await parent.types();
    await parent.run();
    assert.deepEqual(house.notices.outbox.all(), []);
  });

  void it("with a message of ours unread is not started again; the user's turn reads it", async () => {
    const { house, parent, finish, job, prompts } = await family();
    parent.step();
    await finish(0);
    await house.clock.advance(200);
    assert.equal(prompts().length, 1);
    // What the host aborts is the step that answers the message before ours.
    const aborted = house.host.addAssistant(parent.id, {
      parentID: parent.stored[1]?.id ?? "",
      error: { name: "MessageAbortedError", message: "Aborted" },
    });
    house.event({ type: "assistant", sessionID: parent.id, message: aborted });
    house.idle(parent.id);
    const before = house.host.prompts.length;
    await house.clock.advance(10 * MINUTE);
    assert.equal(house.host.prompts.length, before);
    await parent.types();
    await parent.run();
    assert.deepEqual(parent.told(job(0)), { times: 1, read: true });
    assert.deepEqual(house.notices.outbox.all(), []);
  });

  void it("while another message of the user's waited is left alone, too", async () => {
    const { house, parent, finish, job, prompts } = await family();
    const running = house.host.addAssistant(parent.id, { completed: false, finish: undefined });
    house.event({ type: "assistant", sessionID: parent.id, message: running });
    await parent.types("one more thing");
    const message = { ...running, error: { name: "MessageAbortedError", message: "Aborted" } };
    house.event({ type: "assistant", sessionID: parent.id, message });
    house.idle(parent.id);
    await finish(0);
    await house.clock.advance(MINUTE);
    assert.equal(prompts().length, 0);
    await parent.types("go on");
    await parent.run();
    assert.deepEqual(parent.told(job(0)), { times: 1, read: true });
  });

  void it("is not stopped again by an old abort that comes late", async () => {
    const { house, parent, finish, prompts } = await family();
    parent.esc();
    const old = parent.stored.at(-1);
    assert.ok(old?.role === "assistant");
    await parent.types();
    house.event({ type: "assistant", sessionID: parent.id, message: old });
    await parent.run();
    await finish(0);
    await house.clock.advance(200);
    assert.equal(prompts().length, 1);
    assert.equal(house.stoppedByUser.length, 1);
  });
});
