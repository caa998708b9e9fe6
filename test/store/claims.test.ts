import assert from "node:assert/strict";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, describe, it } from "node:test";
import { silentLog } from "../../src/ports.js";
import { FakeClock } from "../fakes/clock.js";
import { useFolders } from "../fakes/folders.js";
import { SystemError, watched } from "./disk.js";
import { noticeOf, processJob, subagent } from "./records.js";
import { adopt, makeStore, NOW, recordingLog, type TestStore } from "./support.js";

const folder = useFolders();
const HOUR = 3600_000;

/** An owner who wrote its jobs and died: pid 1, whom nobody else finds alive. */
async function deadOwner(root: string, changes: Parameters<typeof makeStore>[0] = { root }) {
  const dead = makeStore({ ...changes, root });
  dead.jobs.add(subagent("bg_1"));
  dead.jobs.add(processJob("proc_1"));
  dead.notices.push(noticeOf(subagent("bg_1")));
  writeFileSync(dead.store.outputFile("proc_1"), "output of proc_1");
  await dead.store.flush();
  return dead;
}

/** Makes the folder look as if nobody had touched it for so long. */
function age(path: string, clock: FakeClock, milliseconds: number): void {
  const at = new Date(clock.now() - milliseconds);
  for (const name of readdirSync(path)) {
    if (!name.startsWith("link")) utimesSync(join(path, name), at, at);
  }
  utimesSync(path, at, at);
}

const instances = (root: string): string[] => readdirSync(join(root, "project"));

