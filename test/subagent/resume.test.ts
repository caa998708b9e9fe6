import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { UserError } from "../../src/ports.js";
import { settle } from "../fakes/clock.js";
import { House, type HouseSettings } from "../fakes/house.js";
import { Replay } from "../fakes/replay.js";

const USAGE = { input: 10, output: 5, reasoning: 1, cacheRead: 2, cost: 0.5 };

async function ended(settings: HouseSettings = {}) {
  const house = new House(settings);
  const child = await house.child({ parentSessionID: house.host.addRoot() });
  await house.answer(child.sessionID, {
    text: "The first answer.",
    usage: USAGE,
    tools: [{ callID: "c1", tool: "bash", status: "completed" }],
  });
  assert.equal(house.outcome(child.id), "completed · finished");
  return { house, ...child };
}

/** A recording up to its second prompt, each event told so many times. */
async function untilSecondPrompt(name: string, times: number) {
  const replay = new Replay(name, { prompts: ["first", "second"] });
  await replay.launch();
  const border = replay.indexOfPrompt(replay.prompts[1] ?? "");
  await replay.play(times, 0, border);
  const { house, id } = replay;
  return { replay, house, id, border };
}

void describe("an ended task that is continued", () => {
  void it("runs again in its own session, as a second run of the same job", async () => {
    const { house, id, sessionID } = await ended();
    const { task } = await house.tasks.resume(id, "more", { parentMessageID: "msg_2" });
    assert.equal(task.status, "running");
    assert.equal(task.sessionID, sessionID);
    assert.equal(task.endReason, undefined);
    assert.equal(task.parentMessageID, "msg_2");
    assert.equal(house.host.sessions.size, 2, "no new session");
    assert.equal(house.host.prompts[1]?.text, "more");
    await house.answer(sessionID, { text: "The second answer.", usage: USAGE });
    const job = house.job(id);
    assert.equal(house.outcome(id), "completed · finished");
    assert.deepEqual(
      job.runs.map(({ status, endReason }) => [status, endReason]),
      [
        ["completed", "finished"],
        ["completed", "finished"],
      ],
    );
    assert.equal((await house.tasks.result(job)).text, "The second answer.");
    assert.equal(job.progress.toolCalls, 1);
    assert.equal(job.cost, 1);
    assert.deepEqual(job.tokens, { input: 20, output: 10, reasoning: 2, cacheRead: 4 });
  });

  void it("is not ended by an idle of its earlier run", async () => {
    const { house, id, sessionID } = await ended();
    await house.tasks.resume(id, "more", {});
    for (let time = 0; time < 3; time++) house.idle(sessionID);
    await settle();
    assert.equal(house.outcome(id), "running");
    assert.equal(house.ends.get(id), 1);
  });

  void it("does not count late events of its earlier run again", async () => {
    const { house, id, sessionID } = await ended();
    const old = house.host.sessions.get(sessionID)?.messages.at(-1);
    assert.ok(old?.role === "assistant");
    await house.tasks.resume(id, "more", {});
    house.event({ type: "assistant", sessionID, message: old });
    const call = { callID: "c1", tool: "bash", status: "completed" };
    house.event({ type: "tool", sessionID, messageID: old.id, ...call });
    await house.answer(sessionID, { text: "done", usage: USAGE });
    assert.equal(house.job(id).progress.toolCalls, 1);
    assert.equal(house.job(id).cost, 1);
  });

  void it("is continued once when two ask for it at the same time", async () => {
    const { house, id } = await ended();
    const results = await Promise.allSettled([
      house.tasks.resume(id, "one", {}),
      house.tasks.resume(id, "two", {}),
    ]);
    assert.deepEqual(results.map(({ status }) => status).toSorted(), ["fulfilled", "rejected"]);
    assert.equal(house.host.prompts.length, 2);
    assert.equal(house.job(id).runs.length, 2);
  });

  void it("is refused when its session was deleted, and stays as it ended", async () => {
    const { house, id, sessionID } = await ended();
    house.host.sessions.delete(sessionID);
    await assert.rejects(house.tasks.resume(id, "more", {}), UserError);
    assert.equal(house.outcome(id), "completed · finished");
    assert.deepEqual(await house.tasks.result(house.job(id)), {
      text: "",
      run: house.job(id).runs[0]?.promptMessageID,
      toolError: undefined,
    });
  });

  void it("keeps the counts of the earlier run when it is cancelled while it waits", async () => {
    const { house, id } = await ended({ options: { maxRunning: 1 } });
    await house.child({ parentSessionID: house.host.addRoot() });
    const { position } = await house.tasks.resume(id, "more", {});
    assert.equal(position, 1);
    await house.tasks.cancel([id], "cancelled_by_agent");
    assert.equal(house.outcome(id), "cancelled · cancelled_by_agent");
    assert.equal(house.job(id).runs[0]?.status, "completed");
    assert.equal(house.job(id).progress.toolCalls, 1);
  });

  void it("has its earlier result, whole, when it is cancelled while it waits", async () => {
    const { house, id } = await ended({ options: { maxRunning: 1 } });
    await house.child({ parentSessionID: house.host.addRoot() });
    await house.tasks.resume(id, "more", {});
    await house.tasks.cancel([id], "cancelled_by_agent");
    const { partial, resultLength } = house.job(id);
    assert.equal((await house.tasks.result(house.job(id))).text, "The first answer.");
    assert.deepEqual([partial, resultLength], [false, "The first answer.".length]);
  });

  void it("keeps what its earlier run streamed when it is cancelled while it waits", async () => {
    const house = new House({ options: { maxRunning: 1 } });
    house.host.onAbort = (sessionID) => house.idle(sessionID);
    const { id, sessionID } = await house.child({ parentSessionID: house.host.addRoot() });
    house.busy(sessionID);
    house.event({ type: "activity", sessionID, text: { partID: "p", piece: "So far" } });
    await house.tasks.cancel([id], "cancelled_by_agent");
    await house.child({ parentSessionID: house.host.addRoot() });
    await house.tasks.resume(id, "more", {});
    await house.tasks.cancel([id], "cancelled_by_agent");
    assert.equal(house.job(id).partial, true);
    assert.equal((await house.tasks.result(house.job(id))).text, "So far");
  });

  for (const brings of ["a session", "a refusal"]) {
    void it(`is not touched by its cancelled start, which still brings ${brings}`, async () => {
      const house = new House();
      const creating = house.host.block("createSession");
      const launching = house.launch({ parentSessionID: house.host.addRoot() });
      await settle();
      const id = house.tasks.list()[0]?.id ?? "";
      await house.tasks.cancel([id], "cancelled_by_agent");
      const second = house.host.block("createSession");
      const resuming = house.tasks.resume(id, "again", {});
      await settle();
      if (brings === "a refusal") house.host.fail("createSession", 1);
      creating.resolve();
      await launching;
      assert.equal(house.outcome(id), "pending");
      second.resolve();
      await resuming;
      assert.equal(house.outcome(id), "running");
      assert.equal(house.ends.get(id), 1);
    });
  }

  void it("has the limits of its parent's turn now, also when it was cancelled while it waited", async () => {
    const house = new House({ options: { maxRunning: 1 } });
    const parentSessionID = house.host.addRoot();
    const first = await house.child({ parentSessionID });
    const { id } = await house.launch({ parentSessionID, parentAgent: "build" });
    await house.tasks.cancel([id], "cancelled_by_agent");
    await house.tasks.resume(id, "again", { parentAgent: "plan" });
    await house.answer(first.sessionID, "done");
    const { sessionID = "" } = house.job(id);
    const rules = house.host.sessions.get(sessionID)?.info.permission ?? [];
    assert.equal(house.outcome(id), "running");
    assert.ok(rules.some(({ permission, action }) => permission === "edit" && action === "deny"));
    assert.equal(house.host.calls.get("createSession"), 2, "one for each task");
  });

  for (const [name, first, second] of [
    ["two-runs", "The first answer.", "The second answer."],
    ["compaction", "The answer.", "More."],
  ] as const) {
    void it(`as recorded: ${name}`, async () => {
      const { replay, house, id, border } = await untilSecondPrompt(name, 2);
      assert.equal(house.outcome(id), "completed · finished");
      assert.equal((await house.tasks.result(house.job(id))).text, first);
      await house.tasks.resume(id, "second", {});
      await replay.play(2, border);
      assert.equal(house.outcome(id), "completed · finished");
      assert.equal((await house.tasks.result(house.job(id))).text, second);
      assert.equal(house.ends.get(id), 2);
      assert.equal(house.job(id).runs.length, 2);
    });
  }
});

