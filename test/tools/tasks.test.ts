import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { settle } from "../fakes/clock.js";
import { answers, launched, TASK } from "../fakes/launched.js";
import { desk } from "../fakes/workspace.js";

void describe("createBackgroundTask", () => {
  void it("says id and status first, and that its end will be told", async (t) => {
    const { answer, id } = await launched(t);
    assert.match(answer, new RegExp(`^${id} running · "Looks around" · `, "u"));
    assert.match(answer, /You will be told its result: go on/u);
  });

  void it("says to wait for it where OpenCode ends with the turn", async (t) => {
    const answer = await desk(t, {}, true).call("createBackgroundTask", TASK);
    assert.match(
      answer,
      /ends with your turn.*getBackgroundTask\(\{"taskId":"bg_\w+","wait":600\}\)/u,
    );
    assert.doesNotMatch(answer, /end your turn/u);
  });

  void it("says the place in the queue, and which task it repeats", async (t) => {
    const { call, id } = await launched(t, { maxRunning: 1 });
    const answer = await call("createBackgroundTask", TASK);
    assert.match(answer, /^bg_\w+ pending .* number 1 in the queue/u);
    const words = `The very same prompt was given to ${id} already, which is running.`;
    assert.equal(answer.split("\n").at(-1), words);
    // Who starts a third one means it.
    assert.ok(!(await call("createBackgroundTask", TASK)).includes("very same prompt"));
  });

  void it("says why it failed, promises nothing, and no notice says it again", async (t) => {
    const { call, host, workspace, root } = desk(t);
    workspace.onEvent({ type: "busy", sessionID: root });
    host.fail("createSession", 1);
    const answer = await call("createBackgroundTask", TASK);
    assert.match(answer, /^bg_\w+ failed · .* error: scripted refusal/u);
    assert.doesNotMatch(answer, /will be told/u);
    assert.deepEqual(workspace.notices.outbox.all(), []);
  });

  void it("starts nothing when its call is aborted while the launch is looked at", async (t) => {
    const { call, host, workspace } = desk(t);
    const abort = new AbortController();
    const looking = host.block("agents");
    const launching = call("createBackgroundTask", TASK, { abort: abort.signal });
    await settle();
    abort.abort();
    looking.resolve();
    await assert.rejects(launching, /the call was aborted; nothing was started/u);
    assert.equal(workspace.jobs.size, 0);
  });

  void it("says of a continued task how long it runs now, not since it was made", async (t) => {
    const one = await launched(t, { maxRunning: 1 });
    const { call, clock, id, sessionID } = one;
    answers(one, sessionID, "done");
    await clock.advance(2 * 60 * 60_000);
    const other = await call("createBackgroundTask", { ...TASK, description: "First" });
    await call("createBackgroundTask", { ...TASK, taskId: id });
    await clock.advance(3_000);
    const line = async () => (await call("getBackgroundTask", { taskId: id })).split("\n")[0] ?? "";
    assert.match(await line(), /pending · "Looks around" · has waited 3 s · /u);
    const [otherID = ""] = other.split(" ");
    await call("cancelBackgroundTasks", { taskId: otherID });
    await clock.advance(4_000);
    assert.match(await line(), /running · "Looks around" · 4 s · /u);
  });

  void it("says what a continued task had said, if its end was not told yet", async (t) => {
    const one = await launched(t);
    one.workspace.onEvent({ type: "busy", sessionID: one.root });
    answers(one, one.sessionID, `the first result ${"x".repeat(20_000)} its end`);
    await settle();
    const more = { ...TASK, prompt: "More.", taskId: one.id };
    const answer = await one.call("createBackgroundTask", more);
    assert.match(answer, /had ended before, which you were not told yet: bg_\w+ completed/u);
    assert.match(
      answer,
      /\n\| the first result x{7983}\n… 4,025 characters left out …\n\| x{7992} its end$/u,
    );
    answers(one, one.sessionID, "the second");
    await settle();
    await one.call("getBackgroundTask", { taskId: one.id });
    assert.doesNotMatch(await one.call("createBackgroundTask", more), /had ended before/u);
  });

  void it("says it once: no notice of it goes out while the launch is looked at", async (t) => {
    const one = await launched(t);
    const { call, clock, host, root, id, sessionID } = one;
    one.workspace.onEvent({ type: "busy", sessionID: root });
    answers(one, sessionID, "the first result");
    await settle();
    const looking = host.block("agents");
    const more = call("createBackgroundTask", { ...TASK, prompt: "More.", taskId: id });
    await clock.advance(1_000);
    looking.resolve();
    assert.match(await more, /not told yet: .*\n\| the first result$/su);
    await clock.advance(1_000);
    const told = host.prompts.filter((prompt) => prompt.sessionID === root);
    assert.deepEqual(told, []);
  });

  void it("continues an ended task with another model and further tags, and a live one with neither another model nor agent", async (t) => {
    const one = await launched(t);
    const { call, host, workspace, id } = one;
    const more = { ...TASK, prompt: "More.", taskId: id };
    for (const [other, refusal] of [
      [
        { model: "scripted/m2" },
        /^model: expected scripted\/m1 while bg_\w+ is running, got "scripted\/m2": another one is for an ended task$/u,
      ],
      [{ agent: "explore" }, /^agent: expected general, as bg_\w+ is one, got "explore"$/u],
    ] as const) {
      await assert.rejects(call("createBackgroundTask", { ...more, ...other }), {
        message: refusal,
      });
    }
    assert.equal(host.prompts.length, 1);
    await call("createBackgroundTask", { ...more, model: "scripted/m1", tags: ["first"] });
    answers(one, one.sessionID, "done");
    await settle();
    await call("createBackgroundTask", { ...more, model: "scripted/m2", tags: ["second"] });
    assert.deepEqual(host.prompts.at(-1)?.model, { providerID: "scripted", modelID: "m2" });
    const job = workspace.tasks.getTask(id);
    assert.deepEqual(job?.model, { providerID: "scripted", modelID: "m2" });
    assert.deepEqual(job.tags, ["first", "second"]);
    answers(one, one.sessionID, "done again");
    await settle();
    await assert.rejects(call("createBackgroundTask", { ...more, model: "scripted/m9" }), {
      message: /^model: expected one of .*got "scripted\/m9"$/u,
    });
    assert.equal(workspace.tasks.getTask(id)?.status, "completed");
  });

  void it("continues a task by its id or its session's", async (t) => {
    const one = await launched(t);
    for (const taskId of [one.id, one.sessionID]) {
      answers(one, one.sessionID, "done");
      await settle();
      const answer = await one.call("createBackgroundTask", { ...TASK, prompt: "More.", taskId });
      assert.match(answer, new RegExp(`^${one.id} running`, "u"));
    }
    assert.equal(one.workspace.tasks.getTask(one.id)?.runs.length, 3);
  });
});

