/** A claimer that dies, or whose disk fails, in the middle of its claim. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { silentLog } from "../../src/ports.js";
import { FakeClock } from "../fakes/clock.js";
import { useFolders } from "../fakes/folders.js";
import { deadOwner, HOUR, instances } from "./dead-owner.js";
import { SystemError, watched } from "./disk.js";
import { adopt, makeStore, outputFileOf, NOW } from "./support.js";

const folder = useFolders();

void describe("a crash while claiming", () => {
  class Crash extends Error {}

  /** Claims with a process that is gone before its n-th step on the disk; false when it came to its end. */
  async function claimAndCrash(root: string, pid: number, step: number): Promise<boolean> {
    let steps = 0;
    const files = watched(() => {
      steps += 1;
      if (steps >= step) throw new Crash();
    });
    const clock = new FakeClock(NOW);
    clock.set(clock.now() + pid * 1000);
    const claimer = makeStore({ root, pid, files, clock, log: silentLog });
    const { jobs, notices } = await claimer.store.claim();
    for (const { job } of jobs) claimer.jobs.add(job);
    // A manager tells the parent: the notice is delivered and gone before the claim is committed.
    claimer.notices.push(...notices);
    await claimer.store.commitClaim();
    return steps >= step;
  }

  void it("at any step loses nothing and doubles nothing", async () => {
    let crashed = true;
    let step = 0;
    while (crashed) {
      step += 1;
      const root = folder();
      await deadOwner(root);
      // A folder inside a folder, from an earlier crash.
      await claimAndCrash(root, 2, 8);
      crashed = await claimAndCrash(root, 3, step);
      const next = makeStore({ root, pid: 4, clock: new FakeClock(Date.now() + HOUR) });
      assert.deepEqual(await adopt(next), ["bg_1", "proc_1"], `after a crash at step ${step}`);
      assert.equal(next.notices.length, 1, `after a crash at step ${step}`);
      const output = readFileSync(outputFileOf(next.store, "proc_1"), "utf8");
      assert.equal(output, "output of proc_1", `after a crash at step ${step}`);
      assert.equal(instances(root).length, 1, `after a crash at step ${step}`);
      assert.deepEqual(readdirSync(join(next.store.folder, "claimed")), []);
      await next.store.close();
    }
    assert.ok(step > 15, `only ${step} steps`);
  });

  void it("after the commit does not bring back what was forgotten since", async () => {
    const root = folder();
    await deadOwner(root);
    // The claimed folder cannot be removed; the claimer delivers the notice, forgets the job and dies.
    const files = watched((step) => {
      if (step === "remove") throw new SystemError("EBUSY");
    });
    const claimer = makeStore({ root, pid: 2, files });
    await adopt(claimer);
    claimer.notices.length = 0;
    claimer.jobs.remove("bg_1");
    claimer.store.markDirty();
    await claimer.store.flush();
    assert.equal(readdirSync(join(claimer.store.folder, "claimed")).length, 1);
    const next = makeStore({ root, pid: 3 });
    assert.deepEqual(await adopt(next), ["proc_1"]);
    assert.deepEqual(next.notices, []);
    assert.deepEqual(readdirSync(join(next.store.folder, "claimed")), []);
    await next.store.close();
  });

  void it("whose write fails keeps the claimed folder until it is safe", async () => {
    const root = folder();
    await deadOwner(root);
    const fault = { on: true };
    const files = watched((step) => {
      if (fault.on && step === "sync") throw new SystemError("ENOSPC");
    });
    const claimer = makeStore({ root, pid: 2, files });
    // Its owner file is written; the state is not.
    fault.on = false;
    const claimed = await claimer.store.claim();
    fault.on = true;
    for (const { job } of claimed.jobs) claimer.jobs.add(job);
    await claimer.store.commitClaim();
    assert.equal(readdirSync(join(claimer.store.folder, "claimed")).length, 1);
    fault.on = false;
    await claimer.store.close();
    const next = makeStore({ root, pid: 3 });
    assert.deepEqual(await adopt(next), ["bg_1", "proc_1"]);
    assert.deepEqual(next.notices, [], "its claimer had them in hand and dropped them");
    await next.store.close();
  });
});