void describe("a running task that is given a further instruction", () => {
  void it("ends with the answer to the newest one", async () => {
    const house = new House();
    const { id, sessionID } = await house.child({ parentSessionID: house.host.addRoot() });
    house.step(sessionID, { text: "on it", finish: "tool-calls" });
    const { task } = await house.tasks.resume(id, "and also this", {});
    assert.equal(task.runs.length, 1);
    assert.equal(task.runs[0]?.promptMessageID, house.host.prompts[1]?.messageID);
    house.idle(sessionID);
    await settle();
    assert.equal(house.outcome(id), "running", "its newest instruction is not answered");
    await house.answer(sessionID, "Both done.");
    assert.equal(house.outcome(id), "completed · finished");
  });

  void it("is as before when the host refuses the instruction", async () => {
    const house = new House();
    const { id, sessionID } = await house.child({ parentSessionID: house.host.addRoot() });
    const before = house.job(id).runs;
    house.host.fail("prompt", 1);
    await assert.rejects(house.tasks.resume(id, "refused", {}), /scripted refusal/u);
    assert.deepEqual(house.job(id).runs, before);
    await house.answer(sessionID, "The answer to the first.");
    assert.equal(house.outcome(id), "completed · finished");
    await house.clock.advance(60_000);
    assert.deepEqual(house.promptsTo(sessionID), ["do it"]);
  });

  void it("is refused when it has just ended", async () => {
    const house = new House();
    await assert.rejects(house.tasks.resume("bg_0000000000", "more", {}), UserError);
  });

  for (const [name, text] of [
    ["prompt-while-tool-runs", "The answer."],
    ["prompt-while-text-streams", "The answer.\n\nMore."],
  ] as const) {
    void it(`as recorded: ${name}`, async () => {
      const { replay, house, id, border } = await untilSecondPrompt(name, 1);
      assert.equal(house.outcome(id), "running");
      await house.tasks.resume(id, "second", {});
      await replay.play(1, border);
      assert.equal(house.outcome(id), "completed · finished");
      assert.equal((await house.tasks.result(house.job(id))).text, text);
      assert.equal(house.ends.get(id), 1);
    });
  }
});
