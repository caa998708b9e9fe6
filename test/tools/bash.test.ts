/** `bash` as the host is given it: only where the options say so, never longer than the host's own. */
import assert from "node:assert/strict";
import { describe, it, mock, type TestContext } from "node:test";
import type { ToolContext } from "@opencode-ai/plugin";
import { z } from "zod";
import { deferred } from "../../fixtures/deferred.js";
import type { CallAnswer } from "../../src/bash/call.js";
import { UserError } from "../../src/ports.js";
import { bash } from "../../src/tools/bash.js";
import { goAlong } from "../fakes/clock.js";
import { desk } from "../fakes/workspace.js";

/** Of OpenCode 1.18.33, with bash on Linux. */
const HOSTS_DESCRIPTION = 4_628;

/** Calls it as the host does: with whatever the model wrote. */
function bashDesk(t: TestContext, oneShot = false) {
  const made = desk(t, {}, oneShot);
  const { workspace, clock, host, root } = made;
  goAlong(t, clock);
  const tool = bash(async (sessionID) => {
    await workspace.ready(sessionID);
    return workspace;
  }, workspace.options);
  const execute: unknown = Reflect.get(tool, "execute");
  assert.ok(typeof execute === "function");
  const call = async (args: unknown, context: Partial<ToolContext> & { callID?: string } = {}) => {
    const answer: CallAnswer = await Reflect.apply(execute, tool, [
      args,
      {
        sessionID: root,
        messageID: host.newMessageID(),
        agent: "build",
        directory: workspace.directory,
        worktree: workspace.directory,
        abort: new AbortController().signal,
        metadata: () => undefined,
        ask: () => Promise.resolve(),
        ...context,
      },
    ]);
    return answer;
  };
  return { ...made, tool, call };
}

void describe("bash in the host's place", () => {
  void it("is not longer than the host's own, and is counted apart", (t) => {
    const { tool } = bashDesk(t);
    const parameters = z.toJSONSchema(z.object(tool.args), { io: "input" });
    console.log(`bash: ${JSON.stringify([tool.description, parameters]).length}`);
    assert.ok(JSON.stringify([tool.description, parameters]).length <= HOSTS_DESCRIPTION);
    assert.deepEqual(parameters.required, ["command"]);
  });

  for (const [args, words] of [
    [{}, /^command: expected a shell command, got nothing$/u],
    [{ command: "" }, /^command: expected a shell command, got ""$/u],
    [{ command: "true", timeout: 0 }, /^timeout: expected a whole number .* above 0, got 0$/u],
    [{ command: "true", timeout: 1.5 }, /^timeout: expected .* got 1\.5$/u],
    [{ command: "true", workdir: 7 }, /^workdir: expected .* got 7$/u],
    [{ command: "true", workdir: "missing" }, /^workdir: expected an existing folder/u],
    ["text", /^arguments: expected an object/u],
  ] as const) {
    void it(`refuses ${JSON.stringify(args)}, and names the field`, async (t) => {
      const { call, workspace } = bashDesk(t);
      await assert.rejects(call(args), (thrown: unknown) => {
        assert.ok(thrown instanceof UserError);
        assert.match(thrown.message, words);
        return true;
      });
      assert.equal(workspace.jobs.size, 0);
    });
  }

  void it("ignores what it does not know, as the host's own", async (t) => {
    const { call } = bashDesk(t);
    const { output } = await call({ command: "echo hi", description: "Say hi", timeout: "5000" });
    assert.equal(output, "hi\n");
  });

  void it("asks the host for the limits of answers until it knows them, then no more", async (t) => {
    const { call, host } = bashDesk(t);
    host.fail("answerLimits", 1);
    for (const _ of [1, 2, 3]) await call({ command: "true" });
    assert.equal(host.calls.get("answerLimits"), 2);
  });

  void it("is aborted while its permission is asked: nothing is started", async (t) => {
    const { call, workspace } = bashDesk(t);
    const abort = new AbortController();
    const ask = () => Promise.resolve(abort.abort());
    const { output } = await call({ command: "touch x" }, { abort: abort.signal, ask });
    assert.match(output, /^\(no output\)[^]*User aborted the command/u);
    assert.equal(workspace.jobs.size, 0);
  });

  void it("throws what the host's question throws, as it is", async (t) => {
    const { call } = bashDesk(t);
    const refusal = new Error("The user rejected permission");
    await assert.rejects(
      call({ command: "rm x" }, { ask: () => Promise.reject(refusal) }),
      refusal,
    );
  });

  void it("answers at once when it is aborted, and hears no abort after its answer", async (t) => {
    const { call, workspace } = bashDesk(t);
    const abort = new AbortController();
    const answer = call({ command: "sleep 300" }, { abort: abort.signal });
    const started = new Promise<void>((resolve) => setTimeout(resolve, 0));
    await started;
    abort.abort();
    assert.match((await answer).output, /User aborted the command/u);
    const later = new AbortController();
    const moved = await call({ command: "sleep 300; true", timeout: 1 }, { abort: later.signal });
    const id = moved.metadata.processId ?? "";
    later.abort();
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(workspace.jobs.getProcess(id)?.status, "running");
  });

  void it("moves a command whose record is on disk before its id is said", async (t) => {
    const { call, workspace } = bashDesk(t);
    const [asked, saved] = [deferred<void>(), deferred<void>()];
    mock.method(workspace, "persist", () => {
      asked.resolve();
      return saved.promise;
    });
    let isAnswered = false;
    const answer = call({ command: "sleep 300; true", timeout: 1 }).finally(() => {
      isAnswered = true;
    });
    await asked.promise;
    const [job] = workspace.jobs.all();
    assert.equal(job?.kind === "process" && job.fromBash, "moved");
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(isAnswered, false);
    saved.resolve();
    const { output, metadata } = await answer;
    assert.equal(metadata.processId, job?.id);
    assert.match(output, /^proc_\w{10} still runs/u);
  });

  void it("shows its output while it runs, in the host's own words for its call", async (t) => {
    const { call, host } = bashDesk(t);
    const context = { callID: "call_1" };
    await call({ command: "echo one; sleep 0.6; echo two" }, context);
    assert.deepEqual(host.shown, [{ callID: "call_1", output: "one\n" }]);
  });
});
