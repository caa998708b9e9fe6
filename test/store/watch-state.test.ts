/** Watching a project's state: what comes, changes and goes is told, and silence costs nothing. */
import assert from "node:assert/strict";
import fs, { rmSync, writeFileSync } from "node:fs";
import promises from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { describe, it, mock } from "node:test";
import { systemClock, type Clock } from "../../src/ports.js";
import { watchInstances, type InstanceView } from "../../src/store/instances.js";
import { FakeClock } from "../fakes/clock.js";
import { driveUntil, driveUntilStill, told } from "../fakes/file-events.js";
import { useFolders } from "../fakes/folders.js";
import { SystemError } from "./disk.js";
import { subagent } from "./records.js";
import { fakeProcesses, makeStore, NOW } from "./support.js";

const folder = useFolders();
const machine = fakeProcesses(99, new Set([1, 2]));

/** A watch whose updates can be awaited; fails after ten seconds without the one that is wanted. */
function watching(root: string, clock: Clock = systemClock) {
  const updates: InstanceView[][] = [];
  let wake = (): void => undefined;
  const watch = watchInstances(
    root,
    "project",
    (views) => {
      updates.push(views);
      wake();
    },
    { processes: machine, clock },
  );
  const until = async (wanted: (views: InstanceView[]) => boolean): Promise<void> => {
    let late = false;
    const limit = setTimeout(() => {
      late = true;
      wake();
    }, 10_000);
    try {
      while (!updates.some(wanted)) {
        assert.ok(!late, "no such update");
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    } finally {
      clearTimeout(limit);
    }
  };
  return { watch, updates, until };
}

const has = (...ids: string[]) => {
  const wanted = ids.toSorted().join();
  return (views: InstanceView[]) =>
    views
      .flatMap((view) => view.jobs.map(({ id }) => id))
      .sort()
      .join() === wanted;
};

void describe("watching a project", () => {
  void it("tells of folders and records that come, change and go, from before the root exists", async () => {
    const base = folder();
    const root = join(base, "state", "background");
    const { watch, updates, until } = watching(root);
    await until(has());
    const one = makeStore({ root, pid: 1 });
    one.jobs.add(subagent("bg_1"));
    await one.store.flush();
    await until(has("bg_1"));
    one.jobs.add(subagent("bg_2"));
    await one.store.flush();
    await until(has("bg_1", "bg_2"));
    const two = makeStore({ root, pid: 2 });
    two.jobs.add(subagent("bg_3"));
    await two.store.flush();
    await until(has("bg_1", "bg_2", "bg_3"));
    updates.length = 0;
    rmSync(root, { recursive: true });
    await until(has());
    one.jobs.add(subagent("bg_4"));
    await one.store.flush();
    await until(has("bg_1", "bg_2", "bg_4"));
    // Gone and there again before anybody looks.
    rmSync(root, { recursive: true });
    one.jobs.add(subagent("bg_5"));
    assert.ok(one.store.flushSync());
    await until(has("bg_1", "bg_2", "bg_4", "bg_5"));
    one.jobs.add(subagent("bg_6"));
    await one.store.flush();
    await until(has("bg_1", "bg_2", "bg_4", "bg_5", "bg_6"));
    watch.close();
    await Promise.all([one.store.close(), two.store.close()]);
  });

  void it("tells of what goes on in a folder that was made in the instant before its parent was watched", async () => {
    const root = join(folder(), "state", "background");
    const { watch: watchFolder } = fs;
    const { jobs, store } = makeStore({ root, pid: 1 });
    jobs.add(subagent("bg_1"));
    const watched = mock.method(fs, "watch", (...given: Parameters<typeof watchFolder>) => {
      assert.ok(store.flushSync());
      return watchFolder(...given);
    });
    syncBuiltinESMExports();
    try {
      const { watch, until } = watching(root);
      await until(has("bg_1"));
      jobs.add(subagent("bg_2"));
      await store.flush();
      await until(has("bg_1", "bg_2"));
      watch.close();
      await store.close();
    } finally {
      watched.mock.restore();
      syncBuiltinESMExports();
    }
  });

  void it("survives a half-written file and other projects", async () => {
    const root = folder();
    const one = makeStore({ root, pid: 1 });
    one.jobs.add(subagent("bg_1"));
    await one.store.flush();
    const { watch, until } = watching(root);
    await until(has("bg_1"));
    writeFileSync(join(one.store.folder, "jobs.json"), '{"version":1,"savedAt":');
    await until((views) => views.some((view) => view.problems.length > 0));
    one.store.markDirty();
    await one.store.flush();
    const other = makeStore({ root, pid: 1, projectID: "other" });
    other.jobs.add(subagent("bg_9"));
    await other.store.flush();
    await until(has("bg_1"));
    watch.close();
    await Promise.all([one.store.close(), other.store.close()]);
  });

  void it("makes many changes few updates, and none without a change", async () => {
    const root = folder();
    const one = makeStore({ root, pid: 1 });
    one.jobs.add(subagent("bg_0"));
    await one.store.flush();
    const clock = new FakeClock(NOW);
    const { watch, updates } = watching(root, clock);
    const seen = (count: number) => () => updates.at(-1)?.[0]?.jobs.length === count;
    await driveUntil(clock, seen(1), "the first job");
    updates.length = 0;
    // A change each 40 ms, for four seconds.
    for (let number = 1; number <= 100; number += 1) {
      one.jobs.add(subagent(`bg_${number}`));
      await one.store.flush();
      await told();
      await clock.advance(40);
    }
    assert.ok(updates.length <= 21, `${updates.length} updates in four seconds`);
    await driveUntil(clock, seen(101), "the last job");
    await driveUntilStill(clock, () => updates.length);
    const before = updates.length;
    await clock.advance(3_600_000);
    assert.deepEqual([updates.length, clock.pending], [before, 0]);
    watch.close();
    await one.store.close();
  });

  void it("reads again what it could not read, though the file is the same", async () => {
    const root = folder();
    const one = makeStore({ root, pid: 1 });
    one.jobs.add(subagent("bg_1"));
    await one.store.flush();
    const refused = mock.method(promises, "open", () => {
      throw new SystemError("EMFILE");
    });
    syncBuiltinESMExports();
    const { watch, updates, until } = watching(root);
    try {
      await until((views) => views.some((view) => view.problems.length > 0));
    } finally {
      refused.mock.restore();
      syncBuiltinESMExports();
    }
    assert.match(updates.at(-1)?.[0]?.problems.join() ?? "", /EMFILE/u);
    watch.refresh();
    await until(has("bg_1"));
    watch.close();
    await one.store.close();
  });

  void it("reads again when it is asked, and is silent once it is closed", async () => {
    const root = folder();
    const clock = new FakeClock(NOW);
    const { watch, updates } = watching(root, clock);
    await driveUntil(clock, () => updates.length === 1, "the first look");
    watch.refresh();
    await driveUntil(clock, () => updates.length === 2, "another look");
    watch.close();
    watch.refresh();
    const one = makeStore({ root, pid: 1 });
    one.jobs.add(subagent("bg_1"));
    await one.store.close();
    await told();
    assert.equal(clock.pending, 0);
    assert.equal(updates.length, 2);
  });
});
