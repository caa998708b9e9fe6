/**
 * Many short commands leave open files, timers, listeners and memory where they were. 100 here; as many as
 * OCBM_COMMANDS says in a long run.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually, holdings, newHoldings, withRoom } from "./support.js";

const COMMANDS = Number(process.env["OCBM_COMMANDS"] ?? 100);

test(`${COMMANDS} short commands leave nothing behind`, { timeout: 120_000 }, () =>
  withRoom(
    async (room) => {
      const run = async (count: number) => {
        for (let done = 0; done < count;) {
          const batch = Math.min(10, count - done);
          const started = Array.from({ length: batch }, (_, i) =>
            room.create(`echo ${i}; exit ${i}`),
          );
          for (const { job } of await Promise.all(started)) await room.ended(job.id);
          done += batch;
        }
      };
      await run(20);
      await eventually(() => assert.equal(room.clock.pending, 0));
      const before = holdings();
      const memory = process.memoryUsage().rss;
      await run(COMMANDS);
      await eventually(() => {
        assert.deepEqual(newHoldings(before), []);
        assert.equal(room.clock.pending, 0);
      });
      const growth = (process.memoryUsage().rss - memory) / 1024 ** 2;
      assert.ok(growth < 40, `${growth.toFixed(1)} MB`);
      assert.equal(room.manager.list().length, 10);
      room.changes.length = 0;
    },
    { options: { keepEnded: 10 } },
  ),
);
