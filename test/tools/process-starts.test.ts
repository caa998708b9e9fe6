import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { isTerminal } from "../../src/jobs/status.js";
import { desk } from "../fakes/workspace.js";

function setShell(t: TestContext, file: string): void {
  const before = process.env["SHELL"];
  process.env["SHELL"] = file;
  t.after(() => {
    if (before === undefined) delete process.env["SHELL"];
    else process.env["SHELL"] = before;
  });
}

void describe("createBackgroundProcess", () => {
  void it("says that it could not be started, and no notice says it again", async (t) => {
    const { call, workspace, root } = desk(t);
    // The parent works, so that a notice would wait.
    workspace.onEvent({ type: "busy", sessionID: root });
    const shell = join(workspace.directory, "bash");
    writeFileSync(shell, "not a program", { mode: 0o600 });
    setShell(t, shell);
    const answer = await call("createBackgroundProcess", { command: "true" });
    assert.match(answer, /^proc_\w+ failed \(error\) .*EACCES/u);
    assert.deepEqual(workspace.notices.outbox.all(), []);
  });

  void it("says that it ended before it was ready and what it printed, and no notice says it again", async (t) => {
    const { call, workspace, root } = desk(t);
    workspace.onEvent({ type: "busy", sessionID: root });
    const answer = await call("createBackgroundProcess", {
      command: "echo why; exit 3",
      readyPattern: "listening",
    });
    assert.match(answer, /\bexit code 3[^]*\nIt ended before it was ready\.\n.*\nwhy$/u);
    assert.deepEqual(workspace.notices.outbox.all(), []);
  });

  void it("says it to a caller that is gone: the notice tells it", async (t) => {
    const { call, workspace, root } = desk(t);
    workspace.onEvent({ type: "busy", sessionID: root });
    const abort = new AbortController();
    workspace.jobs.onChange(({ job }) => {
      if (isTerminal(job.status)) abort.abort();
    });
    await call(
      "createBackgroundProcess",
      { command: "exit 3", readyPattern: "listening" },
      { abort: abort.signal },
    );
    assert.equal(workspace.notices.outbox.pending(root).length, 1);
  });
});
