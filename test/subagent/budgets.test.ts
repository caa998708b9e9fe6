/** What subagents may spend, where events are lost, records go and trees have several levels. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AssistantMessage } from "../../src/host/host.js";
import { UserError } from "../../src/ports.js";
import { settle } from "../fakes/clock.js";
import { House } from "../fakes/house.js";

const usage = (cost: number) => ({ input: 10, output: 5, reasoning: 1, cacheRead: 100, cost });
const costs = (cost: number): Partial<AssistantMessage> => ({
  finish: "tool-calls",
  text: `for ${cost}`,
  usage: usage(cost),
});

function houseOf(options: ConstructorParameters<typeof House>[0]) {
  const house = new House(options);
  house.host.onAbort = (sessionID) => house.idle(sessionID);
  const root = house.host.addRoot();
  house.busy(root);
  house.idle(root);
  return { house, root };
}

/** What the root session is sent once it has been quiet. */
async function told(house: House, root: string): Promise<string[]> {
  await house.clock.advance(1_000);
  return house.promptsTo(root);
}

void describe("a subagent that has spent what it may", () => {
  void it("is stopped by the step that spends the rest, and not before", async () => {
    const { house, root } = houseOf({ options: { maxCost: 1 } });
    const { id, sessionID } = await house.child({ parentSessionID: root });
    house.step(sessionID, costs(0.5));
    house.step(sessionID, costs(0.4999));
    assert.deepEqual(house.host.aborted, []);
    house.step(sessionID, costs(0.0002));
    assert.deepEqual(house.host.aborted, [sessionID]);
    await settle();
    assert.equal(house.outcome(id), "failed · budget");
    assert.equal(house.job(id).error, 'spent $1.0001 of $1.00 (plugin option "maxCost")');
    assert.equal((await house.tasks.result(house.job(id))).text, "for 0.0002");
    assert.equal(house.job(id).partial, true);
    assert.equal(house.ends.get(id), 1);
  });

  void it("is stopped also where the events of its steps were lost", async () => {
    const { house, root } = houseOf({ options: { maxTokens: 30 } });
    const { id, sessionID } = await house.child({ parentSessionID: root });
    house.busy(sessionID);
    house.host.addAssistant(sessionID, costs(0));
    // It goes on, and is looked at between two steps.
    house.host.addAssistant(sessionID, { ...costs(0), completed: false, finish: undefined });
    house.host.busy.delete(sessionID);
    await house.clock.advance(20_000);
    assert.equal(house.outcome(id), "failed · budget");
    assert.match(house.job(id).error ?? "", /^spent 32 of 30 tokens/u);
  });

  void it("has answered when that step was its answer, and is not continued", async () => {
    const { house, root } = houseOf({ options: { maxCost: 1 } });
    const { id, sessionID } = await house.child({ parentSessionID: root });
    await house.answer(sessionID, { text: "the answer", usage: usage(3) });
    assert.equal(house.outcome(id), "completed · finished");
    assert.deepEqual(house.host.aborted, []);
    const from = { parentAgent: "build" };
    await assert.rejects(house.tasks.resume(id, "more", from), (error) => {
      assert.ok(error instanceof UserError);
      assert.match(
        error.message,
        new RegExp(`^taskId: ${id} has spent \\$3\\.00 of \\$1\\.00 `, "u"),
      );
      return true;
    });
    assert.equal(house.outcome(id), "completed · finished", "nothing was reopened");
  });

  void it("takes no more steps after an answer that a further one follows", async () => {
    const { house, root } = houseOf({ options: { maxCost: 1 } });
    const { id, sessionID } = await house.child({ parentSessionID: root });
    house.step(sessionID, { text: "an answer", usage: usage(2) });
    assert.deepEqual(house.host.aborted, []);
    // The host begins another step: for what a user has written there, say.
    house.step(sessionID, { completed: false, finish: undefined });
    assert.deepEqual(house.host.aborted, [sessionID]);
    await settle();
    assert.equal(house.outcome(id), "failed · budget");
  });

  void it("counts all its runs", async () => {
    const { house, root } = houseOf({ options: { maxCost: 1 } });
    const { id, sessionID } = await house.child({ parentSessionID: root });
    await house.answer(sessionID, { text: "first", usage: usage(0.6) });
    await house.tasks.resume(id, "more", { parentAgent: "build" });
    house.step(sessionID, costs(0.5));
    await settle();
    assert.equal(house.outcome(id), "failed · budget");
    assert.match(house.job(id).error ?? "", /^spent \$1\.10 of/u);
  });

  void it("is cancelled where it is cancelled: the first end wins", async () => {
    const { house, root } = houseOf({ options: { maxCost: 1 } });
    const { id, sessionID } = await house.child({ parentSessionID: root });
    house.busy(sessionID);
    house.host.onAbort = () => undefined;
    const cancelling = house.tasks.cancel([id], "cancelled_by_agent");
    house.step(sessionID, costs(5));
    house.idle(sessionID);
    await cancelling;
    assert.equal(house.outcome(id), "cancelled · cancelled_by_agent");
    assert.deepEqual(house.host.aborted, [sessionID]);
  });
});

