/** The state cannot be written: work goes on, and each start and list says what that means. */
import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { describe, it } from "node:test";
import { goAlong } from "../fakes/clock.js";
import { desk } from "../fakes/workspace.js";

const PROBLEM =
  /\nWarning: the state cannot be saved in .*: .+\. Jobs go on, but are lost if OpenCode ends\.$/u;

void describe("a state folder that cannot be written", () => {
  void it("is named by starts and lists until it can be written again", async (t) => {
    const { workspace, call, clock, root } = desk(t);
    goAlong(t, clock);
    const stateFolder = dirname(dirname(workspace.store.folder));
    writeFileSync(stateFolder, "in its place");
    const task = { description: "looks", prompt: "look at it", agent: "explore" };
    const session = { sessionID: root };
    const started = await call("createBackgroundTask", task, session);
    assert.match(started, /^bg_/u);
    assert.match(started, PROBLEM);
    assert.match(await call("listBackgroundTasks", {}, session), PROBLEM);
    assert.match(await call("listBackgroundProcesses", {}, session), PROBLEM);
    rmSync(stateFolder);
    await workspace.persist();
    const command = { command: "sleep 60" };
    assert.doesNotMatch(await call("createBackgroundProcess", command, session), /Warning/u);
    assert.doesNotMatch(await call("listBackgroundTasks", {}, session), /Warning/u);
  });

  void it("keeps no process from starting without saying so", async (t) => {
    const { workspace, call, clock, root } = desk(t);
    goAlong(t, clock);
    writeFileSync(dirname(dirname(workspace.store.folder)), "in its place");
    const command = { command: "sleep 60" };
    assert.match(await call("createBackgroundProcess", command, { sessionID: root }), PROBLEM);
  });
});
