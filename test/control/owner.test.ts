/** An instance listens from its first job on, and ends jobs for other processes of its user. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { askOwner } from "../../src/control/socket.js";
import { tryReadOwner } from "../../src/store/owner.js";
import { goAlong } from "../fakes/clock.js";
import { seenIn } from "../fakes/file-events.js";
import { desk } from "../fakes/workspace.js";

/** The socket that the instance names, once it does. */
function socketOf(folder: string): Promise<string> {
  return seenIn(folder, () => tryReadOwner(folder)?.control);
}

async function started(t: TestContext) {
  const runtime = mkdtempSync(join(tmpdir(), "obm-run-"));
  const before = process.env["XDG_RUNTIME_DIR"];
  process.env["XDG_RUNTIME_DIR"] = runtime;
  t.after(() => {
    if (before === undefined) delete process.env["XDG_RUNTIME_DIR"];
    else process.env["XDG_RUNTIME_DIR"] = before;
    rmSync(runtime, { recursive: true, force: true });
  });
  const made = desk(t);
  goAlong(t, made.clock);
  const answer = await made.call("createBackgroundProcess", { command: "sleep 600" });
  const id = /proc_\w{10}/u.exec(answer)?.[0] ?? "";
  await made.workspace.persist();
  return { ...made, id, path: await socketOf(made.workspace.store.folder) };
}

void describe("an instance", () => {
  void it("stops a process that another process of the user names, as its user would", async (t) => {
    const { workspace, id, path } = await started(t);
    assert.match(await askOwner(path, { method: "ping" }), /^pid \d+$/u);
    const said = await askOwner(path, { method: "stop", jobID: id });
    assert.equal(said, `${id}: ended, with everything that it had started`);
    const job = workspace.jobs.get(id);
    assert.deepEqual([job?.status, job?.endReason], ["cancelled", "cancelled_by_user"]);
    const stored = readFileSync(join(workspace.store.folder, "jobs.json"), "utf8");
    assert.match(stored, /"endReason": ?"cancelled_by_user"/u);
    await assert.rejects(askOwner(path, { method: "stop", jobID: id }), /has ended: cancelled/u);
    const removed = await askOwner(path, { method: "stop", jobID: id, remove: true });
    assert.match(removed, /record and output removed$/u);
    assert.equal(workspace.jobs.get(id), undefined);
  });

  void it("refuses a job that it does not have, and the wrong way to end one", async (t) => {
    const { id, path } = await started(t);
    const unknown = { method: "stop", jobID: "proc_nowhere000" } as const;
    await assert.rejects(askOwner(path, unknown), /there is no job proc_nowhere000 here/u);
    await assert.rejects(askOwner(path, { method: "cancel", jobID: id }), /is a process: stop it/u);
  });

  void it("leaves no socket behind when it closes", async (t) => {
    const { workspace, path } = await started(t);
    assert.equal(existsSync(path), true);
    await workspace.dispose();
    assert.equal(existsSync(path), false);
  });
});
