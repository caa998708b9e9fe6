/**
 * Writes and bytes for 1,000 progress updates a second over 60 seconds: 20 running jobs among 200 ended ones. The
 * clock is a fake one, so that this takes a second or two; the writes go to a real disk.
 *
 *     node --import tsx test/bench/store-writes.ts
 */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { diskFiles } from "../../src/store/files.js";
import { result } from "./result.js";
import { FakeClock } from "../fakes/clock.js";
import { ended, subagent } from "../store/records.js";
import { makeStore, NOW } from "../store/support.js";

const SECONDS = 60;
const UPDATES_PER_SECOND = 1000;

const root = mkdtempSync(join(tmpdir(), "ocbm-bench-"));
const clock = new FakeClock(NOW);
const count = { writes: 0, bytes: 0, underWay: 0 };
const files = {
  ...diskFiles,
  rename(from: string, to: string) {
    count.writes += 1;
    count.bytes += statSync(from).size;
    count.underWay -= 1;
    diskFiles.rename(from, to);
  },
  create(path: string, text: string) {
    count.underWay += 1;
    return diskFiles.create(path, text);
  },
  createSync(path: string, text: string) {
    count.underWay += 1;
    diskFiles.createSync(path, text);
  },
};
const { store, jobs } = makeStore({ root, clock, files });
for (let number = 0; number < 200; number += 1) {
  jobs.add(ended(subagent(`bg_ended${number}`), new Date(clock.now() - number)));
}
for (let number = 0; number < 20; number += 1) jobs.add(subagent(`bg_${number}`));
await store.flush();
Object.assign(count, { writes: 0, bytes: 0 });

const start = performance.now();
for (let update = 0; update < SECONDS * UPDATES_PER_SECOND; update += 1) {
  const progress = { toolCalls: update, lastTool: "read", lastUpdate: new Date(clock.now()) };
  jobs.updateSubagent(`bg_${update % 20}`, { progress });
  await clock.advance(1000 / UPDATES_PER_SECOND);
  // The fake time stands still until a write that began is done, as a real millisecond is long for it.
  while (count.underWay > 0) {
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }
}
const took = performance.now() - start;
await store.close();
rmSync(root, { recursive: true });

console.log(`${SECONDS * UPDATES_PER_SECOND} updates in ${SECONDS} s (fake clock, real disk)`);
console.log(
  `${count.writes} writes, ${(count.bytes / 1024 ** 2).toFixed(2)} MiB, ${Math.round(count.bytes / SECONDS / 1024)} KiB/s`,
);
console.log(
  `${(took / SECONDS).toFixed(2)} ms of work per second, the updates themselves included`,
);
const updates = SECONDS * UPDATES_PER_SECOND;
result({
  bench: "store-writes",
  case: `writes for ${updates} updates in ${SECONDS} s`,
  ours: count.writes,
  other: updates,
  unit: "writes",
  ratio: count.writes / updates,
  note: "beside one write for each update; fake clock, real disk",
});