void describe("cancelBackgroundTasks", () => {
  void it("ends what was chosen, says so, and the parent is not told again", async (t) => {
    const { call, host, workspace, root, id, sessionID } = await launched(t);
    host.onAbort = (aborted) => workspace.onEvent({ type: "idle", sessionID: aborted });
    const answer = await call("cancelBackgroundTasks", { taskId: sessionID });
    assert.match(answer, new RegExp(`^${id} cancelled \\(cancelled_by_agent\\)`, "u"));
    assert.deepEqual(workspace.notices.outbox.pending(root), []);
    assert.match(await call("cancelBackgroundTasks", { taskId: id }), /→ had ended already$/u);
  });

  void it("says that there is no worktree to remove beside what was cancelled", async (t) => {
    const { call, host, workspace, id } = await launched(t);
    host.onAbort = (aborted) => workspace.onEvent({ type: "idle", sessionID: aborted });
    const answer = await call("cancelBackgroundTasks", { taskId: id, remove: true });
    const said = `^${id} cancelled \\(cancelled_by_agent\\).*\nit has no worktree$`;
    assert.match(answer, new RegExp(said, "u"));
  });

  void it("whose call is aborted is not heard: the parent is still told", async (t) => {
    const { call, clock, workspace, host, root, id, sessionID } = await launched(t);
    const abort = new AbortController();
    host.busy.add(sessionID);
    workspace.onEvent({ type: "busy", sessionID: root });
    const cancelling = call("cancelBackgroundTasks", { taskId: id }, { abort: abort.signal });
    await settle();
    abort.abort();
    await clock.advance(10_000);
    await cancelling;
    assert.equal(workspace.notices.outbox.pending(root).length, 1);
  });
});

void describe("listBackgroundTasks", () => {
  void it("stays below 8,000 bytes with many tasks, live ones first, and says how many are left out", async (t) => {
    const { call } = await launched(t, { maxRunning: 1, maxTasksPerSession: 200 });
    for (let count = 0; count < 99; count++) {
      await call("createBackgroundTask", { ...TASK, prompt: `Task ${count}`, tags: ["many"] });
    }
    const text = await call("listBackgroundTasks", {});
    assert.ok(Buffer.byteLength(text) <= 8_000);
    const lines = text.split("\n");
    assert.match(lines.at(-1) ?? "", /^and (\d+) older ones: narrow by status or tags$/u);
    const [, more] = /^and (\d+)/u.exec(lines.at(-1) ?? "") ?? [];
    assert.equal(lines[0], "1 running, 99 pending:");
    assert.equal(lines.length - 2 + Number(more), 100);
    assert.match(await call("listBackgroundTasks", { tags: ["none"] }), /^none$/u);
    assert.equal(await call("listBackgroundTasks", { tags: [] }), text, "no tags are no filter");
    assert.equal((await call("listBackgroundTasks", { status: "running" })).split("\n").length, 1);
  });
});
