import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { process as aProcess } from "../notices/jobs.js";
import { desk } from "../fakes/workspace.js";

const ENDED = { status: "completed", endReason: "finished" } as const;

void describe("a call about processes that is aborted", () => {
  void it("while its permission is asked: nothing is started", async (t) => {
    const { call, workspace } = desk(t);
    const abort = new AbortController();
    const ask = () => Promise.resolve(abort.abort());
    await assert.rejects(
      call("createBackgroundProcess", { command: "true" }, { abort: abort.signal, ask }),
      /the call was aborted; nothing was started/u,
    );
    assert.equal(workspace.jobs.size, 0);
  });

  for (const tool of ["killProcesses", "getBackgroundProcess"]) {
    void it(`${tool}: is not heard, and the end is still to be told`, async (t) => {
      const { call, workspace, root } = desk(t);
      const job = aProcess({ parentSessionID: root, rootSessionID: root, ...ENDED });
      workspace.jobs.add(job);
      workspace.onEvent({ type: "busy", sessionID: root });
      workspace.notices.outbox.markEnded(job);
      await call(tool, { processId: job.id }, { abort: AbortSignal.abort() });
      assert.equal(workspace.notices.outbox.pending(root).length, 1);
      await call(tool, { processId: job.id });
      assert.equal(workspace.notices.outbox.pending(root).length, 0);
    });
  }
});
