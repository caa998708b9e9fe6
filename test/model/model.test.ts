/** The plugin against a reference model: random courses, and those that were found to fail once. */
import assert from "node:assert/strict";
import { it } from "node:test";
import * as fc from "fast-check";
import { rounds } from "../rounds.js";
import { World } from "./world.js";
import { type Action, action } from "./actions.js";
import { Play } from "./play.js";

/** What once went wrong. */
const KNOWN: [Action[]][] = [
  // A notice to a session whose deletion was not on disk yet was owed for ever.
  [
    [
      { do: "spawn", by: 1, stubborn: false },
      { do: "delete session", by: 1 },
      { do: "crash", watchdog: false },
    ],
  ],
  // An end that had been told with the user's message was not on disk, and told again as an interruption.
  [
    [
      { do: "spawn", by: 0, stubborn: false },
      { do: "exit", which: 0, code: 0 },
      { do: "type", by: 0 },
      { do: "crash", watchdog: false },
    ],
  ],
];

void it("whatever is started, said, ended, deleted and restarted, each job is as the reference says", async (t) => {
  const seed = Number(process.env["SEED"] ?? Date.now());
  t.diagnostic(`SEED=${seed}`);
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 10, maxLength: 60 }), async (actions) => {
      const world = await World.start();
      try {
        const play = new Play(world);
        for (const step of actions) await play.do(step);
        await play.rest();
        await play.do({ do: "restart" });
        assert.deepEqual(world.machine.pids, []);
      } finally {
        await world.end();
      }
      assert.equal(world.timers, 0, "timers were left");
    }),
    {
      seed,
      includeErrorInReport: true,
      examples: KNOWN,
      numRuns: Number(process.env["RUNS"] ?? rounds(3_000)),
    },
  );
});
