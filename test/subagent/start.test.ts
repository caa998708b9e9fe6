import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HostError } from "../../src/host/host.js";
import { settle } from "../fakes/clock.js";
import { House } from "../fakes/house.js";

const MINUTE = 60_000;

void describe("a run that cannot start", () => {
  void it("fails at once with the host's words when the session is refused, and frees its slot", async () => {
    const house = new House({ options: { maxRunning: 1 } });
    const parentSessionID = house.host.addRoot();
    house.host.fail("createSession", 1, new HostError("could not create a session: HTTP 500", 500));
    const failed = await house.launch({ parentSessionID });
    assert.equal(house.outcome(failed.id), "failed · error");
    assert.match(failed.error ?? "", /create a session: HTTP 500/u);
    assert.equal(failed.sessionID, undefined);
    assert.deepEqual(failed.runs, []);
    const next = await house.launch({ parentSessionID });
    assert.equal(next.status, "running");
  });

  void it("fails at once when the prompt is refused, aborts what may have been stored, and frees its slot", async () => {
    const house = new House({ options: { maxRunning: 1 } });
    const parentSessionID = house.host.addRoot();
    house.host.fail("prompt", 1, new HostError("could not prompt: no answer"));
    const failed = await house.launch({ parentSessionID });
    await settle();
    assert.equal(house.outcome(failed.id), "failed · error");
    assert.equal(failed.runs[0]?.status, "failed");
    assert.deepEqual(house.host.aborted, [failed.sessionID]);
    await house.tasks.resume(failed.id, "try again", {});
    assert.equal(house.host.prompts.at(-1)?.text, "do it\n\ntry again");
    await house.answer(failed.sessionID ?? "", "done");
    assert.equal((await house.launch({ parentSessionID })).status, "running");
  });

  for (const stored of [true, false]) {
    void it(`is prompted once more when its prompt ${stored ? "was stored and not answered" : "got lost"}, without doubling it, and then never_started`, async () => {
      const house = new House();
      const { id, sessionID } = await house.child({
        parentSessionID: house.host.addRoot(),
        notify: false,
      });
      if (!stored) house.host.sessions.get(sessionID)?.messages.splice(0);
      await house.clock.advance(9_000);
      house.idle(sessionID);
      await settle();
      assert.equal(house.host.prompts.length, 1, "too early");
      await house.clock.advance(2 * MINUTE);
      const [first, second, ...more] = house.host.prompts;
      assert.equal(more.length, 0);
      assert.equal(second?.messageID, first?.messageID);
      assert.equal(second?.text, stored ? undefined : "do it");
      assert.equal(second?.agent, "general");
      assert.deepEqual(second?.model, first?.model);
      assert.equal(house.outcome(id), "failed · never_started");
    });
  }

  void it("completes when the second prompt is answered", async () => {
    const house = new House();
    const { id, sessionID } = await house.child({ parentSessionID: house.host.addRoot() });
    await house.clock.advanceUntil(() => house.host.prompts.length === 2, MINUTE);
    await house.answer(sessionID, "late");
    assert.equal(house.outcome(id), "completed · finished");
    assert.equal((await house.tasks.result(house.job(id))).text, "late");
  });

  void it("is not prompted a second time while the first prompt is still on its way", async () => {
    const house = new House();
    const gate = house.host.block("prompt");
    const launching = house.launch({ parentSessionID: house.host.addRoot() });
    await house.clock.advance(28_000);
    gate.resolve();
    const { id } = await launching;
    assert.equal(house.host.prompts.length, 1);
    assert.equal(house.outcome(id), "running");
  });
});

void describe("events that come before the launch knows of them", () => {
  void it("an idle before the prompt was answered ends nothing and loses nothing", async () => {
    const house = new House();
    const gate = house.host.block("prompt");
    const launching = house.launch({ parentSessionID: house.host.addRoot() });
    await settle();
    const [, sessionID = ""] = [...house.host.sessions.keys()];
    house.busy(sessionID);
    house.idle(sessionID);
    await settle();
    gate.resolve();
    const { id } = await launching;
    assert.equal(house.outcome(id), "running");
    await house.answer(sessionID, "The answer.");
    assert.equal(house.outcome(id), "completed · finished");
  });

  void it("an answer that is there before the launch has recorded the session counts", async () => {
    const house = new House();
    house.host.onPrompt = ({ sessionID }) => {
      house.host.addAssistant(sessionID, { text: "quick" });
      house.idle(sessionID);
    };
    const { id } = await house.launch({ parentSessionID: house.host.addRoot() });
    await settle();
    assert.equal(house.outcome(id), "completed · finished");
    assert.equal(house.ends.get(id), 1);
  });

  void it("a run is watched although its session took long to create", async () => {
    const house = new House();
    const gate = house.host.block("createSession");
    const launching = house.launch({ parentSessionID: house.host.addRoot() });
    await house.clock.advance(20_000);
    gate.resolve();
    const { id, sessionID = "" } = await launching;
    house.host.addAssistant(sessionID, { text: "The answer." });
    await house.clock.advance(30_000);
    assert.equal(house.outcome(id), "completed · finished");
  });

  void it("text that is added while the session is being created is part of the prompt", async () => {
    const house = new House();
    const gate = house.host.block("createSession");
    const launching = house.launch({ parentSessionID: house.host.addRoot() });
    await settle();
    const [job] = house.tasks.list();
    await house.tasks.resume(job?.id ?? "", "and this", {});
    gate.resolve();
    await launching;
    assert.equal(house.host.prompts[0]?.text, "do it\n\nand this");
  });
});

