/** The store of one owner: what it leaves on disk, and what it finds with others. */
import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { outputPath } from "../../src/store/instance-folder.js";
import { owner } from "../../src/store/owner.js";
import { FakeClock } from "../fakes/clock.js";
import { useFolders } from "../fakes/folders.js";
import { SystemError, watched } from "./disk.js";
import { noticeOf, processJob, subagent } from "./records.js";
import { makeStore, outputFileOf, NOW, recordingLog, stateOf } from "./support.js";

const folder = useFolders();

void describe("a store", () => {
  void it("leaves nothing on disk as long as nothing happens", async () => {
    const root = folder();
    const { store } = makeStore({ root });
    await store.claim();
    await store.commitClaim();
    await store.flush();
    store.flushSync();
    await store.close();
    assert.deepEqual(readdirSync(root), []);
  });

  void it("saves changes of jobs by itself, and of notices when it is told", async () => {
    const clock = new FakeClock(NOW);
    const { store, jobs, notices } = makeStore({ root: folder(), clock });
    jobs.add(subagent("bg_1"));
    await store.flush();
    assert.deepEqual(stateOf(store.folder).jobs, [subagent("bg_1")]);
    notices.push(noticeOf(subagent("bg_1")));
    store.markDirty();
    assert.equal(store.flushSync(), true);
    assert.equal(stateOf(store.folder).notices.length, 1);
    await store.close();
    assert.equal(clock.pending, 0);
  });

  void it("writes processes that are being ended with the host as ended, whatever becomes of the closing", async () => {
    const { store, jobs } = makeStore({ root: folder() });
    jobs.add(processJob("proc_1"));
    jobs.add({ ...processJob("proc_2"), status: "pending", after: ["proc_1"] });
    jobs.add(subagent("bg_1"));
    store.saveAsEnding();
    const written = () =>
      stateOf(store.folder).jobs.map(({ id, status, endReason }) => [id, status, endReason]);
    const others = [
      ["proc_2", "pending", undefined],
      ["bg_1", "running", undefined],
    ];
    assert.deepEqual(written(), [["proc_1", "cancelled", "host_exit"], ...others]);
    // In memory it runs until it has ended, which may be in another way.
    jobs.end("proc_1", { status: "completed", reason: "finished", at: new Date(NOW) });
    await store.flush();
    assert.deepEqual(written(), [["proc_1", "completed", "finished"], ...others]);
    await store.close();
  });

  void it("makes everything for the user alone, whatever the umask", async () => {
    const umask = process.umask();
    try {
      for (const mask of [0, 0o022, 0o777]) {
        const root = join(folder(), "state", "background");
        process.umask(mask);
        const { store, jobs } = makeStore({ root });
        jobs.add(subagent("bg_1"));
        outputFileOf(store, "proc_1");
        await store.flush();
        for (const path of [
          root,
          join(root, "project"),
          store.folder,
          join(store.folder, "output"),
        ]) {
          assert.equal(statSync(path).mode & 0o777, 0o700, path);
        }
        for (const name of ["owner.json", "jobs.json"]) {
          assert.equal(statSync(join(store.folder, name)).mode & 0o777, 0o600, name);
        }
        await store.close();
        process.umask(umask);
      }
    } finally {
      process.umask(umask);
    }
  });

  void it("says who owns its folder", async () => {
    const { store, jobs } = makeStore({ root: folder(), pid: 42 });
    jobs.add(subagent("bg_1"));
    await store.flush();
    const read = () =>
      owner.parse(JSON.parse(readFileSync(join(store.folder, "owner.json"), "utf8")));
    assert.equal(read().identity?.pid, 42);
    assert.equal(read().directory, "/project");
    assert.equal(read().closedAt, undefined);
    await store.close();
    assert.ok(read().closedAt instanceof Date);
  });

  void it("removes its folder at an orderly end when there is nothing in it", async () => {
    const root = folder();
    const { store, jobs } = makeStore({ root });
    jobs.add(subagent("bg_1"));
    await store.flush();
    jobs.remove("bg_1");
    await Promise.all([store.close(), store.close()]);
    assert.deepEqual(readdirSync(join(root, "project")), []);
  });

  void it("comes back when its folder was deleted", async () => {
    const { store, jobs } = makeStore({ root: folder() });
    jobs.add(subagent("bg_1"));
    await store.flush();
    rmSync(store.folder, { recursive: true });
    jobs.add(subagent("bg_2"));
    await store.flush();
    assert.equal(stateOf(store.folder).jobs.length, 2);
    assert.ok(existsSync(join(store.folder, "owner.json")));
    await store.close();
  });

  void it("keeps projects with unusual ids apart and inside of its root", async () => {
    const root = folder();
    for (const projectID of ["../../etc", "a/b", "a_b", "", "..", "x".repeat(300), "global"]) {
      const { store, jobs } = makeStore({ root, projectID });
      jobs.add(subagent("bg_1"));
      await store.flush();
      assert.ok(store.folder.startsWith(root));
      await store.close();
    }
    assert.equal(readdirSync(root).length, 7);
  });

  void it("refuses an output file for an id that leads elsewhere", () => {
    for (const id of ["../x", "a/b", "", ".", "a\0b"]) assert.throws(() => outputPath("/", id));
  });

  void it("goes on when the disk is full, and tells it once", async () => {
    const clock = new FakeClock(NOW);
    const fault = { on: true };
    const files = watched((step) => {
      if (fault.on && step === "folder") throw new SystemError("ENOSPC");
    });
    const failures: Error[] = [];
    const onWriteFailure = (error: Error) => void failures.push(error);
    const { store, jobs } = makeStore({ root: folder(), clock, files, onWriteFailure });
    jobs.add(subagent("bg_1"));
    await clock.advance(60_000);
    assert.equal(failures.length, 1);
    assert.match(failures[0]?.message ?? "", /ENOSPC/);
    fault.on = false;
    await store.flush();
    assert.equal(stateOf(store.folder).jobs.length, 1);
    await store.close();
  });

  void it("never rejects at its end, even when the last write fails", async () => {
    const { log, lines } = recordingLog();
    const files = watched((step) => {
      if (step === "sync") throw new SystemError("EIO");
    });
    const { store, jobs } = makeStore({ root: folder(), files, log });
    jobs.add(subagent("bg_1"));
    await store.close();
    assert.equal(lines.filter((line) => line.message.includes("last state")).length, 1);
  });
});

