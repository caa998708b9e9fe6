/** What the user types takes waiting notices along, and is never overtaken or held up by them. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { deferred } from "../../fixtures/deferred.js";
import { settle } from "../fakes/clock.js";
import { family, familyAtRest, MINUTE } from "./family.js";

void describe("a message that the user types", () => {
  void it("takes along what waits, and the answer to it is the receipt", async () => {
    const { house, parent, job, prompts } = await familyAtRest();
    await parent.types("and now");
    await house.clock.advance(MINUTE);
    assert.equal(prompts().length, 0);
    assert.equal(house.notices.outbox.all().length, 1);
    await parent.run();
    assert.deepEqual(house.notices.outbox.all(), []);
    assert.deepEqual(parent.told(job(0)), { times: 1, read: true });
  });

  void it("takes along also what was just being prepared for a message of ours", async () => {
    const { house, parent, job, prompts } = await familyAtRest();
    const looking = house.host.block("session");
    await house.clock.advance(200);
    const typing = parent.types();
    await settle();
    looking.resolve();
    await typing;
    await parent.run();
    await house.clock.advance(MINUTE);
    assert.equal(prompts().length, 0);
    assert.deepEqual(parent.told(job(0)), { times: 1, read: true });
  });

  void it("is stored before anything of ours is sent, however long another plugin takes", async () => {
    const { house, parent, finish, job, prompts } = await family();
    await parent.run();
    const stored = deferred<void>();
    const typing = parent.types("and now", { stored: stored.promise });
    await settle();
    await finish(0);
    await house.clock.advance(30_000);
    assert.equal(prompts().length, 0);
    stored.resolve();
    await typing;
    await house.clock.advance(200);
    assert.equal(prompts().length, 1);
    await parent.run();
    assert.deepEqual(parent.told(job(0)), { times: 1, read: true });
  });

  void it("takes along what was just being saved for a message of ours, and is stored first", async () => {
    const { house, parent, job, prompts } = await familyAtRest();
    const saved = deferred<void>();
    house.save = () => saved.promise;
    await house.clock.advance(200);
    const stored = deferred<void>();
    const typing = parent.types("and now", { stored: stored.promise });
    await settle();
    saved.resolve();
    await house.clock.advance(30_000);
    assert.equal(prompts().length, 0);
    stored.resolve();
    await typing;
    await parent.run();
    await house.clock.advance(MINUTE);
    assert.equal(prompts().length, 0);
    assert.deepEqual(parent.told(job(0)), { times: 1, read: true });
  });

  void it("in another agent is not followed by one of ours in the agent before", async () => {
    const { house, parent, finish, job, sent } = await family(2);
    await parent.run();
    const saved = deferred<void>();
    house.save = () => saved.promise;
    await finish(0);
    await house.clock.advance(200);
    const typing = parent.types("only look", { agent: "plan" });
    await settle();
    await finish(1);
    saved.resolve();
    await typing;
    await parent.run();
    await house.clock.advance(200);
    await parent.run();
    for (const index of [0, 1])
      assert.deepEqual(parent.told(`id="${job(index)}"`), { times: 1, read: true });
    assert.deepEqual(
      sent().map(({ agent }) => agent),
      ["plan"],
    );
  });

  void it("that never arrives does not hold up the notices for more than a minute", async () => {
    const { house, parent, finish, prompts } = await family();
    await parent.run();
    void parent.types("lost", { stored: new Promise(() => undefined) });
    await settle();
    await finish(0);
    await house.clock.advance(MINUTE - 1);
    assert.equal(prompts().length, 0);
    await house.clock.advance(1);
    assert.equal(prompts().length, 1);
  });

  void it("is not held up for more than 1 s by a disk that hangs", async () => {
    const { house, parent, job } = await familyAtRest();
    house.save = () => new Promise(() => undefined);
    const typing = parent.types();
    await house.clock.advance(1_000);
    await typing;
    assert.ok(parent.stored.at(-1)?.text.includes(job(0)));
  });

  void it("tells again what was told by messages that are undone for good, but not of their own jobs", async () => {
    const { house, parent, child, finish, job } = await family(3);
    house.jobs.updateSubagent(child.id, { parentMessageID: parent.stored[0]?.id });
    parent.esc();
    for (const index of [0, 1]) await finish(index);
    const before = parent.stored.length;
    await parent.types("typed wrogn");
    parent.step();
    const undone = parent.stored[before]?.id ?? "";
    house.jobs.updateSubagent(job(1), { parentMessageID: undone });
    parent.esc();
    await finish(2);
    assert.deepEqual(parent.told(job(0)), { times: 1, read: true });
    house.event({ type: "reverted", sessionID: parent.id, messageID: undone });
    // The host takes them away with the next message, before it asks the hook.
    house.host.sessions.get(parent.id)?.messages.splice(before);
    await parent.types("typed right");
    await parent.run();
    const told = [0, 1, 2].map((index) => parent.told(`id="${job(index)}"`).times);
    assert.deepEqual(told, [1, 0, 1]);
    house.event({ type: "reverted", sessionID: parent.id, messageID: undone });
    await parent.types("taken back, after another undo");
    await parent.run();
    assert.equal(parent.told(`id="${job(0)}"`).times, 1);
    assert.deepEqual(house.notices.outbox.all(), []);
  });

  void it("that no person typed carries nothing", async () => {
    const { house, parent } = await familyAtRest();
    const message = { sessionID: parent.id, messageID: "msg_x", typed: false };
    assert.equal(await house.notices.userMessage(message), undefined);
  });
});
