/** What a session is told of jobs that belong together: once, with the last of them, and what went wrong at once. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { House } from "../fakes/house.js";
import { Parent } from "../fakes/parent.js";

const WHILE = 1_000;

async function together(count: number) {
  const house = new House();
  const parent = new Parent(house);
  await parent.types();
  await parent.run();
  const children: { id: string; sessionID: string }[] = [];
  for (let index = 0; index < count; index++) {
    children.push(await house.child({ parentSessionID: parent.id, group: "audit" }));
  }
  const told = () => house.promptsTo(parent.id);
  const end = async (index: number, error = false): Promise<void> => {
    const { sessionID = "" } = children[index] ?? {};
    const failed = { error: { name: "APIError", message: "no key", status: 401 } };
    await house.answer(sessionID, error ? failed : `answer ${index}`);
    await house.clock.advance(WHILE);
    await parent.run();
  };
  return { house, parent, children, told, end };
}

void describe("the jobs of a group", () => {
  void it("are told of together, once, when the last of them has ended", async () => {
    const { told, end, children, house, parent } = await together(3);
    await end(0);
    await end(2);
    assert.deepEqual(told(), []);
    await end(1);
    assert.equal(told().length, 1);
    for (const { id } of children) assert.match(told()[0] ?? "", new RegExp(`id="${id}"`, "u"));
    assert.match(told()[0] ?? "", /^group "audit": 3\/3 done$/mu);
    assert.deepEqual(house.notices.outbox.pending(parent.id), []);
  });

  void it("are told of at once in a line when they fail, and again with all", async () => {
    const { told, end, children } = await together(3);
    const failed = children[1]?.id ?? "";
    await end(1, true);
    assert.equal(told().length, 1);
    assert.match(told()[0] ?? "", new RegExp(`^- ${failed} "a task" failed: .*401.*no key`, "mu"));
    assert.match(told()[0] ?? "", /^group "audit": 1\/3 done, 2 running, 1 failed$/mu);
    assert.doesNotMatch(told()[0] ?? "", /<background_job/u);
    await end(0);
    await end(2);
    assert.equal(told().length, 2);
    assert.match(
      told()[1] ?? "",
      new RegExp(`id="${failed}" kind="subagent" status="failed"`, "u"),
    );
    assert.doesNotMatch(told()[1] ?? "", /its group goes on/u);
  });

  void it("are told of once where the one that fails is the last", async () => {
    const { told, end } = await together(2);
    await end(0);
    await end(1, true);
    assert.equal(told().length, 1);
    assert.doesNotMatch(told()[0] ?? "", /^- bg_/mu);
  });

  void it("say at once in a line what they ask", async () => {
    const { house, told, children } = await together(2);
    const [child] = children;
    assert.ok(child);
    const question = { kind: "permission", what: "bash: ls", requestID: "per_1" } as const;
    house.event({ type: "asked", sessionID: child.sessionID, ...question });
    await house.clock.advance(1_000);
    assert.equal(told().length, 1);
    assert.match(
      told()[0] ?? "",
      new RegExp(`^- ${child.id} "a task" it waits for the user`, "mu"),
    );
  });

  void it("say at once in a line that they stall", async () => {
    const { house, told, children, end } = await together(2);
    const [child] = children;
    assert.ok(child);
    await end(1);
    assert.deepEqual(told(), []);
    house.busy(child.sessionID);
    await house.clock.advance(11 * 60_000);
    const [line = "", ...more] = told();
    assert.deepEqual(more, []);
    assert.match(
      line,
      new RegExp(`^- ${child.id} "a task" no activity detected: no sign of life for `, "mu"),
    );
    assert.doesNotMatch(line, /<background_job/u, "the end of the other one waits");
  });

  void it("wait for one whose end is held back a moment", async () => {
    const { house, told, end, children } = await together(2);
    const release = house.notices.hold([children[0]?.id ?? ""]);
    await end(0);
    await end(1);
    assert.deepEqual(told(), []);
    release(false);
    await house.clock.advance(WHILE);
    assert.equal(told().length, 1);
    assert.match(told()[0] ?? "", /^group "audit": 2\/2 done$/mu);
  });

  void it("begin a new round after they were told", async () => {
    const { house, told, end, children, parent } = await together(2);
    await end(0);
    await end(1);
    await house.clock.advance(WHILE);
    const next = await house.child({ parentSessionID: parent.id, group: "audit" });
    await house.answer(next.sessionID, "more");
    await house.clock.advance(WHILE);
    assert.equal(told().length, 2);
    assert.match(told()[1] ?? "", /^group "audit": 1\/1 done$/mu);
    assert.doesNotMatch(told()[1] ?? "", new RegExp(children[0]?.id ?? "", "u"));
  });

  void it("are one round where one step of the agent starts them, also when some are told by its answers", async () => {
    const { house, parent } = await together(0);
    const step = { parentSessionID: parent.id, group: "audit", parentMessageID: "msg_1" };
    const first = await house.child(step);
    const release = house.notices.hold([first.id]);
    await house.answer(first.sessionID, "at once");
    release(true);
    const second = await house.child(step);
    const third = await house.child({ ...step, parentMessageID: "msg_2" });
    const rounds = [first, second, third].map(({ id }) => house.job(id).groupRound);
    assert.deepEqual(rounds, [0, 0, 0]);
    for (const { sessionID } of [second, third]) await house.answer(sessionID, "done");
    await house.clock.advance(WHILE);
    await parent.run();
    const later = await house.child({ ...step, parentMessageID: "msg_3" });
    assert.equal(house.job(later.id).groupRound, 1);
  });

  void it("wait for one that is continued before they were told", async () => {
    const { house, told, end, children } = await together(2);
    const [first] = children;
    assert.ok(first);
    await end(0);
    await house.tasks.resume(first.id, "more", {});
    await end(1);
    assert.deepEqual(told(), []);
    await end(0);
    assert.equal(told().length, 1);
  });

  void it("withhold nothing from what does not belong to them, nor from the user's message of other jobs", async () => {
    const { house, told, parent, end } = await together(2);
    await end(0);
    const other = await house.child({ parentSessionID: parent.id });
    await house.answer(other.sessionID, "alone");
    await house.clock.advance(WHILE);
    assert.equal(told().length, 1);
    assert.match(told()[0] ?? "", new RegExp(`id="${other.id}"`, "u"));
    await parent.run();
    await parent.types();
    assert.equal(house.notices.outbox.pending(parent.id).length, 1, "its end waits for the group");
  });
});