void describe("looking up a job that is not in memory", () => {
  void it("finds it with any other owner of the project, and changes nothing", async () => {
    const root = folder();
    const one = makeStore({ root, pid: 1 });
    const other = makeStore({ root, pid: 2 });
    one.jobs.add(processJob("proc_1"));
    await one.store.flush();
    const before = readdirSync(one.store.folder);
    assert.deepEqual(await other.store.lookup("proc_1"), processJob("proc_1"));
    assert.equal(await other.store.lookup("proc_2"), undefined);
    assert.equal(await other.store.lookup("../proc_1"), undefined);
    assert.equal(await one.store.lookup("proc_1"), undefined, "its own is in memory or gone");
    assert.deepEqual(before, ["jobs.json", "owner.json"]);
    await Promise.all([one.store.close(), other.store.close()]);
  });

  void it("is not disturbed by broken neighbours", async () => {
    const root = folder();
    const one = makeStore({ root, pid: 1 });
    one.jobs.add(subagent("bg_1"));
    await one.store.flush();
    const project = join(root, "project");
    mkdirSync(join(project, "0-empty"));
    mkdirSync(join(project, "0-broken"));
    writeFileSync(join(project, "0-broken", "jobs.json"), '{"version":1, "bg_1"');
    writeFileSync(join(project, "0-file"), "");
    mkdirSync(join(project, "0-folder", "jobs.json"), { recursive: true });
    symlinkSync(one.store.folder, join(project, "0-link"));
    const other = makeStore({ root, pid: 2 });
    assert.deepEqual(await other.store.lookup("bg_1"), subagent("bg_1"));
    await Promise.all([one.store.close(), other.store.close()]);
  });
});
