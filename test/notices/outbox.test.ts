/** What is owed to whom: entries are held back, withdrawn, replaced and handed on. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { JobRegistry } from "../../src/jobs/registry.js";
import { Outbox } from "../../src/notices/outbox.js";
import { silentLog } from "../../src/ports.js";
import { FakeClock, settle } from "../fakes/clock.js";
import { House } from "../fakes/house.js";
import { Parent } from "../fakes/parent.js";
import { family, MINUTE } from "./family.js";
import { process } from "./jobs.js";

void describe("what the parent is told otherwise", () => {
  void it("is not told again by a notice", async () => {
    const { house, parent, child, owed } = await family();
    const release = house.notices.hold([child.id]);
    await house.answer(child.sessionID, "done");
    await house.clock.advance(MINUTE);
    assert.deepEqual(house.promptsTo(parent.id), []);
    release(true);
    await house.clock.advance(MINUTE);
    assert.deepEqual(owed(), []);
    assert.deepEqual(house.promptsTo(parent.id), []);
  });

  void it("is not told again to a parent that was given an ended subagent's own job to hear of", async () => {
    const { house, parent, child, owed } = await family();
    parent.esc();
    const nested = await house.child({ parentSessionID: child.sessionID });
    const early = house.notices.outbox.hold([nested.id], parent.id);
    await house.answer(nested.sessionID, "The part.");
    early(true);
    assert.deepEqual(
      owed().map(({ parentSessionID }) => parentSessionID),
      [child.sessionID],
      "who is told is another one",
    );
    house.host.onAbort = (sessionID) => house.idle(sessionID);
    await house.tasks.cancel([child.id], "cancelled_by_user");
    house.notices.outbox.hold([nested.id], parent.id)(true);
    assert.deepEqual(
      owed().map(({ jobID }) => jobID),
      [child.id],
    );
  });

  void it("is told by a notice when it was not told after all, and by each of several holders", async () => {
    const { house, parent, child } = await family();
    const one = house.notices.hold([child.id]);
    const two = house.notices.hold([child.id]);
    await house.answer(child.sessionID, "done");
    one(false);
    one(true);
    await house.clock.advance(MINUTE);
    assert.deepEqual(house.promptsTo(parent.id), []);
    two(false);
    await house.clock.advance(200);
    assert.equal(house.promptsTo(parent.id).length, 1);
  });

  void it("keeps nothing back of other jobs", async () => {
    const { house, parent, child } = await family();
    const other = await house.child({ parentSessionID: parent.id });
    house.notices.hold([child.id]);
    await house.answer(other.sessionID, "done");
    await house.clock.advance(200);
    assert.equal(house.promptsTo(parent.id).length, 1);
  });
});

void describe("an entry", () => {
  void it("is withdrawn when its job goes on before it was sent", async () => {
    const { house, parent, child, owed } = await family();
    parent.esc();
    await house.answer(child.sessionID, "done");
    assert.equal(owed().length, 1);
    await house.tasks.resume(child.id, "more", {});
    assert.deepEqual(owed(), []);
    await house.answer(child.sessionID, "done again");
    assert.equal(owed().length, 1);
  });

  void it("of a second run is told although the first one's is still under way", async () => {
    const { house, parent, child } = await family();
    await parent.run();
    parent.answersPrompts = false;
    await house.answer(child.sessionID, "first");
    await house.clock.advance(200);
    await house.tasks.resume(child.id, "more", {});
    await house.answer(child.sessionID, "second");
    parent.answersPrompts = true;
    await house.clock.advance(3_000);
    await parent.run();
    await house.clock.advance(1_000);
    await parent.run();
    const prompts = house.promptsTo(parent.id);
    assert.equal(prompts.length, 2);
    assert.match(prompts[1] ?? "", /^\| second$/mu);
  });

  void it("of an end replaces what was still to be said of the running", async () => {
    const { house, parent, child, owed } = await family();
    parent.ask();
    const { sessionID } = child;
    const asked = { kind: "permission" as const, what: "bash: ls", requestID: "per_child" };
    house.event({ type: "asked", sessionID, ...asked });
    await settle();
    assert.deepEqual(
      owed().map(({ kind }) => kind),
      ["blocked"],
    );
    await house.answer(sessionID, "done");
    assert.deepEqual(
      owed().map(({ kind }) => kind),
      ["ended"],
    );
  });

  void it("of a process whose subagent has ended goes to the subagent's parent", async () => {
    const { house, parent, child, owed } = await family();
    parent.esc();
    const job = process({ parentSessionID: child.sessionID, rootSessionID: parent.id });
    house.jobs.add(job);
    await house.answer(child.sessionID, "done");
    house.jobs.end(job.id, { status: "completed", reason: "finished", at: new Date() });
    assert.deepEqual(
      owed().map(({ parentSessionID, jobID }) => [parentSessionID, jobID]),
      [
        [parent.id, child.id],
        [parent.id, job.id],
      ],
    );
  });

  void it("of a process of a subagent that is not ours goes to it while it works, then to its parent", async () => {
    const { house, parent, owed } = await family();
    parent.esc();
    const native = house.host.addSession({ parentID: parent.id });
    house.event({ type: "created", sessionID: native, parentID: parent.id });
    const at = new Date();
    const ends = ["proc_1", "proc_2", "proc_3"].map((id) => {
      house.jobs.add(process({ id, parentSessionID: native, rootSessionID: parent.id }));
      return () => house.jobs.end(id, { status: "completed", reason: "finished", at });
    });
    const [first, second, third] = ends;
    house.event({ type: "asked", sessionID: native, requestID: "1", kind: "permission", what: "" });
    house.busy(native);
    first?.();
    assert.deepEqual(
      owed().map(({ parentSessionID }) => parentSessionID),
      [native],
    );
    house.idle(native);
    second?.();
    assert.deepEqual(
      owed().map(({ parentSessionID }) => parentSessionID),
      [parent.id, parent.id],
    );
    await house.clock.advance(MINUTE);
    assert.deepEqual(house.promptsTo(native), []);
    house.busy(native);
    third?.();
    assert.equal(owed().at(-1)?.parentSessionID, native, "it was given more to do");
  });

  void it("that an ended subagent had not read goes to its parent, and the subagent is not woken", async () => {
    const { house, parent, child, owed } = await family();
    const nested = await house.child({ parentSessionID: child.sessionID });
    await house.answer(nested.sessionID, "The part.");
    await house.clock.advance(200);
    assert.equal(house.promptsTo(child.sessionID).length, 2, "sent to the child");
    house.host.onAbort = (sessionID) => house.idle(sessionID);
    await house.tasks.cancel([child.id], "cancelled_by_user");
    const prompts = house.host.prompts.length;
    assert.deepEqual(
      owed().map(({ parentSessionID }) => parentSessionID),
      [parent.id, parent.id],
    );
    await house.clock.advance(10 * MINUTE);
    const later = house.host.prompts.slice(prompts);
    assert.ok(later.every(({ sessionID }) => sessionID === parent.id));
  });

  void it("is not made for a job that asked for silence, nor for a process that ended with its host", async () => {
    const { house, parent, owed } = await family();
    const quiet = await house.child({ parentSessionID: parent.id, notify: false });
    await house.answer(quiet.sessionID, "done");
    const job = process({ parentSessionID: parent.id, rootSessionID: parent.id });
    house.jobs.add(job);
    house.jobs.end(job.id, { status: "cancelled", reason: "host_exit", at: new Date() });
    assert.deepEqual(owed(), []);
  });
});

void describe("the outbox", () => {
  void it("says a change to each session whose entries it is about", () => {
    const jobs = new JobRegistry(silentLog);
    const job = process();
    jobs.add(job);
    const outbox = new Outbox(jobs, new FakeClock(), () => "ses_a");
    const entry = { jobID: job.id, kind: "stalled", createdAt: new Date(0) } as const;
    const entries = ["ses_a", "ses_b"].map((parentSessionID) => ({
      ...entry,
      id: `ntc_${parentSessionID}`,
      parentSessionID,
    }));
    outbox.adopt(entries);
    const changed: string[] = [];
    outbox.onChange((sessionID) => changed.push(sessionID));
    outbox.withdraw(job.id);
    assert.deepEqual(changed, ["ses_a", "ses_b"]);
  });
});

void describe("the user", () => {
  void it("sees one toast for what ends together, and none when they are off", async () => {
    for (const toasts of [true, false]) {
      const house = new House({ options: { toasts } });
      const parent = new Parent(house);
      for (let index = 0; index < 5; index++) {
        const { sessionID } = await house.child({ parentSessionID: parent.id });
        const error = index === 0 ? { name: "APIError", message: "no" } : undefined;
        await house.answer(sessionID, { text: "done", ...(error && { error }) });
      }
      house.host.fail("toast");
      await house.clock.advance(1_000);
      assert.equal(house.host.calls.get("toast") ?? 0, toasts ? 1 : 0);
      assert.deepEqual(house.logs("error"), []);
    }
  });
});
