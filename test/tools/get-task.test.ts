import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { z } from "zod";
import { settle } from "../fakes/clock.js";
import { answers, launched } from "../fakes/launched.js";

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

  void it("stops waiting when it asks for a permission, says the question, and no notice says it again", async (t) => {
    const one = await launched(t);
    const { call, host, workspace, root, id, sessionID } = one;
    workspace.onEvent({ type: "busy", sessionID: root });
    const reading = call("getBackgroundTask", { taskId: id, wait: 600 });
    await settle();
    const request = { requestID: "per_1", sessionID, what: "bash: rm x" };
    host.asked.push({ kind: "permission", ...request });
    workspace.onEvent({ type: "asked", kind: "permission", ...request });
    assert.match(await reading, /^bg_\w+ running .* waits for permission: bash: rm x/u);
    assert.deepEqual(workspace.notices.outbox.pending(root), []);
    assert.match(
      await call("getBackgroundTask", { taskId: id, wait: 600 }),
      /waits for permission · unchanged/u,
    );
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
