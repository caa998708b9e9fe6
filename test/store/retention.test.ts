/** What the store forgets of ended jobs, and when. */
import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { diskFiles } from "../../src/store/files.js";
import { FakeClock } from "../fakes/clock.js";
import { useFolders } from "../fakes/folders.js";
import { ended, noticeOf, processJob, subagent } from "./records.js";
import { makeStore, outputFileOf, NOW, RETENTION, stateOf } from "./support.js";

const folder = useFolders();

void describe("retention", () => {
  const day = 24 * 3600_000;

  void it("forgets the oldest ended jobs beyond the number, in memory and on disk", async () => {
    const clock = new FakeClock(NOW);
    const retention = { ...RETENTION, keepEnded: 3 };
    const { store, jobs } = makeStore({ root: folder(), clock, retention });
    jobs.add(subagent("bg_running"));
    for (let at = 0; at < 10; at += 1) {
      jobs.add(ended(subagent(`bg_${at}`), new Date(clock.now() - at * 1000)));
    }
    await store.flush();
    const kept = ["bg_0", "bg_1", "bg_2", "bg_running"];
    assert.deepEqual(
      jobs
        .all()
        .map((job) => job.id)
        .sort(),
      kept,
    );
    assert.deepEqual(
      stateOf(store.folder)
        .jobs.map((job) => job.id)
        .sort(),
      kept,
    );
    await store.close();
    assert.equal(clock.pending, 0);
  });

  void it("forgets what ended too long ago, but nothing that its parent was not told", async () => {
    const clock = new FakeClock(NOW);
    const { store, jobs, notices } = makeStore({ root: folder(), clock });
    jobs.add(ended(subagent("bg_old"), new Date(clock.now() - 8 * day)));
    jobs.add(ended(subagent("bg_owed"), new Date(clock.now() - 8 * day)));
    jobs.add(ended(subagent("bg_new"), new Date(clock.now() - 6 * day)));
    notices.push(noticeOf(subagent("bg_owed")));
    await store.flush();
    assert.deepEqual(
      jobs
        .all()
        .map((job) => job.id)
        .sort(),
      ["bg_new", "bg_owed"],
    );
    notices.length = 0;
    store.markDirty();
    await store.flush();
    assert.deepEqual(
      jobs.all().map((job) => job.id),
      ["bg_new"],
    );
    await store.close();
  });

  void it("forgets in memory also while nothing can be written", async () => {
    const refuse = () => {
      throw new Error("EROFS: read-only file system");
    };
    const retention = { ...RETENTION, keepEnded: 1 };
    const { store, jobs } = makeStore({
      root: folder(),
      retention,
      files: { ...diskFiles, makeFolder: refuse },
    });
    for (let at = 0; at < 3; at += 1) {
      jobs.add(ended(subagent(`bg_${at}`), new Date(NOW - at * 1000)));
    }
    await assert.rejects(store.flush(), /EROFS/u);
    assert.deepEqual(
      jobs.all().map((job) => job.id),
      ["bg_0"],
    );
    await store.close();
  });

  void it("removes a process's output with its record", async () => {
    const { store, jobs } = makeStore({ root: folder() });
    jobs.add(processJob("proc_1"));
    const path = outputFileOf(store, "proc_1");
    writeFileSync(path, "output");
    jobs.remove("proc_1");
    assert.equal(existsSync(path), false);
    await store.close();
  });

  void it("drops the oldest outputs beyond the limit first, and never the newest one", async () => {
    // Ends of one moment are looked at together, right after it.
    const looked = () => new Promise((resolve) => setImmediate(resolve));
    const KB = 1024;
    const retention = { ...RETENTION, totalOutputLimit: 8 * KB };
    const { store, jobs } = makeStore({ root: folder(), retention });
    const sizes = { proc_live: 4, proc_old: 1, proc_older: 1, proc_newest: 5 };
    for (const [id, size] of Object.entries(sizes)) {
      jobs.add(processJob(id, { output: { bytes: size * KB, dropped: 0 } }));
      writeFileSync(outputFileOf(store, id), "x".repeat(size * KB));
    }
    const kept = () => Object.keys(sizes).filter((id) => existsSync(outputFileOf(store, id)));
    const end = (id: string, minute: number) =>
      jobs.end(id, {
        status: "completed",
        reason: "finished",
        at: new Date(NOW + minute * 60_000),
      });
    end("proc_older", 1);
    await looked();
    assert.deepEqual(kept(), ["proc_live", "proc_old", "proc_older", "proc_newest"]);
    end("proc_old", 2);
    await looked();
    assert.deepEqual(kept(), ["proc_live", "proc_old", "proc_newest"]);
    end("proc_newest", 3);
    await looked();
    assert.deepEqual(kept(), ["proc_live", "proc_newest"]);
    assert.equal(jobs.getProcess("proc_old")?.output.dropped, KB);
    assert.equal(jobs.getProcess("proc_newest")?.output.dropped, 0);
    await store.close();
  });

  void it("makes no folder when an output is looked for", async () => {
    const root = folder();
    const { store, jobs } = makeStore({ root });
    for (let at = 0; at < 200; at += 1) jobs.add(processJob(`proc_${at}`));
    const end = { status: "completed", reason: "finished", at: new Date(NOW) } as const;
    jobs.end("proc_0", end);
    assert.equal(existsSync(store.folder), false);
    await store.close();
  });
});
