/** Real processes that start at the same moment over the same dead owners. A tenth of the rounds without SOAK. */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import { rounds } from "../rounds.js";
import { start } from "./programs/run.js";
import { useFolders } from "../fakes/folders.js";
import { noticeOf, subagent } from "./records.js";
import { makeStore } from "./support.js";

const folder = useFolders();
const ROUNDS = rounds(100);
const CLAIMERS = 4;
const DEAD = 5;

void it(`each dead owner is claimed by exactly one of ${CLAIMERS} processes (${ROUNDS} rounds at least)`, async () => {
  const claimers = Array.from({ length: CLAIMERS }, () => start("claimer"));
  try {
    for (const claimer of claimers) assert.equal(await claimer.line(), "ready");
    const winners = new Set<number>();
    // On a busy machine one of them may be through before the others are woken: then more of it.
    const isEnough = (round: number) =>
      round >= ROUNDS && (winners.size > 1 || round >= 10 * ROUNDS);
    for (let round = 0; !isEnough(round); round += 1) {
      const root = join(folder(), "root");
      mkdirSync(root);
      const expected: string[] = [];
      for (let number = 0; number < DEAD; number += 1) {
        const dead = makeStore({ root, directory: "/d" });
        const job = subagent(`bg_${number}`);
        dead.jobs.add(job);
        dead.notices.push(noticeOf(job));
        expected.push(job.id, `note_${job.id}`);
        // Its end in order: the claimers judge the same by a dead pid, which the kill test covers.
        await dead.store.close();
      }
      for (const claimer of claimers) claimer.tell(`claim ${root} /d`);
      const got: string[] = [];
      for (const [at, claimer] of claimers.entries()) {
        const ids = (await claimer.line())?.split(" ").slice(1).filter(Boolean) ?? [];
        if (ids.length > 0) winners.add(at);
        got.push(...ids);
      }
      assert.deepEqual(got.sort(), expected.sort(), `round ${round}`);
    }
    assert.ok(winners.size > 1, "they did not race");
  } finally {
    for (const claimer of claimers) claimer.child.stdin.end();
    await Promise.all(claimers.map((claimer) => claimer.exited));
  }
});