void describe("an API that fails is unknown, never an end", () => {
  for (const method of ["busySessions", "messages"] as const) {
    void it(`${method}: asked again until it answers`, async () => {
      const house = new House();
      const { id, sessionID } = await house.child({ parentSessionID: house.host.addRoot() });
      house.host.fail(method);
      await house.answer(sessionID, "The answer.");
      for (let idle = 0; idle < 20; idle++) house.idle(sessionID);
      await house.clock.advance(MINUTE);
      assert.equal(house.outcome(id), "running");
      const before = house.host.calls.get(method) ?? 0;
      await house.clock.advance(MINUTE);
      const perMinute = (house.host.calls.get(method) ?? 0) - before;
      assert.ok(perMinute >= 20 && perMinute <= 40, `${perMinute} requests in a minute`);
      house.host.heal(method);
      await house.clock.advance(3_000);
      assert.equal(house.outcome(id), "completed · finished");
    });
  }

  void it("a session that is gone without an event is a deleted one", async () => {
    const house = new House();
    const { id, sessionID } = await house.child({ parentSessionID: house.host.addRoot() });
    house.host.sessions.delete(sessionID);
    await house.clock.advance(MINUTE);
    assert.equal(house.outcome(id), "cancelled · session_deleted");
  });

  void it("events that stop arriving do not keep a run alive", async () => {
    const house = new House();
    const { id, sessionID } = await house.child({ parentSessionID: house.host.addRoot() });
    house.busy(sessionID);
    house.host.addAssistant(sessionID, {
      text: "The answer.",
      tools: [{ callID: "c1", tool: "bash", status: "completed" }],
    });
    await house.clock.advance(MINUTE);
    assert.equal(house.outcome(id), "running", "the host says that it works");
    house.host.busy.delete(sessionID);
    await house.clock.advance(20_000);
    assert.equal(house.outcome(id), "completed · finished");
    assert.equal(house.job(id).progress.toolCalls, 1);
  });
});

void describe("a run that breaks off", () => {
  void it("fails after it was idle with an unfinished answer for 60 s, and not before", async () => {
    const house = new House();
    const { id, sessionID } = await house.child({ parentSessionID: house.host.addRoot() });
    await house.answer(sessionID, { text: "The beg", completed: false, finish: undefined });
    await house.clock.advance(55_000);
    assert.equal(house.outcome(id), "running");
    await house.clock.advance(30_000);
    assert.equal(house.outcome(id), "failed · error");
    assert.match(house.job(id).error ?? "", /stopped in the middle/u);
    assert.equal(house.job(id).partial, true);
    assert.equal(house.job(id).resultLength, "The beg".length);
  });

  void it("goes on when the answer is finished within that time", async () => {
    const house = new House();
    const { id, sessionID } = await house.child({ parentSessionID: house.host.addRoot() });
    await house.answer(sessionID, { text: "The beg", completed: false, finish: undefined });
    await house.clock.advance(40_000);
    house.busy(sessionID);
    await house.clock.advance(40_000);
    house.idle(sessionID);
    await house.clock.advance(40_000);
    assert.equal(house.outcome(id), "running");
  });

  void it("stays a run while a summary is its last word, for the host goes on by itself", async () => {
    const house = new House();
    const { id, sessionID } = await house.child({ parentSessionID: house.host.addRoot() });
    await house.answer(sessionID, { finish: "tool-calls" });
    assert.equal(house.outcome(id), "completed · finished", "a refused tool ends a run like this");
    const again = await house.child({ parentSessionID: house.host.addRoot() });
    house.step(again.sessionID, { finish: "tool-calls" });
    await house.answer(again.sessionID, { text: "A summary.", summary: true });
    await house.clock.advance(30_000);
    assert.equal(house.outcome(again.id), "running");
    await house.answer(again.sessionID, "The answer.");
    assert.equal(house.outcome(again.id), "completed · finished");
    assert.equal((await house.tasks.result(house.job(again.id))).text, "The answer.");
  });

  void it("is not kept open by a summary that was asked for after its answer", async () => {
    const house = new House();
    const { id, sessionID } = await house.child({ parentSessionID: house.host.addRoot() });
    house.step(sessionID, { text: "The answer." });
    await house.answer(sessionID, { text: "A summary.", summary: true });
    assert.equal(house.outcome(id), "completed · finished");
    assert.equal((await house.tasks.result(house.job(id))).text, "The answer.");
  });
});
