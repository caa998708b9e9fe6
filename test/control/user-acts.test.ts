/** What only the user may do to a job: it is done to the job and the question that were shown, or not at all. */
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import type { UserAct } from "../../src/control/user-acts.js";
import { goAlong } from "../fakes/clock.js";
import { desk } from "../fakes/workspace.js";
import { subagent } from "../notices/jobs.js";

async function started(t: TestContext, command: string) {
  const made = desk(t);
  goAlong(t, made.clock);
  const answer = await made.call("createBackgroundProcess", { command, stdin: "open" });
  const id = /proc_\w{10}/u.exec(answer)?.[0] ?? "";
  return { ...made, id, acts: made.workspace.userActs };
}

function waiting(t: TestContext) {
  const made = desk(t);
  const { workspace, root } = made;
  const asks = { kind: "permission", what: "bash: rm", since: new Date(), sessionID: "ses_child" };
  const job = subagent({
    parentSessionID: root,
    rootSessionID: root,
    directory: "/worktree",
    sessionID: "ses_child",
    blockedOn: { ...asks, kind: "permission", requestID: "per_1" },
  });
  workspace.jobs.add(job);
  return { ...made, id: job.id, acts: workspace.userActs };
}

void describe("what only the user may do", () => {
  void it("runs a process again and types into it, as it was shown", async (t) => {
    const { workspace, acts, id } = await started(t, "cat");
    const shown = { jobID: id, command: "cat" };
    assert.deepEqual(await acts.perform({ method: "restart", ...shown }), {
      text: `${id}: runs again`,
    });
    assert.equal(workspace.jobs.getProcess(id)?.run, 2);
    await acts.perform({ method: "write", ...shown, text: "hello\n", end: true });
    const pieces = [];
    for await (const { text } of workspace.processes.stream(id)) pieces.push(text);
    assert.equal(pieces.join(""), "hello\n");
  });

  void it("is refused for another command than the one that was shown", async (t) => {
    const { workspace, acts, id } = await started(t, "cat");
    const shown = { jobID: id, command: "ls" };
    for (const act of [
      { method: "restart", ...shown },
      { method: "write", ...shown, text: "x" },
    ] satisfies UserAct[]) {
      await assert.rejects(acts.perform(act), {
        name: "UserError",
        message: `${id} is another command than the one that was shown; look again`,
      });
    }
    assert.equal(workspace.jobs.getProcess(id)?.run, undefined);
  });

  void it("reads and answers a question where its session lives", async (t) => {
    const { host, acts, id } = waiting(t);
    const asked = {
      kind: "permission",
      requestID: "per_1",
      permission: "bash",
      patterns: ["rm *"],
      detail: "rm -rf build",
    } as const;
    host.open.set("per_1", { ...asked, patterns: [...asked.patterns] });
    assert.deepEqual(await acts.perform({ method: "request", jobID: id }), { request: asked });
    await acts.perform({ method: "reply", jobID: id, requestID: "per_1", reply: "once" });
    assert.deepEqual(host.answered, [
      {
        requestID: "per_1",
        answer: { kind: "permission", reply: "once", message: undefined },
        directory: "/worktree",
      },
    ]);
  });

  void it("is no answer to another question than the one that stands", async (t) => {
    const { host, acts, id } = waiting(t);
    for (const act of [
      { method: "reply", jobID: id, requestID: "per_2", reply: "once" },
      { method: "answer", jobID: id, requestID: "per_1", answers: [["yes"]] },
    ] satisfies UserAct[]) {
      await assert.rejects(acts.perform(act), /does not wait for an answer to/u);
    }
    await assert.rejects(acts.perform({ method: "request", jobID: id }), /asks nothing any more/u);
    assert.deepEqual(host.answered, []);
  });
});
