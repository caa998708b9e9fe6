import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { z } from "zod";
import { settle } from "../fakes/clock.js";
import { desk, type Desk } from "../fakes/workspace.js";

const TASK = { description: "Looks around", prompt: "Look around.", agent: "general" };

async function launched(t: TestContext, options: Parameters<typeof desk>[1] = {}) {
  const one = desk(t, options);
  const answer = await one.call("createBackgroundTask", TASK);
  const [job] = one.workspace.tasks.list();
  assert.ok(job?.sessionID);
  return { ...one, answer, id: job.id, sessionID: job.sessionID };
}

function answers({ host, workspace }: Desk, sessionID: string, text: string): void {
  host.addAssistant(sessionID, { text });
  workspace.onEvent({ type: "idle", sessionID });
}

void describe("createBackgroundTask", () => {
  void it("says id and status first, and that its end will be told", async (t) => {
    const { answer, id } = await launched(t);
    assert.match(answer, new RegExp(`^${id} running · "Looks around" · `, "u"));
    assert.match(answer, /You will be told its result when it ends/u);
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
    assert.match(answer, new RegExp(`nearly the same prompt is already running: ${id}$`, "u"));
  });

  void it("says why it failed, promises nothing, and no notice says it again", async (t) => {
    const { call, host, workspace, root } = desk(t);
    workspace.onEvent({ type: "busy", sessionID: root });
    host.fail("createSession", 1);
    const answer = await call("createBackgroundTask", TASK);
    assert.match(answer, /^bg_\w+ failed \(error\) .* error: scripted refusal/u);
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
    assert.match(await line(), /pending · "Looks around" · waits since 3 s · /u);
    const [otherID = ""] = other.split(" ");
    await call("cancelBackgroundTasks", { taskId: otherID });
    await clock.advance(4_000);
    assert.match(await line(), /running · "Looks around" · 4 s · /u);
  });

  void it("says what a continued task had said, if its end was not told yet", async (t) => {
    const one = await launched(t);
    one.workspace.onEvent({ type: "busy", sessionID: one.root });
    answers(one, one.sessionID, `${"x".repeat(5_000)} the first result`);
    await settle();
    const more = { ...TASK, prompt: "More.", taskId: one.id };
    const answer = await one.call("createBackgroundTask", more);
    assert.match(answer, /had ended before, which you were not told yet: bg_\w+ completed/u);
    assert.match(answer, /\nthe end of its 5,017 characters:\nx{3983} the first result$/u);
    answers(one, one.sessionID, "the second");
    await settle();
    await one.call("getBackgroundTask", { taskId: one.id });
    assert.doesNotMatch(await one.call("createBackgroundTask", more), /had ended before/u);
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

void describe("getBackgroundTask", () => {
  void it("says the state and the text so far, and one line when nothing is new", async (t) => {
    const { call, host, clock, workspace, id, sessionID } = await launched(t);
    assert.match(await call("getBackgroundTask", { taskId: id }), /\n\(no text yet\)$/u);
    await clock.advance(3_000);
    const again = await call("getBackgroundTask", { taskId: id });
    assert.equal(again.split("\n").length, 1);
    assert.match(again, /running · unchanged since your last look 3 s ago/u);
    host.addAssistant(sessionID, { text: "So far.", completed: false });
    workspace.onEvent({ type: "activity", sessionID });
    const news = await call("getBackgroundTask", { taskId: id });
    assert.match(news, /text so far, characters 0 to 7 of 7:\nSo far\.$/u);
  });

  void it("gives a long result page by page, each within 8,000 bytes, whole and the same each time", async (t) => {
    const one = await launched(t);
    const { call, id } = one;
    const text = Array.from({ length: 9_000 }, (_, index) => `ä😀${index}\n`)
      .join("")
      .trim();
    answers(one, one.sessionID, text);
    await settle();
    for (let time = 0; time < 2; time++) {
      let read = "";
      let args: object = { taskId: id };
      for (let page = 0; page < 100; page++) {
        const answer = await call("getBackgroundTask", args);
        assert.ok(Buffer.byteLength(answer) <= 8_000);
        const [, body = ""] = /characters \d+ to \d+ of \d+:\n([^]*)$/u.exec(answer) ?? [];
        const [rest = ""] = /\n… for the rest: .*$/u.exec(body) ?? [];
        read += body.slice(0, body.length - rest.length);
        const [, next] = /getBackgroundTask\((\{.*\})\)$/u.exec(rest) ?? [];
        if (next === undefined) break;
        args = { ...args, ...z.looseObject({}).parse(JSON.parse(next)) };
      }
      assert.equal(read, text);
    }
  });

  for (const cursor of ["x", "-1@abc", "5@wrongrun", "999999@", "1e3@x"]) {
    void it(`refuses the cursor ${JSON.stringify(cursor)}`, async (t) => {
      const one = await launched(t);
      answers(one, one.sessionID, "done");
      await settle();
      await assert.rejects(
        one.call("getBackgroundTask", { taskId: one.id, cursor }),
        /^UserError: cursor: expected one from the latest answer about this task .*, got "/u,
      );
    });
  }

  void it("that refuses a cursor says nothing of the end: it is still to be told", async (t) => {
    const one = await launched(t);
    // The parent works, so that its notice waits.
    one.workspace.onEvent({ type: "busy", sessionID: one.root });
    const read = { taskId: one.id, cursor: "x", wait: 600 };
    const reading = assert.rejects(one.call("getBackgroundTask", read), /^UserError: cursor/u);
    await settle();
    answers(one, one.sessionID, "done");
    await reading;
    assert.equal(one.workspace.notices.outbox.pending(one.root).length, 1);
  });

  void it("says that there was no text, and what failed last", async (t) => {
    const { call, host, workspace, id, sessionID } = await launched(t);
    const tools = [{ callID: "1", tool: "bash", status: "error" as const, error: "rejected" }];
    host.addAssistant(sessionID, { finish: "tool-calls", tools });
    workspace.onEvent({ type: "idle", sessionID });
    await settle();
    const answer = await call("getBackgroundTask", { taskId: id });
    assert.match(answer, /\n\(no text output\)\nits last failed tool call: bash: rejected$/u);
  });

  void it("waits as asked, and the parent is told by the answer and not again", async (t) => {
    const one = await launched(t);
    const { call, workspace, root, id, sessionID } = one;
    const reading = call("getBackgroundTask", { taskId: id, wait: 600 });
    await settle();
    answers(one, sessionID, "done");
    assert.match(await reading, /completed[^]*\ndone$/u);
    assert.deepEqual(workspace.notices.outbox.pending(root), []);
  });

  void it("waits no longer than asked, and then the end is still to be told", async (t) => {
    const one = await launched(t);
    const { call, clock, workspace, root, id, sessionID } = one;
    let answer = "";
    const reading = call("getBackgroundTask", { taskId: id, wait: 5 }).then(
      (text) => (answer = text),
    );
    await settle();
    await clock.advance(4_900);
    assert.equal(answer, "");
    await clock.advance(100);
    await reading;
    assert.match(answer, /running/u);
    answers(one, sessionID, "done");
    await settle();
    assert.equal(workspace.notices.outbox.pending(root).length, 1);
  });

  void it("stops waiting when the caller is aborted, and then the end is still to be told", async (t) => {
    const one = await launched(t);
    const abort = new AbortController();
    const reading = one.call(
      "getBackgroundTask",
      { taskId: one.id, wait: 600 },
      { abort: abort.signal },
    );
    await settle();
    abort.abort();
    await reading;
    answers(one, one.sessionID, "done");
    await settle();
    assert.equal(one.workspace.notices.outbox.pending(one.root).length, 1);
  });

  void it("of a session that is gone says how it ended", async (t) => {
    const { call, host, workspace, id, sessionID } = await launched(t);
    host.sessions.delete(sessionID);
    workspace.onEvent({ type: "deleted", sessionID });
    await settle();
    const answer = await call("getBackgroundTask", { taskId: id });
    assert.match(answer, /cancelled \(session_deleted\)[^]*\(no text output\)$/u);
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
    assert.equal(lines.length - 1 + Number(more), 100);
    assert.match(await call("listBackgroundTasks", { tags: ["none"] }), /^none$/u);
    assert.equal(await call("listBackgroundTasks", { tags: [] }), text, "no tags are no filter");
    assert.equal((await call("listBackgroundTasks", { status: "running" })).split("\n").length, 1);
  });
});
