/**
 * Owners that are killed while they write. A tenth of the rounds without SOAK. The moments are random,
 * the seed is printed: SEED repeats them.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import { systemProcesses } from "../../src/store/owner.js";
import { parseState } from "../../src/store/state-file.js";
import { randomFrom, seed } from "../random.js";
import { rounds } from "../rounds.js";
import { start } from "./programs/run.js";
import { useFolders } from "../fakes/folders.js";
import { adopt, makeStore, recordingLog } from "./support.js";

const folder = useFolders();
const ROUNDS = rounds(100);

void it(`no owner killed at a random moment leaves a broken file or loses a saved job (${ROUNDS} rounds, seed ${seed})`, async () => {
  const random = randomFrom(seed);
  const root = folder();
  let saved = -1;
  for (let round = 0; round < ROUNDS; round += 1) {
    const writer = start("writer", [root]);
    const claimed = (await writer.line())?.split(" ").slice(1).filter(Boolean) ?? [];
    assert.ok(claimed.length >= saved + 1, `round ${round}: ${claimed.length} of ${saved + 1}`);
    saved = Math.max(saved, claimed.length - 1);
    const until = Math.floor(random() * 30);
    for (let count = 0; count < until; count += 1) await writer.line();
    // Some steps of the next write, not always the same one.
    for (let turn = random() * 40; turn > 0; turn -= 1) {
      await new Promise<void>((resolve) => {
        setImmediate(resolve);
      });
    }
    await writer.kill();
    for (let line = await writer.line(); line !== undefined; line = await writer.line()) {
      saved = Math.max(saved, Number(line.replace("saved ", "")));
    }
    // No owner that was killed before the first write has left a state.
    const project = join(root, "project");
    const names = existsSync(project) ? readdirSync(project) : [];
    for (const path of names.map((name) => join(project, name, "jobs.json")).filter(existsSync)) {
      const reading = parseState(readFileSync(path, "utf8"));
      assert.ok(reading.kind === "read" && reading.rejected.length === 0, `round ${round}`);
      assert.equal(reading.jobs.length, reading.notices.length);
    }
  }
  const { log, lines } = recordingLog();
  const last = makeStore({ root, processes: systemProcesses, log });
  const ids = await adopt(last);
  assert.ok(ids.length >= saved + 1);
  const numbers = ids.map((id) => Number(id.slice(3))).sort((a, b) => a - b);
  assert.deepEqual(
    numbers,
    numbers.map((_, at) => at),
    "none missing, none twice",
  );
  assert.equal(new Set(last.notices.map((notice) => notice.id)).size, ids.length);
  assert.deepEqual(lines, []);
  await last.store.close();
});
