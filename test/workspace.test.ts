/** The parts of a directory together: what one of them forgets, another may still have to say. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";
import { desk, type Desk } from "./fakes/workspace.js";

/** Starts a process in a session; resolves with its id when it has ended. */
async function endedProcess({ workspace, call }: Desk, sessionID: string): Promise<string> {
  const ends = new EventTarget();
  const stopListening = workspace.jobs.onChange(({ type }) => {
    if (type === "ended") ends.dispatchEvent(new Event("ended"));
  });
  const end = once(ends, "ended");
  const answer = await call("createBackgroundProcess", { command: "true" }, { sessionID });
  await end;
  stopListening();
  return /proc_\w+/u.exec(answer)?.[0] ?? "";
}

describe("a process that ended in a session which nobody opened since", () => {
  for (const [beyond, keepEnded, later] of [
    ["the days", 200, 8 * 24 * 3600_000],
    ["the number", 1, 1_000],
  ] as const) {
    it(`is kept beyond ${beyond} of retention until its session is told`, async (t) => {
      const place = desk(t, { wake: "none", keepEnded, keepDays: 7 });
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
