/** What counts as an answer to a notice, and what becomes of one that was not answered. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { settle } from "../fakes/clock.js";
import { family, familyAtRest, MINUTE } from "./family.js";

/** A parent at work that was sent a notice, and the id of a message that was begun before. */
async function sentAfterID() {
  const all = await family();
  const messageID = all.house.host.newMessageID();
  all.parent.step();
  await all.finish(0);
  await all.house.clock.advance(200);
  assert.equal(all.prompts().length, 1);
  return { ...all, messageID };
}

void describe("a receipt", () => {
  void it("is an answer to the carrier or to a later message, and no summary", async () => {
    const { house, parent, finish } = await family();
    parent.step();
    await finish(0);
    await house.clock.advance(200);
    parent.compact();
    assert.equal(house.notices.outbox.all().length, 1);
    await parent.types("later");
    await parent.run();
    assert.deepEqual(house.notices.outbox.all(), []);
  });

  void it("is no answer to a later message while the carrier is not stored", async () => {
    const { house, parent, job } = await familyAtRest();
    house.host.fail("prompt", 1);
    await house.clock.advance(200);
    // Another plugin's message, which no hook of ours saw.
    const message = house.host.addUser(parent.id, { real: false, text: "continue" });
    assert.equal(parent.unanswered[0], message.id);
    house.step(parent.id);
    house.idle(parent.id);
    await house.clock.advance(MINUTE);
    await parent.run();
    assert.deepEqual(parent.told(job(0)), { times: 1, read: true });
  });

  void it("is an answer to a message that was stored later, although its id is older", async () => {
    const { house, parent, messageID, sent } = await sentAfterID();
    await parent.types("meanwhile", { messageID });
    await parent.run();
    assert.deepEqual(house.notices.outbox.all(), []);
    await house.clock.advance(10 * MINUTE);
    assert.equal(sent().length, 1);
  });

  void it("is no answer to a message that was stored before the carrier, although its id is newer", async () => {
    const { house, parent } = await familyAtRest();
    const gate = house.host.block("prompt");
    await house.clock.advance(200);
    await parent.types("overtakes it");
    parent.step();
    assert.equal(house.notices.outbox.all().length, 1, "while it is on its way");
    gate.resolve();
    await settle();
    const step = parent.stored.findLast(({ role }) => role === "assistant");
    assert.ok(step?.role === "assistant");
    house.event({ type: "assistant", sessionID: parent.id, message: step });
    assert.equal(house.notices.outbox.all().length, 1, "that step had not read it");
    await parent.run();
    assert.deepEqual(house.notices.outbox.all(), []);
  });

  void it("that comes while its absence is being looked at starts no turn", async () => {
    const { house, parent, finish } = await family();
    await parent.run();
    parent.answersPrompts = false;
    await finish(0);
    await house.clock.advance(200);
    const before = house.host.prompts.length;
    // The second time for who speaks.
    const first = house.host.block("messages");
    await house.clock.advance(3_000);
    first.resolve();
    const second = house.host.block("messages");
    await settle();
    // Another plugin's prompt.
    house.host.addUser(parent.id, { real: false, text: "continue" });
    house.step(parent.id);
    house.idle(parent.id);
    assert.deepEqual(house.notices.outbox.all(), []);
    second.resolve();
    await house.clock.advance(MINUTE);
    assert.equal(house.host.prompts.length, before);
  });

  void it("is the same when only the stored messages tell of it", async () => {
    const { house, parent, messageID } = await sentAfterID();
    house.host.addUser(parent.id, { id: messageID, text: "meanwhile" });
    house.host.addAssistant(parent.id);
    await house.clock.advance(MINUTE);
    assert.deepEqual(house.notices.outbox.all(), []);
  });

  void it("that never came is asked for again with the same id and no text, ever more slowly, without end", async () => {
    const { house, parent, finish, job, prompts, sent } = await family();
    await parent.run();
    parent.answersPrompts = false;
    await finish(0);
    const kicks = () => sent().filter(({ text }) => !text);
    await house.clock.advance(200);
    await house.clock.advance(2_900);
    assert.equal(kicks().length, 0);
    await house.clock.advance(200);
    assert.equal(kicks().length, 1);
    await house.clock.advance(10 * MINUTE);
    const early = kicks().length;
    assert.ok(early >= 5 && early <= 10, `${early} kicks`);
    await house.clock.advance(60 * MINUTE);
    const late = kicks().length - early;
    assert.ok(late >= 10 && late <= 14, `${late} kicks in an hour`);
    assert.equal(new Set(kicks().map(({ messageID }) => messageID)).size, 1);
    assert.equal(prompts().length, 1);
    parent.answersPrompts = true;
    await house.clock.advance(6 * MINUTE);
    await parent.run();
    assert.deepEqual(parent.told(job(0)), { times: 1, read: true });
    assert.deepEqual(house.notices.outbox.all(), []);
  });

  void it("whose message got lost is sent anew, ever more slowly", async () => {
    const { house, parent, prompts } = await familyAtRest();
    const lose = () => {
      const stored = house.host.sessions.get(parent.id)?.messages ?? [];
      if (parent.unanswered.length > 0) stored.splice(-1);
      parent.end();
    };
    house.host.busy.delete(parent.id);
    parent.answersPrompts = false;
    const before = house.host.onPrompt;
    house.host.onPrompt = (input) => {
      before(input);
      lose();
    };
    await house.clock.advance(30 * MINUTE);
    const sent = prompts().length;
    assert.ok(sent >= 5 && sent <= 20, `${sent} sends in half an hour`);
    house.host.onPrompt = before;
    parent.answersPrompts = true;
    await house.clock.advance(15 * MINUTE);
    await parent.run();
    assert.deepEqual(house.notices.outbox.all(), []);
  });
});