void describe("claiming", () => {
  void it("gives a dead owner's jobs, notices and output, and then removes its folder", async () => {
    const root = folder();
    await deadOwner(root);
    const next = makeStore({ root, pid: 2 });
    assert.deepEqual(await adopt(next), ["bg_1", "proc_1"]);
    assert.deepEqual(next.jobs.get("bg_1"), subagent("bg_1"));
    assert.deepEqual(next.notices, [noticeOf(subagent("bg_1"))]);
    assert.equal(readFileSync(next.store.outputFile("proc_1"), "utf8"), "output of proc_1");
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
      const path = dead.store.outputFile(name);
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
      const dead = await deadOwner(root, { root, processes: { self, isAlive: () => true } });
      const next = makeStore({ root, pid: 2, clock });
      assert.deepEqual(await adopt(next), []);
      age(dead.store.folder, clock, 25 * HOUR);
      assert.deepEqual(await adopt(next), ["bg_1", "proc_1"]);
      await next.store.close();
    }
  });

  void it("is dead when this machine was started again since", async () => {
    const root = folder();
    const identity = { pid: 1, startTime: "s", bootID: "last boot" };
    const self = () => ({ identity, host: "machine", pidNamespace: "pid:[1]" });
    await deadOwner(root, { root, processes: { self, isAlive: () => true } });
    const next = makeStore({ root, pid: 2 });
    assert.deepEqual(await adopt(next), ["bg_1", "proc_1"]);
    await next.store.close();
  });

  void it("is not claimed by somebody who does not even find itself", async () => {
    const root = folder();
    await deadOwner(root);
    const self = () => ({ identity: undefined, host: "machine", pidNamespace: "pid:[1]" });
    const next = makeStore({ root, processes: { self, isAlive: () => false } });
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

void describe("a dead owner's broken files", () => {
  const fixtures = new URL("../../fixtures/state/", import.meta.url).pathname;

  async function claimWith(spoil: (statePath: string) => void) {
    const root = folder();
    const { log, lines } = recordingLog();
    const broken = await deadOwner(root);
    const good = makeStore({ root });
    good.jobs.add(subagent("bg_good"));
    await good.store.flush();
    spoil(join(broken.store.folder, "jobs.json"));
    const next = makeStore({ root, pid: 2, log });
    const ids = await adopt(next);
    const aside = readdirSync(next.store.folder).filter((name) => /corrupt|rejected/.test(name));
    const warnings = lines.filter((line) => line.level === "warn");
    return { root, next, ids, aside, warnings };
  }

  const unusable: Record<string, (path: string) => void> = {
    truncated: (path) => cpSync(join(fixtures, "broken.truncated.state"), path),
    empty: (path) => cpSync(join(fixtures, "broken.empty.state"), path),
    "no JSON": (path) => cpSync(join(fixtures, "broken.not-json.state"), path),
    "of a wrong type": (path) => cpSync(join(fixtures, "broken.wrong-type.state"), path),
    "of a wrong version": (path) => cpSync(join(fixtures, "broken.wrong-version.state"), path),
    "a symbolic link": (path) => {
      renameSync(path, `${path}.target`);
      symlinkSync(`${path}.target`, path);
    },
    "a folder": (path) => {
      unlinkSync(path);
      mkdirSync(path);
    },
  };
  for (const [name, spoil] of Object.entries(unusable)) {
    void it(`set aside a state that is ${name}, with a line in the log, and adopt the others`, async () => {
      const { next, ids, aside, warnings } = await claimWith(spoil);
      assert.deepEqual(ids, ["bg_good"]);
      assert.equal(aside.length, 1);
      assert.match(aside[0] ?? "", /^jobs\.json\.corrupt-\d{8}T\d{9}Z$/);
      assert.equal(warnings.length, 1);
      assert.equal(readFileSync(next.store.outputFile("proc_1"), "utf8"), "output of proc_1");
      assert.deepEqual(readdirSync(join(next.store.folder, "claimed")), []);
      await next.store.close();
    });
  }

  for (const name of ["unknown-status", "one-bad-field"]) {
    void it(`set aside the one record of ${name} and adopt its neighbours`, async () => {
      const spoil = (path: string) => cpSync(join(fixtures, `read.${name}.state`), path);
      const { next, ids, aside, warnings } = await claimWith(spoil);
      assert.deepEqual(ids.length, 3);
      assert.match(aside[0] ?? "", /^jobs\.rejected-\d{8}T\d{9}Z\.json$/);
      assert.equal(warnings.length, 1);
      const rejected: unknown = JSON.parse(
        readFileSync(join(next.store.folder, aside[0] ?? ""), "utf8"),
      );
      assert.ok(Array.isArray(rejected) && rejected.length === 1);
      await next.store.close();
    });
  }

  void it("leave the folder of a newer plugin where it is, and say so", async () => {
    const spoil = (path: string) => cpSync(join(fixtures, "newer.version-2.state"), path);
    const { root, next, ids, warnings } = await claimWith(spoil);
    assert.deepEqual(ids, ["bg_good"]);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0]?.message ?? "", /newer/);
    assert.equal(instances(root).length, 2);
    await next.store.close();
  });

  void it("keep the newest five of what was set aside, over many owners", async () => {
    const root = folder();
    const clock = new FakeClock(NOW);
    let last: TestStore | undefined;
    for (let pid = 1; pid <= 9; pid += 1) {
      if (last) writeFileSync(join(last.store.folder, "jobs.json"), `broken by ${pid}`);
      clock.set(clock.now() + 1000);
      last = makeStore({ root, pid, clock });
      await adopt(last);
      last.jobs.add(subagent("bg_1"));
      await last.store.flush();
    }
    assert.ok(last);
    const aside = readdirSync(last.store.folder).filter((name) => name.includes("corrupt"));
    assert.equal(aside.length, 5);
    const texts = aside.map((name) => readFileSync(join(last.store.folder, name), "utf8")).sort();
    assert.deepEqual(
      texts,
      [5, 6, 7, 8, 9].map((pid) => `broken by ${pid}`),
    );
    await last.store.close();
  });

  void it("stay where they are while the system cannot read them just now", async () => {
    const root = folder();
    await deadOwner(root);
    const files = watched((step) => {
      if (step === "rename") throw new SystemError("EACCES");
    });
    const { log, lines } = recordingLog();
    const next = makeStore({ root, pid: 2, files, log });
    assert.deepEqual(await next.store.claim(), { jobs: [], notices: [] });
    assert.equal(lines.filter((line) => line.message.includes("could not be claimed")).length, 1);
    assert.equal(instances(root).length, 2);
    await next.store.close();
  });
});

void describe("without rights", () => {
  /** Root may do everything: the test goes on as nobody. False where that is impossible. */
  function dropRights(): boolean {
    if (process.geteuid?.() !== 0) return true;
    if (!process.seteuid) return false;
    process.seteuid(65_534);
    return true;
  }
  afterEach(() => {
    if (process.getuid?.() === 0) process.seteuid?.(0);
  });

  void it("to a folder or a file, the others are adopted, and it is said", async () => {
    if (!dropRights()) return;
    const root = folder();
    const names = ["folder", "file", "good"] as const;
    const [noFolder, noFile] = await Promise.all(
      names.map(async (name) => {
        const dead = makeStore({ root });
        dead.jobs.add(subagent(`bg_${name}`));
        await dead.store.flush();
        return dead.store.folder;
      }),
    );
    chmodSync(join(noFile ?? "", "jobs.json"), 0);
    chmodSync(noFolder ?? "", 0);
    const { log, lines } = recordingLog();
    const clock = new FakeClock(Date.now() + HOUR);
    const next = makeStore({ root, pid: 2, log, clock });
    assert.deepEqual(await adopt(next), ["bg_good"]);
    assert.deepEqual(
      lines.map(({ level }) => level),
      ["warn", "warn"],
    );
    chmodSync(noFolder ?? "", 0o700);
    assert.deepEqual(await adopt(next), ["bg_folder"]);
    await next.store.close();
  });

  void it("to write at all, jobs go on in memory and each failure is a value or a log line", async () => {
    if (!dropRights()) return;
    const root = folder();
    chmodSync(root, 0o500);
    const { log, lines } = recordingLog();
    const own = makeStore({ root, log });
    own.jobs.add(subagent("bg_1"));
    await assert.rejects(own.store.flush(), { code: "EACCES" });
    assert.equal(own.store.flushSync(), false);
    assert.deepEqual(await adopt(own), []);
    assert.throws(() => own.store.outputFile("proc_1"), { code: "EACCES" });
    await own.store.close();
    assert.equal(own.jobs.size, 1);
    assert.equal(lines.filter(({ level }) => level === "error").length, 2);
    chmodSync(root, 0o700);
  });
});

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
    for (const job of jobs) claimer.jobs.add(job);
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
      const output = readFileSync(next.store.outputFile("proc_1"), "utf8");
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
    for (const job of claimed.jobs) claimer.jobs.add(job);
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
