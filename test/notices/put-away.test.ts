/** Sessions that are not woken for a while: archived ones, and those whose user has undone messages. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { family, familyAtRest, MINUTE } from "./family.js";

function session({ house, parent }: Awaited<ReturnType<typeof family>>) {
  const found = house.host.sessions.get(parent.id);
  assert.ok(found);
  return found;
}

void describe("an archived session", () => {
  void it("is not woken; what it is owed is attached to its user's next message", async () => {
    const all = await familyAtRest();
    const { house, parent, job, prompts } = all;
    session(all).info.archived = true;
    await house.clock.advance(60 * MINUTE);
    assert.deepEqual(prompts(), []);
    assert.equal(house.clock.pending, 0, "nothing is tried");
    assert.ok((house.host.calls.get("session") ?? 0) < 5);
    await parent.types();
    await parent.run();
    assert.deepEqual(parent.told(`id="${job(0)}"`), { times: 1, read: true });
    assert.deepEqual(prompts(), []);
  });

  void it("that is archived while its notice is prepared is not woken either", async () => {
    const all = await familyAtRest();
    const looking = all.house.host.block("session");
    await all.house.clock.advance(200);
    session(all).info.archived = true;
    looking.resolve();
    await all.house.clock.advance(60 * MINUTE);
    assert.deepEqual(all.prompts(), []);
    assert.equal(all.house.notices.outbox.all()[0]?.carrier, undefined);
  });

  void it("is told at once when its user takes it back", async () => {
    const all = await familyAtRest();
    const { house, parent, prompts } = all;
    session(all).info.archived = true;
    await house.clock.advance(MINUTE);
    session(all).info.archived = false;
    house.event({ type: "updated", sessionID: parent.id, archived: false });
    await house.clock.advance(200);
    assert.equal(prompts().length, 1);
  });

  void it("is told while it works: its user has started that run", async () => {
    const all = await family();
    const { house, parent, finish, prompts } = all;
    session(all).info.archived = true;
    house.event({ type: "updated", sessionID: parent.id, archived: true });
    parent.step();
    await finish(0);
    await house.clock.advance(200);
    assert.equal(prompts().length, 1);
  });
});

void it("a session whose user takes an undo back is told at once", async () => {
  const all = await family();
  const { house, parent, finish, prompts } = all;
  await parent.run();
  const messageID = parent.stored.at(-2)?.id ?? "";
  session(all).info.revertedFrom = messageID;
  house.event({ type: "reverted", sessionID: parent.id, messageID });
  await finish(0);
  await house.clock.advance(60 * MINUTE);
  assert.deepEqual(prompts(), []);
  session(all).info.revertedFrom = undefined;
  house.event({ type: "updated", sessionID: parent.id, archived: false });
  await house.clock.advance(200);
  assert.equal(prompts().length, 1);
});

void it("what ends while a message is being attached waits for the answer to that message, however long", async () => {
  const { house, parent, finish, prompts } = await family(2);
  await parent.run();
  await finish(0);
  house.save = () => new Promise(() => undefined);
  const typing = parent.types("and now");
  await finish(1);
  await house.clock.advance(1_000);
  await typing;
  house.save = () => Promise.resolve();
  parent.step = () => undefined;
  const before = house.host.calls.get("busySessions") ?? 0;
  await house.clock.advance(29_000);
  assert.equal(house.host.calls.get("busySessions"), before);
  await house.clock.advance(2_000);
  assert.equal(house.host.calls.get("busySessions"), before + 1, "the answer is looked for");
  await house.clock.advance(10 * MINUTE);
  assert.deepEqual(prompts(), [], "one is under way");
});
