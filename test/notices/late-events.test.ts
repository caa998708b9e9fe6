/** The host's events come later than its answers on a busy machine. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { House } from "../fakes/house.js";
import { Parent } from "../fakes/parent.js";
import { process } from "./jobs.js";

/** As the host, which knows of the sessions of the directory that is asked for. */
function asksAbout({ host }: House, directory: string): void {
  const busySessions = host.busySessions.bind(host);
  host.busySessions = async (asked?: string) =>
    asked === directory ? busySessions() : new Set<string>();
}

void describe("a subagent of the host's own whose end was not reported yet", () => {
  for (const isOver of [true, false]) {
    it(`is ${isOver ? "not woken: its parent is told" : "told while it works"}`, async () => {
      const house = new House();
      const parent = new Parent(house);
      await parent.types();
      const sessionID = house.host.addSession({ parentID: parent.id, directory: "/worktree" });
      house.host.addUser(sessionID);
      house.event({ type: "created", sessionID, parentID: parent.id });
      house.busy(sessionID);
      if (isOver) house.host.busy.delete(sessionID);
      asksAbout(house, "/worktree");
      const job = process({ parentSessionID: sessionID, rootSessionID: parent.id });
      house.jobs.add(job);
      house.jobs.end(job.id, { status: "completed", reason: "finished", at: new Date() });
      await parent.run();
      await house.clock.advance(1_000);
      const [told, other] = isOver ? [parent.id, sessionID] : [sessionID, parent.id];
      assert.match(house.promptsTo(told).join("\n"), new RegExp(`id="${job.id}"`, "u"));
      assert.deepEqual(house.promptsTo(other), []);
    });
  }
});
