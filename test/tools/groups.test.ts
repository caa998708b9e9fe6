/** A group as the tools know it: (session, name), both kinds, waited for, listed and ended together. */
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { goAlong, settle } from "../fakes/clock.js";
import { TASK } from "../fakes/launched.js";
import { desk } from "../fakes/workspace.js";
import { subagent } from "../notices/jobs.js";

const idIn = (answer: string): string => /\b(?:bg|proc)_\w{10}\b/u.exec(answer)?.[0] ?? "";

/** A session with two subagents in the group "audit", and another session with one in a group of that name. */
async function audited(t: TestContext) {
  const one = desk(t);
  const { call, host, workspace } = one;
  const start = async (sessionID: string, prompt: string) => {
    const given = { ...TASK, prompt, group: "audit" };
    const id = idIn(await call("createBackgroundTask", given, { sessionID }));
    const child = workspace.jobs.getSubagent(id)?.sessionID ?? "";
    return { id, child };
  };
  const other = host.addRoot();
  const first = await start(one.root, "the first half");
  const second = await start(one.root, "the second half");
  const foreign = await start(other, "something else");
  const end = (child: string, text: string) => {
    const message = host.addAssistant(child, { text });
    workspace.onEvent({ type: "assistant", sessionID: child, message });
    workspace.onEvent({ type: "idle", sessionID: child });
  };
  host.onAbort = (sessionID) => workspace.onEvent({ type: "idle", sessionID });
  const statusOf = (id: string) => workspace.jobs.get(id)?.status;
  return { ...one, other, first, second, foreign, end, statusOf };
}

void describe("getBackgroundTask with a group", () => {
  const wait = { group: "audit", wait: 600 };

  void it("waits for all of it, both kinds, and says what each said", async (t) => {
    const { call, first, second, foreign, end, statusOf } = await audited(t);
    await call("createBackgroundProcess", { command: "echo printed", group: "audit" });
    const reading = call("getBackgroundTask", wait);
    end(first.child, "one half");
    await settle();
    end(second.child, "the other half");
    const answer = await reading;
    assert.match(answer, /^group "audit": 3\/3 done$/mu);
    for (const words of ["one half", "the other half", "printed"]) {
      assert.match(answer, new RegExp(`^\\| ${words}$`, "mu"));
    }
    assert.ok(!answer.includes(foreign.id));
    assert.equal(statusOf(foreign.id), "running");
  });

  void it("returns early for a question, and not for one of another session's group", async (t) => {
    const { call, workspace, first, foreign } = await audited(t);
    const asks = (sessionID: string, requestID: string) =>
      workspace.onEvent({ type: "asked", sessionID, requestID, kind: "question", what: "Which?" });
    let answered = false;
    const reading = call("getBackgroundTask", wait).finally(() => (answered = true));
    await settle();
    asks(foreign.child, "que_1");
    await settle();
    assert.equal(answered, false);
    asks(first.child, "que_2");
    const answer = await reading;
    assert.match(answer, /^group "audit": 0\/2 done, 2 running, 1 blocked$/mu);
    assert.match(answer, new RegExp(`^${first.id} .*waits for question: Which\\?`, "mu"));
  });

  void it("tells no question that it has no room to name", async (t) => {
    const { call, workspace, root } = desk(t);
    const place = { parentSessionID: root, rootSessionID: root, group: "audit" };
    const name = "x".repeat(60);
    const ids = Array.from({ length: 80 }, (_, n) => `bg_${String(n).padStart(10, "0")}`);
    for (const id of ids) workspace.jobs.add(subagent({ id, name, ...place, status: "running" }));
    const asked = [ids[0] ?? "", ids.at(-1) ?? ""];
    for (const id of asked) {
      const since = new Date(0);
      const blockedOn = { kind: "question", what: "Which?", since, sessionID: "ses_c" } as const;
      const job = workspace.jobs.updateSubagent(id, { blockedOn });
      if (job) workspace.notices.announce(job, "blocked", "Which?");
    }
    const answer = await call("getBackgroundTask", { group: "audit" });
    assert.deepEqual(
      asked.map((id) => answer.includes(id)),
      [true, false],
    );
    const owed = workspace.notices.outbox.pending(root).map(({ jobID }) => jobID);
    assert.deepEqual(owed, asked.slice(1));
  });

  void it("returns early when the user writes in the session, and in no other", async (t) => {
    const { call, root, other, workspace, host } = await audited(t);
    const writes = (sessionID: string) =>
      workspace.userMessage({ sessionID, messageID: host.newMessageID(), typed: true });
    let answered = false;
    const reading = call("getBackgroundTask", wait).finally(() => (answered = true));
    await settle();
    await writes(other);
    await settle();
    assert.equal(answered, false);
    await writes(root);
    assert.match(await reading, /^group "audit": 0\/2 done, 2 running$/mu);
  });

  void it("returns after its seconds", async (t) => {
    const { call, clock } = await audited(t);
    const reading = call("getBackgroundTask", { group: "audit", wait: 5 });
    await settle();
    await clock.advance(5_000);
    assert.match(await reading, /2 running/u);
  });
});

void describe("a group", () => {
  void it("is listed, of the caller's own session alone", async (t) => {
    const { call, first, second, foreign, other } = await audited(t);
    const listed = await call("listBackgroundTasks", { group: "audit" });
    assert.match(listed, /^group "audit": 0\/2 done, 2 running$/mu);
    assert.ok(listed.includes(first.id) && listed.includes(second.id));
    assert.ok(!listed.includes(foreign.id));
    const theirs = await call("listBackgroundTasks", { group: "audit" }, { sessionID: other });
    assert.match(theirs, /^group "audit": 0\/1 done, 1 running$/mu);
  });

  void it("is cancelled and killed, of the caller's own session alone", async (t) => {
    const { call, clock, root, first, second, foreign, other, statusOf } = await audited(t);
    goAlong(t, clock);
    const start = async (sessionID: string) => {
      const given = { command: "exec sleep 60", group: "audit" };
      return idIn(await call("createBackgroundProcess", given, { sessionID }));
    };
    const [ours, theirs] = [await start(root), await start(other)];
    await call("cancelBackgroundTasks", { group: "audit" });
    const tasks = [first.id, second.id, foreign.id];
    assert.deepEqual(tasks.map(statusOf), ["cancelled", "cancelled", "running"]);
    assert.deepEqual([ours, theirs].map(statusOf), ["running", "running"]);
    await call("killProcesses", { group: "audit" });
    assert.deepEqual([ours, theirs].map(statusOf), ["cancelled", "running"]);
  });

  void it("has jobs that come after others: what they may do is asked when they are made", async (t) => {
    const { call, first, workspace } = await audited(t);
    const before = workspace.jobs.size;
    const given = { command: "echo late", group: "audit", after: [first.id] };
    const refuse = () => Promise.reject(new Error("the user says no"));
    await assert.rejects(
      call("createBackgroundProcess", given, { ask: refuse }),
      /the user says no/u,
    );
    const task = { ...TASK, prompt: "late", after: [first.id] };
    await assert.rejects(call("createBackgroundTask", task, { ask: refuse }), /the user says no/u);
    assert.equal(workspace.jobs.size, before, "nothing waits");
  });
});
