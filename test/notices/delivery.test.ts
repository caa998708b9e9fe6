/** When a parent is told: idle, busy, and as the option wake has it. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { family, familyAtRest, MINUTE } from "./family.js";

void describe("an idle parent", () => {
  void it("is told once, in one turn, and nothing is left to do", async () => {
    const { house, parent, job, prompts, sent } = await familyAtRest();
    assert.equal(prompts().length, 0);
    await house.clock.advance(200);
    assert.equal(prompts().length, 1);
    const [prompt] = sent();
    assert.equal(prompt?.synthetic, true);
    await parent.run();
    assert.deepEqual(house.notices.outbox.all(), []);
    await house.clock.advance(60 * MINUTE);
    assert.deepEqual(parent.told(`id="${job(0)}"`), { times: 1, read: true });
    assert.equal(prompts().length, 1);
    assert.equal(house.clock.pending, 0);
  });

  void it("is told of what ends within 200 ms of each other in one message", async () => {
    const { house, parent, finish, prompts } = await family(4);
    await parent.run();
    for (let child = 0; child < 4; child++) {
      await finish(child);
      await house.clock.advance(150);
    }
    await house.clock.advance(50);
    assert.equal(prompts().length, 1);
    for (let child = 0; child < 4; child++)
      assert.match(prompts()[0] ?? "", new RegExp(`answer ${child}`, "u"));
  });

  void it("is not kept waiting longer than five times that by those that follow", async () => {
    const { house, parent, finish, prompts } = await family(10);
    await parent.run();
    for (let child = 0; child < 10; child++) {
      await finish(child);
      await house.clock.advance(150);
      assert.equal(prompts().length, child < 6 ? 0 : 1);
    }
    assert.match(prompts()[0] ?? "", /answer 6/u);
    assert.doesNotMatch(prompts()[0] ?? "", /answer 7/u);
  });

  void it("is told of what ends during a delivery in the next message, never two at a time", async () => {
    const { house, parent, finish, job, prompts } = await family(3);
    await parent.run();
    await finish(0);
    await house.clock.advance(200);
    await finish(1);
    await finish(2);
    await house.clock.advance(5_000);
    assert.equal(prompts().length, 1);
    assert.equal(parent.unanswered.length, 1);
    parent.step();
    await house.clock.advance(1_000);
    assert.equal(prompts().length, 2);
    await parent.run();
    for (const index of [0, 1, 2])
      assert.deepEqual(parent.told(`id="${job(index)}"`), { times: 1, read: true });
  });

  void it("is told of 300 jobs that end together in one bounded message, and of none again", async () => {
    const many = { maxRunning: 300, concurrency: 300, maxTasksPerSession: 300 };
    const { house, parent, finish, job, prompts } = await family(300, many);
    await parent.run();
    for (let index = 0; index < 300; index++) await finish(index);
    await house.clock.advance(MINUTE);
    await parent.run();
    await house.clock.advance(10 * MINUTE);
    assert.equal(prompts().length, 1);
    const [text = ""] = prompts();
    assert.ok(text.length <= 24_000, `${text.length} characters`);
    for (let index = 0; index < 300; index++) assert.ok(text.includes(job(index)), `${index}`);
    assert.deepEqual(house.notices.outbox.all(), []);
  });

  void it("goes on in the agent, model and variant that its user chose last", async () => {
    const { house, parent, finish } = await family();
    await parent.run();
    const chosen = {
      agent: "plan",
      model: { providerID: "other", modelID: "m1" },
      variant: "high",
    };
    house.host.addUser(parent.id, chosen);
    house.host.addUser(parent.id, { agent: "build", real: false });
    await finish(0);
    await house.clock.advance(200);
    const { agent, model, variant } = house.host.prompts.at(-1) ?? {};
    assert.deepEqual({ agent, model, variant }, chosen);
  });
});

void describe("a busy parent", () => {
  void it("is told at once, and reads it at its next step", async () => {
    const { house, parent, finish, job, prompts } = await family();
    parent.step();
    await finish(0);
    await house.clock.advance(200);
    assert.equal(prompts().length, 1);
    assert.equal(house.notices.outbox.all().length, 1, "not answered yet");
    await house.clock.advance(10 * MINUTE);
    assert.equal(prompts().length, 1, "a long step is no reason to send it again");
    parent.step();
    assert.deepEqual(house.notices.outbox.all(), []);
    assert.deepEqual(parent.told(`id="${job(0)}"`), { times: 1, read: true });
  });

  void it("is not interrupted while it waits for a permission", async () => {
    const { house, parent, finish, prompts } = await family();
    const requestID = parent.ask();
    await finish(0);
    await house.clock.advance(10 * MINUTE);
    assert.equal(prompts().length, 0);
    parent.answer(requestID);
    await house.clock.advance(200);
    assert.equal(prompts().length, 1);
  });

  void it("whose question ended with its run is told then", async () => {
    const { house, parent, finish, prompts } = await family();
    parent.ask();
    await finish(0);
    await parent.run();
    await house.clock.advance(200);
    assert.equal(prompts().length, 1);
  });

  void it("that is found idle although no event said so is not waited for without end", async () => {
    const { house, parent, finish, prompts, sent } = await family();
    parent.answersPrompts = false;
    await finish(0);
    await house.clock.advance(200);
    house.host.busy.delete(parent.id);
    await house.clock.advance(MINUTE);
    const kicks = sent().filter(({ text }) => text === undefined);
    assert.ok(kicks.length >= 1);
    assert.equal(prompts().length, 1);
  });
});

void describe("the option wake", () => {
  void it('"each": tells of each end', async () => {
    const { house, parent, finish, prompts } = await family(2);
    await parent.run();
    await finish(0);
    await house.clock.advance(1_000);
    assert.equal(prompts().length, 1);
  });

  void it('"all": tells when nothing runs any more', async () => {
    const { house, parent, finish, prompts } = await family(2, { wake: "all" });
    await parent.run();
    await finish(0);
    await house.clock.advance(MINUTE);
    assert.equal(prompts().length, 0);
    await finish(1);
    await house.clock.advance(200);
    assert.equal(prompts().length, 1);
    assert.match(prompts()[0] ?? "", /answer 0[^]*answer 1/u);
  });

  void it('"all": tells at once when something failed or waits for the user', async () => {
    const { house, parent, prompts } = await family(3, { wake: "all" });
    await parent.run();
    const [first, second] = house.tasks.list();
    const error = { name: "APIError", message: "no" };
    await house.answer(first?.sessionID ?? "", { error });
    await house.clock.advance(200);
    assert.equal(prompts().length, 1);
    await parent.run();
    const asked = { sessionID: second?.sessionID ?? "", requestID: "per_9" };
    house.event({ type: "asked", kind: "permission", what: "bash: ls", ...asked });
    await house.clock.advance(200);
    assert.equal(prompts().length, 2);
  });

  void it('"none": tells only with the user\'s next message', async () => {
    const { house, parent, job, prompts } = await familyAtRest({ wake: "none" });
    await house.clock.advance(60 * MINUTE);
    assert.equal(prompts().length, 0);
    await parent.types();
    await parent.run();
    assert.deepEqual(parent.told(`id="${job(0)}"`), { times: 1, read: true });
  });
});