void describe("at four fifths of a budget", () => {
  for (const wake of ["each", "all"] as const) {
    void it(`nothing is woken (wake: "${wake}"), and the next notice has a line, once`, async () => {
      const { house, root } = houseOf({ options: { maxCost: 1, wake } });
      const { id, sessionID } = await house.child({ parentSessionID: root });
      const other = await house.child({ parentSessionID: root });
      house.step(sessionID, costs(0.79));
      house.step(sessionID, costs(0.02));
      house.step(sessionID, costs(0.02));
      const asked = house.host.calls.get("session");
      assert.deepEqual(await told(house, root), []);
      assert.equal(house.host.calls.get("session"), asked, "nothing is even tried");
      await house.answer(other.sessionID, "beside it");
      if (wake === "all") {
        assert.deepEqual(await told(house, root), [], "it still runs");
        await house.answer(sessionID, "done");
      }
      const [first = ""] = await told(house, root);
      const line = `^budget: ${id} ".*": spent \\$0\\.81 of \\$1\\.00 \\(plugin option "maxCost"\\)$`;
      assert.match(first, new RegExp(line, "mu"));
      assert.equal(first.match(/^budget:/gmu)?.length, 1);
    });
  }

  void it("the user's message takes it along", async () => {
    const { house, root } = houseOf({ options: { maxCost: 1 } });
    const { sessionID } = await house.child({ parentSessionID: root });
    house.step(sessionID, costs(0.9));
    const message = { sessionID: root, messageID: house.host.newMessageID(), typed: true };
    assert.match((await house.notices.userMessage(message)) ?? "", /^budget: bg_/mu);
  });

  void it("one that ends by it is not told of it beside its end", async () => {
    const { house, root } = houseOf({ options: { maxCost: 1 } });
    const { sessionID } = await house.child({ parentSessionID: root });
    house.step(sessionID, costs(0.9));
    house.step(sessionID, costs(0.9));
    await settle();
    const [notice = ""] = await told(house, root);
    assert.match(notice, /reason="budget"/u);
    assert.doesNotMatch(notice, /^budget:/mu);
  });

  void it("a subagent that waits for its own ones is not held up by the line", async () => {
    const options = { maxCost: 1, maxDepth: 2 };
    const { house, root } = houseOf({ options });
    const child = await house.child({ parentSessionID: root });
    house.busy(child.sessionID);
    const nested = await house.child({ parentSessionID: child.sessionID, prompt: "a part" });
    house.step(nested.sessionID, costs(0.9));
    assert.equal(house.notices.owes(child.sessionID), false);
    await house.tasks.cancel([nested.id], "cancelled_by_agent");
    house.notices.outbox.withdraw(nested.id, ["ended"]);
    await house.answer(child.sessionID, "the whole");
    assert.equal(house.outcome(child.id), "completed · finished");
    const [notice = ""] = await told(house, root);
    assert.match(notice, new RegExp(`^budget: ${nested.id} `, "mu"), "it goes up instead");
  });
});

void describe("a session tree that has spent what it may", () => {
  const tree = (more: object = {}) =>
    houseOf({ options: { maxCostPerSession: 1, maxDepth: 2, concurrency: 2, ...more } });

  void it("ends all that runs and waits in it, and starts nothing more", async () => {
    const { house, root } = tree();
    const elsewhere = await house.child({ parentSessionID: house.host.addRoot() });
    const one = await house.child({ parentSessionID: root });
    house.step(elsewhere.sessionID, costs(0.9));
    house.step(one.sessionID, costs(0.6));
    await house.answer(elsewhere.sessionID, "fine");
    const two = await house.child({ parentSessionID: root, prompt: "another" });
    const queued = await house.launch({ parentSessionID: root, prompt: "a third" });
    assert.equal(queued.status, "pending");
    house.step(two.sessionID, costs(0.5));
    await settle();
    for (const { id } of [one, two, queued]) {
      assert.equal(house.outcome(id), "failed · budget", id);
      assert.match(
        house.job(id).error ?? "",
        /^the subagents of this session tree have spent \$1\.10 /u,
      );
    }
    assert.equal(house.job(queued.id).sessionID, undefined, "it was never begun");
    assert.equal(house.outcome(elsewhere.id), "completed · finished");
    await assert.rejects(
      house.launch({ parentSessionID: root, prompt: "a fourth" }),
      /^UserError: refused: .* have spent \$1\.10 of \$1\.00 .*"maxCostPerSession"/u,
    );
    await assert.rejects(
      house.tasks.resume(one.id, "go on", { parentAgent: "build" }),
      /^UserError: taskId: the subagents .* have spent \$1\.10 of \$1\.00/u,
    );
  });

  void it("counts subagents of subagents, and tells the session at its top", async () => {
    const { house, root } = tree({ concurrency: 5 });
    const child = await house.child({ parentSessionID: root });
    house.step(child.sessionID, costs(0.1));
    const nested = await house.child({ parentSessionID: child.sessionID, prompt: "a part" });
    house.step(nested.sessionID, costs(0.75));
    const kinds = (sessionID: string) =>
      house.notices.outbox.pending(sessionID).map(({ kind, jobID }) => `${kind} ${jobID}`);
    assert.deepEqual(kinds(root), [`budget ${child.id}`]);
    assert.deepEqual(kinds(child.sessionID), []);
    house.step(nested.sessionID, costs(0.2));
    await settle();
    assert.equal(house.outcome(nested.id), "failed · budget");
    assert.equal(house.outcome(child.id), "failed · budget");
  });

  void it("counts tasks whose records are gone, and one that is found again once", async () => {
    const { house, root } = tree();
    const one = await house.child({ parentSessionID: root });
    await house.answer(one.sessionID, { text: "done", usage: usage(0.9) });
    const record = house.job(one.id);
    house.jobs.remove(one.id);
    house.jobs.add(record);
    const two = await house.child({ parentSessionID: root, prompt: "another" });
    house.step(two.sessionID, costs(0.05));
    assert.equal(house.outcome(two.id), "running");
    house.jobs.remove(one.id);
    house.step(two.sessionID, costs(0.06));
    await settle();
    assert.equal(house.outcome(two.id), "failed · budget");
  });
});
