import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Options } from "../../src/options.js";
import { deferred } from "../../fixtures/deferred.js";
import { settle } from "../fakes/clock.js";
import { House } from "../fakes/house.js";
import { Parent } from "../fakes/parent.js";
import { process } from "./jobs.js";

const MINUTE = 60_000;

async function family(children = 1, options: Partial<Options> = {}) {
  const house = new House({ options: { concurrency: 100, ...options } });
  const parent = new Parent(house);
  const jobs: { id: string; sessionID: string }[] = [];
  for (let index = 0; index < children; index++) {
    const child = await house.child({ parentSessionID: parent.id, description: `child ${index}` });
    house.busy(child.sessionID);
    jobs.push(child);
  }
  await parent.types();
  const finish = async (index: number) => {
    const job = jobs[index];
    assert.ok(job);
    await house.answer(job.sessionID, `answer ${index}`);
  };
  const job = (index: number) => jobs[index]?.id ?? "";
  return { house, parent, finish, job, prompts: () => house.promptsTo(parent.id) };
}

void describe("an idle parent", () => {
  void it("is told once, in one turn, and nothing is left to do", async () => {
    const { house, parent, finish, job, prompts } = await family();
    await parent.run();
    await finish(0);
    assert.equal(prompts().length, 0);
    await house.clock.advance(200);
    assert.equal(prompts().length, 1);
    const [prompt] = house.host.prompts.filter(({ sessionID }) => sessionID === parent.id);
    assert.equal(prompt?.synthetic, true);
    await parent.run();
    assert.deepEqual(house.notices.outbox.all(), []);
    await house.clock.advance(60 * MINUTE);
    assert.deepEqual(parent.told(job(0)), { times: 1, read: true });
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
      assert.deepEqual(parent.told(job(index)), { times: 1, read: true });
  });

  void it("is told of 300 jobs that end together in one bounded message, and of none again", async () => {
    const many = { maxRunning: 300, concurrency: 300, maxTasksPerSession: 300 };
    const { house, parent, finish, job, prompts } = await family(300, many);
    await parent.run();
    const read = house.excerpt;
    let asked = 0;
    house.excerpt = (each) => {
      asked += 1;
      return read(each);
    };
    for (let index = 0; index < 300; index++) await finish(index);
    await house.clock.advance(MINUTE);
    await parent.run();
    await house.clock.advance(10 * MINUTE);
    assert.equal(prompts().length, 1);
    const [text = ""] = prompts();
    assert.ok(text.length <= 24_000, `${text.length} characters`);
    for (let index = 0; index < 300; index++) assert.ok(text.includes(job(index)), `${index}`);
    assert.equal(asked, 30);
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
    assert.deepEqual(parent.told(job(0)), { times: 1, read: true });
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
    const { house, parent, finish, prompts } = await family();
    parent.answersPrompts = false;
    await finish(0);
    await house.clock.advance(200);
    house.host.busy.delete(parent.id);
    await house.clock.advance(MINUTE);
    const kicks = house.host.prompts.filter(
      ({ sessionID, text }) => sessionID === parent.id && text === undefined,
    );
    assert.ok(kicks.length >= 1);
    assert.equal(prompts().length, 1);
  });
});

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
    const { house, parent, finish, job } = await family();
    await parent.run();
    await finish(0);
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
    const { house, parent, finish, prompts } = await family();
    const messageID = house.host.newMessageID();
    parent.step();
    await finish(0);
    await house.clock.advance(200);
    assert.equal(prompts().length, 1);
    await parent.types("meanwhile", { messageID });
    await parent.run();
    assert.deepEqual(house.notices.outbox.all(), []);
    await house.clock.advance(10 * MINUTE);
    assert.equal(house.host.prompts.filter(({ sessionID }) => sessionID === parent.id).length, 1);
  });

  void it("is no answer to a message that was stored before the carrier, although its id is newer", async () => {
    const { house, parent, finish } = await family();
    await parent.run();
    await finish(0);
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
    const { house, parent, finish, prompts } = await family();
    const messageID = house.host.newMessageID();
    parent.step();
    await finish(0);
    await house.clock.advance(200);
    assert.equal(prompts().length, 1);
    house.host.addUser(parent.id, { id: messageID, text: "meanwhile" });
    house.host.addAssistant(parent.id);
    await house.clock.advance(MINUTE);
    assert.deepEqual(house.notices.outbox.all(), []);
  });

  void it("that never came is asked for again with the same id and no text, ever more slowly, without end", async () => {
    const { house, parent, finish, job, prompts } = await family();
    await parent.run();
    parent.answersPrompts = false;
    await finish(0);
    const kicks = () =>
      house.host.prompts.filter(({ sessionID, text }) => sessionID === parent.id && !text);
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
    const { house, parent, finish, prompts } = await family();
    await parent.run();
    await finish(0);
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

void describe("a message that the user types", () => {
  void it("takes along what waits, and the answer to it is the receipt", async () => {
    const { house, parent, finish, job, prompts } = await family();
    await parent.run();
    await finish(0);
    await parent.types("and now");
    await house.clock.advance(MINUTE);
    assert.equal(prompts().length, 0);
    assert.equal(house.notices.outbox.all().length, 1);
    await parent.run();
    assert.deepEqual(house.notices.outbox.all(), []);
    assert.deepEqual(parent.told(job(0)), { times: 1, read: true });
  });

  void it("takes along also what was just being put into words for a message of ours", async () => {
    const { house, parent, finish, job, prompts } = await family();
    await parent.run();
    await finish(0);
    const read = deferred<{ text: string; total: number }>();
    house.excerpt = () => read.promise;
    await house.clock.advance(200);
    const typing = parent.types();
    await settle();
    read.resolve({ text: "done", total: 4 });
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

  void it("is stored before a message is sent that was being put into words", async () => {
    const { house, parent, finish, prompts } = await family();
    await parent.run();
    await finish(0);
    let saved = (): void => undefined;
    house.save = () => new Promise((resolve) => (saved = resolve));
    await house.clock.advance(200);
    const stored = deferred<void>();
    const typing = parent.types("and now", { stored: stored.promise });
    await settle();
    saved();
    await house.clock.advance(30_000);
    assert.equal(prompts().length, 0);
    house.save = () => Promise.resolve();
    stored.resolve();
    await typing;
    await house.clock.advance(200);
    assert.equal(prompts().length, 1);
  });

  void it("in another agent is not followed by one of ours in the agent before", async () => {
    const { house, parent, finish, job } = await family();
    await parent.run();
    const saved = deferred<void>();
    house.save = () => saved.promise;
    await finish(0);
    await house.clock.advance(200);
    await parent.types("only look", { agent: "plan" });
    saved.resolve();
    await house.clock.advance(200);
    await parent.run();
    assert.deepEqual(parent.told(job(0)), { times: 1, read: true });
    const toParent = house.host.prompts.filter(({ sessionID }) => sessionID === parent.id);
    assert.deepEqual(
      toParent.map(({ agent }) => agent),
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

  void it("is not held up by a result that cannot be read", async () => {
    const { house, parent, finish, job } = await family();
    await parent.run();
    await finish(0);
    house.excerpt = () => Promise.reject(new Error("no result"));
    await parent.types();
    assert.match(
      parent.stored.at(-1)?.text ?? "",
      new RegExp(`${job(0)}[^]*could not be read`, "u"),
    );
  });

  void it("is not held up for more than 1 s by a disk that hangs", async () => {
    const { house, parent, finish, job } = await family();
    await parent.run();
    await finish(0);
    house.save = () => new Promise(() => undefined);
    const typing = parent.types();
    await house.clock.advance(1_000);
    await typing;
    assert.ok(parent.stored.at(-1)?.text.includes(job(0)));
  });

  void it("is not held up for more than 5 s by a result that takes long", async () => {
    const { house, parent, finish, job } = await family();
    await parent.run();
    await finish(0);
    house.excerpt = () => new Promise(() => undefined);
    const typing = parent.types();
    await house.clock.advance(5_000);
    await typing;
    assert.ok(parent.stored.at(-1)?.text.includes(job(0)));
  });

  void it("that nobody typed carries nothing", async () => {
    const { house, parent, finish } = await family();
    await parent.run();
    await finish(0);
    const message = { sessionID: parent.id, messageID: "msg_x", typed: false };
    assert.equal(await house.notices.userMessage(message), undefined);
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
    const { house, parent, finish, job, prompts } = await family(1, { wake: "none" });
    await parent.run();
    await finish(0);
    await house.clock.advance(60 * MINUTE);
    assert.equal(prompts().length, 0);
    await parent.types();
    await parent.run();
    assert.deepEqual(parent.told(job(0)), { times: 1, read: true });
  });
});

void describe("what goes wrong on the way", () => {
  for (const method of ["session", "messages", "prompt", "busySessions"] as const) {
    void it(`${method} fails for a while: told once all the same`, async () => {
      const { house, parent, finish, job } = await family();
      await parent.run();
      await finish(0);
      house.host.fail(method);
      await house.clock.advance(10 * MINUTE);
      const calls = house.host.calls.get(method) ?? 0;
      assert.ok(calls < 200, `${calls} calls`);
      house.host.heal(method);
      for (let round = 0; round < 6; round++) {
        await house.clock.advance(5 * MINUTE);
        await parent.run();
      }
      assert.deepEqual(parent.told(job(0)), { times: 1, read: true });
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

  void it("a result that cannot be read is said to be so", async () => {
    const { house, parent, finish, prompts } = await family();
    await parent.run();
    await finish(0);
    let asked = 0;
    house.excerpt = () => {
      asked += 1;
      return Promise.reject(new Error("no result"));
    };
    await house.clock.advance(10_000);
    assert.equal(asked, 3);
    assert.match(
      prompts()[0] ?? "",
      /result: could not be read now; the call below reads it\nto read more: getBackgroundTask/u,
    );
  });

  void it("a result that can be read a moment later is waited for", async () => {
    const { house, parent, finish, prompts } = await family();
    await parent.run();
    await finish(0);
    const read = house.excerpt;
    let failures = 2;
    house.excerpt = (job) => (--failures >= 0 ? Promise.reject(new Error("not now")) : read(job));
    await house.clock.advance(10_000);
    assert.equal(prompts().length, 1);
    assert.match(prompts()[0] ?? "", /result:\n\| answer 0\n/u);
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

  void it("a result that takes forever is not waited for", async () => {
    const { house, parent, finish, prompts } = await family();
    await parent.run();
    await finish(0);
    house.excerpt = () => new Promise(() => undefined);
    await house.clock.advance(200);
    assert.equal(prompts().length, 0);
    await house.clock.advance(5_000);
    assert.equal(prompts().length, 1);
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
    const { house, parent, finish, prompts } = await family();
    await parent.run();
    await finish(0);
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
    assert.deepEqual(parent.told(job(0)), { times: 1, read: true });
    undo();
    await finish(1);
    await house.clock.advance(MINUTE);
    // The user goes on from there.
    session.info = info;
    await parent.types("something else");
    await parent.run();
    assert.deepEqual(parent.told(job(1)), { times: 1, read: true });
    assert.equal(prompts().length, 1);
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

  void it("a parent that nobody has used since the start is not woken", async () => {
    const house = new House();
    const root = house.host.addRoot();
    const { id, sessionID } = await house.child({ parentSessionID: root });
    await house.answer(sessionID, "done");
    await house.clock.advance(MINUTE);
    assert.deepEqual(house.promptsTo(root), []);
    house.notices.used(root);
    house.busy(root);
    await house.clock.advance(MINUTE);
    assert.equal(house.promptsTo(root).length, 1);
    assert.ok(house.promptsTo(root)[0]?.includes(id));
  });

  void it("an instance that closes sends nothing more and leaves no timer", async () => {
    const { house, parent, finish, prompts } = await family();
    await parent.run();
    await finish(0);
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
