/** What stays in memory for sessions that come and go. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { House } from "../fakes/house.js";
import { Parent } from "../fakes/parent.js";
import { MINUTE } from "./family.js";

setFlagsFromString("--expose-gc");
const collect: unknown = runInNewContext("gc");

function heap(): number {
  if (typeof collect === "function") Reflect.apply(collect, undefined, []);
  return process.memoryUsage().heapUsed;
}

void it("100,000 sessions that were busy once leave less than 8 MB, and one with a job is told of its end", async () => {
  const house = new House();
  const parent = new Parent(house);
  const { sessionID, id } = await house.child({ parentSessionID: parent.id });
  await parent.types();
  await parent.run();
  const run = (from: number, to: number) => {
    for (let index = from; index < to; index++) {
      const other = `ses_other_${index}`;
      house.event({ type: "created", sessionID: other, parentID: undefined });
      house.event({ type: "busy", sessionID: other });
      house.event({ type: "user", sessionID: other, messageID: `msg_${index}` });
      house.event({ type: "idle", sessionID: other });
      if (index % 2 === 0) house.event({ type: "deleted", sessionID: other });
    }
  };
  run(0, 15_000);
  const before = heap();
  run(15_000, 115_000);
  const grown = heap() - before;
  assert.ok(grown < 8 * 1_024 * 1_024, `${grown} bytes`);
  await house.answer(sessionID, "done");
  await house.clock.advance(MINUTE);
  assert.equal(house.promptsTo(parent.id).filter((text) => text.includes(id)).length, 1);
});
