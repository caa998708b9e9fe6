/** What a message started that its user undoes: ended, and nothing is said of it any more. */
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { subagent } from "../notices/jobs.js";
import { settle } from "../fakes/clock.js";
import { desk } from "../fakes/workspace.js";

/** A session with work in it. */
function working(t: TestContext) {
  const { workspace, host, clock, root, call } = desk(t);
  workspace.onEvent({ type: "busy", sessionID: root });
  const undo = async (messageID: string) => {
    workspace.onEvent({ type: "reverted", sessionID: root, messageID });
    await settle();
  };
  const owed = () => workspace.notices.outbox.all().map(({ jobID, kind }) => `${jobID} ${kind}`);
  return { workspace, host, clock, root, call, undo, owed };
}

describe("an undone message", () => {
  it("is told by the order in which the host took the messages, not by their ids", async (t) => {
    const { workspace, host, root, undo } = working(t);
    // Typed in a terminal whose clock is late, while the one before it was being answered.
    const late = host.newMessageID();
    const [kept, undone] = [host.newMessageID(), host.newMessageID()];
    const parent = { parentSessionID: root, rootSessionID: root };
    host.addAssistant(root, { id: kept });
    host.addUser(root, { id: late });
    host.addAssistant(root, { id: undone });
    for (const [id, parentMessageID] of [
      ["bg_kept000000", kept],
      ["bg_undone0000", undone],
    ] as const) {
      workspace.jobs.add(subagent({ id, parentMessageID, ...parent }));
    }
    await undo(late);
    const states = workspace.jobs.all().map(({ status }) => status);
    assert.deepEqual(states, ["running", "cancelled"]);
  });

  it("takes back what is still to be said of its jobs, also what is under way and what comes last", async (t) => {
    const { workspace, host, root, undo, owed } = working(t);
    const { notices, jobs } = workspace;
    const user = host.addUser(root);
    const { id: parentMessageID } = host.addAssistant(root);
    const job = subagent({ parentMessageID, parentSessionID: root, rootSessionID: root });
    jobs.add(job);
    for (let line = 0; line < 8; line++) notices.announce(job, "output", `line ${line}`);
    const [first] = notices.outbox.all();
    assert.ok(first);
    const carrier = { messageID: host.newMessageID(), own: true, sentAt: new Date(), attempts: 1 };
    notices.outbox.setCarrier([first], carrier);
    await undo(user.id);
    assert.equal(jobs.get(job.id)?.status, "cancelled");
    assert.deepEqual(owed(), []);
  });
});
