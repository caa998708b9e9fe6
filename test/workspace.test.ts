/** The parts of a directory together: what one of them forgets, another may still have to say. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { readInstances } from "../src/store/instances.js";
import { goAlong, settle } from "./fakes/clock.js";
import { desk, type Desk } from "./fakes/workspace.js";

/** Starts a process in a session that ends after its start was answered; resolves with its id when it has ended. */
async function endedProcess({ workspace, call }: Desk, sessionID: string): Promise<string> {
  const ends = new EventTarget();
  const stopListening = workspace.jobs.onChange(({ type }) => {
    if (type === "ended") ends.dispatchEvent(new Event("ended"));
  });
  const end = once(ends, "ended");
  const go = join(workspace.directory, `.go-${sessionID}`);
  const command = `until [ -e ${go} ]; do sleep 0.05; done`;
  const answer = await call("createBackgroundProcess", { command }, { sessionID });
  writeFileSync(go, "");
  await end;
  stopListening();
  return /proc_\w+/u.exec(answer)?.[0] ?? "";
}

describe("a process that ended in a session that was not opened since", () => {
  for (const [beyond, keepEnded, later] of [
    ["the days", 200, 8 * 24 * 3600_000],
    ["the number", 1, 1_000],
  ] as const) {
    it(`is kept beyond ${beyond} of retention until its session is told`, async (t) => {
      const place = desk(t, { wake: "none", keepEnded, keepDays: 7 });
      goAlong(t, place.clock);
      const { workspace, host, clock, root } = place;
      const id = await endedProcess(place, root);
      await clock.advance(later);
      const other = host.addRoot();
      await endedProcess(place, other);
      await workspace.persist();
      const messageID = host.newMessageID();
      const told = await workspace.userMessage({ sessionID: root, messageID, typed: true });
      assert.match(told ?? "", new RegExp(`${id}[^]*status="completed"`, "u"));
      assert.equal(workspace.jobs.get(id)?.status, "completed");
    });
  }
});

void describe("a workspace that is closed while a subagent works", () => {
  void it("starts no turn in its last seconds, and the next one tells the end with the user's message", async (t) => {
    const first = desk(t);
    const { call, clock, host, root, workspace } = first;
    host.addUser(root);
    const parent = { sessionID: root };
    workspace.onEvent({ type: "busy", ...parent });
    const answer = await call("createBackgroundTask", {
      description: "looks",
      prompt: "look at it",
      agent: "explore",
    });
    const [id = ""] = /^bg_\w+/u.exec(answer) ?? [];
    workspace.onEvent({ type: "idle", ...parent });
    host.block("abort");
    const closing = workspace.dispose();
    await settle();
    workspace.onEvent({ type: "busy", ...parent });
    workspace.onEvent({ type: "idle", ...parent });
    await clock.advance(1_000);
    // What is sent is on disk before.
    await workspace.persist();
    await settle();
    await clock.advance(1_000);
    await closing;
    assert.ok(host.prompts.every(({ sessionID }) => sessionID !== root));
    const second = await first.restart();
    await second.call("listBackgroundTasks", {});
    const message = { sessionID: root, messageID: host.newMessageID(), typed: true };
    const told = (await second.workspace.userMessage(message)) ?? "";
    assert.match(told, new RegExp(`id="${id}".* status="cancelled" reason="reloaded"`, "u"));
  });
});

void describe("a workspace whose parts cannot be closed", () => {
  void it("does every other step, names all that failed, and lets its exit hooks go last", async (t) => {
    const { workspace, clock, call, root } = desk(t);
    goAlong(t, clock);
    await call("createBackgroundProcess", { command: "sleep 60" }, { sessionID: root });
    const [job] = workspace.jobs.all();
    assert.ok(job);
    const listeners = process.listenerCount("exit");
    let during = 0;
    const fail = (part: object, method: string, message: string): void => {
      const original: unknown = Reflect.get(part, method);
      assert.ok(typeof original === "function");
      Reflect.set(part, method, async () => {
        await Reflect.apply(original, part, []);
        during = process.listenerCount("exit");
        throw new Error(message);
      });
    };
    fail(workspace.tasks, "dispose", "tasks are stuck");
    fail(workspace.processes, "dispose", "the helper's handle failed");
    await assert.rejects(workspace.dispose(), (error: unknown) => {
      assert.ok(error instanceof AggregateError);
      assert.deepEqual(
        error.errors.map(({ message }: Error) => message),
        ["tasks are stuck", "the helper's handle failed"],
      );
      return true;
    });
    assert.equal(during, listeners, "an exit during the closing still ends and saves what is left");
    assert.ok(process.listenerCount("exit") < listeners);
    assert.equal(clock.pending, 0);
    const [view] = await readInstances(dirname(dirname(workspace.store.folder)));
    assert.equal(view?.jobs[0]?.endReason, "host_exit");
    assert.ok(view?.owner?.closedAt, "the folder is free");
  });
});
