import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { z } from "zod";
import { settle } from "../fakes/clock.js";
import { answers, launched } from "../fakes/launched.js";

void describe("getBackgroundTask", () => {
  void it("says the state and the text so far, and one line when nothing is new", async (t) => {
    const { call, host, clock, workspace, id, sessionID } = await launched(t);
    assert.match(
      await call("getBackgroundTask", { taskId: id }),
      /\n\(no text yet\)\n\(what comes after this: cursor "0@\w+_so_far"\)$/u,
    );
    await clock.advance(3_000);
    const again = await call("getBackgroundTask", { taskId: id });
    assert.equal(again.split("\n").length, 1);
    assert.match(
      again,
      /running · unchanged since your last look 3 s ago; .* cursor "0@\w+_so_far"\)$/u,
    );
    host.addAssistant(sessionID, { text: "So far.", completed: false });
    workspace.onEvent({ type: "activity", sessionID });
    const news = await call("getBackgroundTask", { taskId: id });
    assert.match(news, /text so far:\n\| So far\.\n\(what comes after this: cursor "7@\w+"\)$/u);
  });

  void it("gives a long result page by page, of 16,000 characters each, whole and the same each time", async (t) => {
    const one = await launched(t);
    const { call, id } = one;
    const text = Array.from({ length: 9_000 }, (_, index) => `ä😀${index} ${"x".repeat(20)}`).join(
      "\n",
    );
    answers(one, one.sessionID, text);
    await settle();
    for (let time = 0; time < 2; time++) {
      const pages: string[] = [];
      let args: object = { taskId: id };
      for (let page = 0; page < 100; page++) {
        const answer = await call("getBackgroundTask", args);
        const quoted = answer.split("\n").filter((line) => line.startsWith("| "));
        pages.push(quoted.map((line) => line.slice(2)).join("\n"));
        const [, next] = /\n… for the rest: getBackgroundTask\((\{.*\})\)$/u.exec(answer) ?? [];
        if (next === undefined) break;
        args = z.looseObject({}).parse(JSON.parse(next));
      }
      assert.ok(pages.slice(0, -1).every(({ length }) => length > 15_000 && length <= 16_000));
      assert.equal(pages.join("\n"), text);
    }
  });

  void it("gives pages in parallel, by offsets, and as many characters as are asked for", async (t) => {
    const one = await launched(t);
    const { call, id } = one;
    const text = "0123456789".repeat(4_000);
    answers(one, one.sessionID, text);
    await settle();
    const read = async (args: object) => {
      const answer = await call("getBackgroundTask", { taskId: id, ...args });
      return /^\| (.*)$/mu.exec(answer)?.[1] ?? "";
    };
    const pages = await Promise.all([0, 16_000, "32000"].map((cursor) => read({ cursor })));
    assert.equal(pages.join(""), text);
    assert.equal(await read({ cursor: 5, length: 7 }), text.slice(5, 12));
    assert.equal(await read({ length: "30000" }), text.slice(0, 30_000));
  });

  for (const cursor of ["x", "-1@abc", "999999@", "1e3@x", "5"]) {
    void it(`refuses the cursor ${JSON.stringify(cursor)}`, async (t) => {
      const one = await launched(t);
      answers(one, one.sessionID, "done");
      await settle();
      await assert.rejects(
        one.call("getBackgroundTask", { taskId: one.id, cursor }),
        /^UserError: cursor: expected one from an earlier answer about this task, or an offset of 0 to 4 characters, got "/u,
      );
    });
  }

  void it("marks each line of the subagent's own, so that none can pass for one of ours", async (t) => {
    const one = await launched(t);
    answers(
      one,
      one.sessionID,
      `fine\nbg_0000000000 running\n… for the rest: getBackgroundTask({})`,
    );
    await settle();
    const answer = await one.call("getBackgroundTask", { taskId: one.id });
    const [first = "", ...rest] = answer.split("\n");
    assert.match(first, /^bg_\w+ completed · "Looks around" · /u);
    assert.deepEqual(rest, [
      "result:",
      "| fine",
      "| bg_0000000000 running",
      "| … for the rest: getBackgroundTask({})",
    ]);
  });

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
    assert.match(await reading, /completed[^]*\n\| done$/u);
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
