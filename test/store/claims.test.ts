/** Who may claim which owner's folder, and what the claim gives. */
import assert from "node:assert/strict";
import {
  existsSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { FakeClock } from "../fakes/clock.js";
import { useFolders } from "../fakes/folders.js";
import { age, deadOwner, HOUR, instances } from "./dead-owner.js";
import { noticeOf, subagent } from "./records.js";
import { adopt, makeStore, outputFileOf, NOW } from "./support.js";

const folder = useFolders();

void describe("claiming", () => {
  void it("gives a dead owner's jobs, notices and output, and then removes its folder", async () => {
    const root = folder();
    await deadOwner(root);
    const next = makeStore({ root, pid: 2 });
    assert.deepEqual(await adopt(next), ["bg_1", "proc_1"]);
    assert.deepEqual(next.jobs.get("bg_1"), subagent("bg_1"));
    assert.deepEqual(next.notices, [noticeOf(subagent("bg_1"))]);
    assert.equal(readFileSync(outputFileOf(next.store, "proc_1"), "utf8"), "output of proc_1");
    assert.deepEqual(readdirSync(join(next.store.folder, "claimed")), []);
    assert.equal(instances(root).length, 1);
    await next.store.close();
  });

  void it("leaves a living owner alone: two side by side keep their own", async () => {
    const root = folder();
    const alive = new Set([1, 2]);
    const one = await deadOwner(root, { root, alive });
    const two = makeStore({ root, pid: 2, alive });
    assert.deepEqual(await adopt(two), []);
    two.jobs.add(subagent("bg_2"));
    await two.store.flush();
    one.jobs.add(subagent("bg_3"));
    await one.store.flush();
    assert.deepEqual(
      one.jobs
        .all()
        .map((job) => job.id)
        .sort(),
      ["bg_1", "bg_3", "proc_1"],
    );
    // One of them is killed.
    alive.delete(1);
    assert.deepEqual(await adopt(two), ["bg_1", "bg_3", "proc_1"]);
    await two.store.close();
  });

  void it("takes a folder at once whose owner ended in order, in the same process too", async () => {
    const root = folder();
    const first = await deadOwner(root, { root, pid: 7 });
    await first.store.close();
    const second = makeStore({ root, pid: 7 });
    assert.deepEqual(await adopt(second), ["bg_1", "proc_1"]);
    await second.store.close();
  });

  void it("does nothing a second time", async () => {
    const root = folder();
    await deadOwner(root);
    const next = makeStore({ root, pid: 2 });
    await adopt(next);
    assert.deepEqual(await adopt(next), []);
    assert.equal(next.notices.length, 1);
    await next.store.close();
  });

  void it("leaves the folders of other directories of the project alone until they are old", async () => {
    const root = folder();
    const clock = new FakeClock(Date.now());
    const dead = await deadOwner(root, { root, clock });
    const options = { root, clock, pid: 2, directory: "/project/worktree" };
    const next = makeStore(options);
    assert.deepEqual(await adopt(next), []);
    assert.ok(existsSync(dead.store.folder));
    age(dead.store.folder, clock, 8 * 24 * HOUR);
    assert.deepEqual(await adopt(next), [], "dropped, not adopted");
    assert.equal(next.notices.length, 0);
    assert.equal(existsSync(dead.store.folder), false);
    assert.deepEqual(readdirSync(join(next.store.folder, "claimed")), []);
    await next.store.close();
  });

  void it("takes two folders with one job id as one job, the newer record", async () => {
    const root = folder();
    const clock = new FakeClock(NOW);
    const old = makeStore({ root, clock });
    old.jobs.add(subagent("bg_1", { cost: 1 }));
    old.notices.push(noticeOf(subagent("bg_1")));
    await old.store.flush();
    clock.set(clock.now() + 1000);
    const newer = makeStore({ root, clock });
    newer.jobs.add(subagent("bg_1", { cost: 2 }));
    newer.notices.push(noticeOf(subagent("bg_1")));
    await newer.store.flush();
    const next = makeStore({ root, pid: 2 });
    assert.deepEqual(await adopt(next), ["bg_1"]);
    assert.equal(next.jobs.getSubagent("bg_1")?.cost, 2);
    assert.equal(next.notices.length, 1);
    await next.store.close();
  });

  void it("keeps output whose record was lost for as long as an ended job", async () => {
    const root = folder();
    const clock = new FakeClock(Date.now());
    const dead = await deadOwner(root);
    for (const [name, days] of [
      ["proc_old", 8],
      ["proc_new", 6],
    ] as const) {
      const path = outputFileOf(dead.store, name);
      writeFileSync(path, name);
      const at = new Date(clock.now() - days * 24 * HOUR);
      utimesSync(path, at, at);
    }
    const next = makeStore({ root, pid: 2, clock });
    await adopt(next);
    assert.deepEqual(readdirSync(join(next.store.folder, "output")).sort(), [
      "proc_1.log",
      "proc_new.log",
    ]);
    await next.store.close();
  });
});

void describe("an owner that cannot be judged", () => {
  void it("is not claimed before a day without a write: another machine, or a container's pids", async () => {
    const elsewhere = [
      { host: "other", bootID: "other boot", pidNamespace: "pid:[1]" },
      { host: "machine", bootID: "boot", pidNamespace: "pid:[2]" },
    ];
    for (const { host, bootID, pidNamespace } of elsewhere) {
      const root = folder();
      const clock = new FakeClock(Date.now());
      const self = () => ({ identity: { pid: 1, startTime: "s", bootID }, host, pidNamespace });
      const dead = await deadOwner(root, { root, processes: { self, hasEnded: () => false } });
      const next = makeStore({ root, pid: 2, clock });
      assert.deepEqual(await adopt(next), []);
      age(dead.store.folder, clock, 25 * HOUR);
      assert.deepEqual(await adopt(next), ["bg_1", "proc_1"]);
      await next.store.close();
    }
  });

  void it("is not claimed while it lives and has nothing to write, however long that is", async () => {
    const root = folder();
    const clock = new FakeClock(Date.now());
    const identity = { pid: 1, startTime: "s", bootID: "other boot" };
    const self = () => ({ identity, host: "other", pidNamespace: "pid:[1]" });
    const processes = { self, hasEnded: () => false };
    const ownClock = new FakeClock(clock.now());
    const living = await deadOwner(root, { root, processes, clock: ownClock });
    const next = makeStore({ root, pid: 2, clock });
    for (let day = 0; day < 3; day += 1) {
      age(living.store.folder, clock, 25 * HOUR);
      await ownClock.advance(HOUR);
      assert.deepEqual(await adopt(next), [], `day ${day}`);
    }
    await living.store.close();
    assert.equal(ownClock.pending, 0);
    assert.deepEqual(await adopt(next), ["bg_1", "proc_1"]);
    await next.store.close();
  });

  void it("is dead when this machine was started again since", async () => {
    const root = folder();
    const identity = { pid: 1, startTime: "s", bootID: "last boot" };
    const self = () => ({ identity, host: "machine", pidNamespace: "pid:[1]" });
    await deadOwner(root, { root, processes: { self, hasEnded: () => false } });
    const next = makeStore({ root, pid: 2 });
    assert.deepEqual(await adopt(next), ["bg_1", "proc_1"]);
    await next.store.close();
  });

  void it("is not claimed by an owner that does not even find itself", async () => {
    const root = folder();
    await deadOwner(root);
    const self = () => ({ identity: undefined, host: "machine", pidNamespace: "pid:[1]" });
    const next = makeStore({ root, processes: { self, hasEnded: () => true } });
    assert.deepEqual(await adopt(next), []);
    await next.store.close();
  });

  for (const [name, spoil] of Object.entries({
    "has no owner file": (path: string) => unlinkSync(path),
    "has a broken owner file": (path: string) => writeFileSync(path, '{"identity":'),
    "has a link as owner file": (path: string) => {
      unlinkSync(path);
      symlinkSync("/etc/passwd", path);
    },
  })) {
    void it(`of a folder that ${name} has a minute to write it`, async () => {
      const root = folder();
      const clock = new FakeClock(Date.now());
      const dead = await deadOwner(root);
      spoil(join(dead.store.folder, "owner.json"));
      const next = makeStore({ root, pid: 2, clock });
      assert.deepEqual(await adopt(next), []);
      clock.set(clock.now() + 61_000);
      assert.deepEqual(await adopt(next), ["bg_1", "proc_1"]);
      await next.store.close();
    });
  }
});
