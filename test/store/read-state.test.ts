import assert from "node:assert/strict";
import { mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { systemClock, type Clock } from "../../src/ports.js";
import { readInstances, watchInstances, type InstanceView } from "../../src/store/read-state.js";
import { driveUntil, driveUntilStill, told } from "../fakes/file-events.js";
import { FakeClock } from "../fakes/clock.js";
import { useFolders } from "../fakes/folders.js";
import { SystemError, watched } from "./disk.js";
import { noticeOf, processJob, subagent } from "./records.js";
import { adopt, fakeProcesses, makeStore, NOW } from "./support.js";

const folder = useFolders();
const machine = fakeProcesses(99, new Set([1, 2]));

void describe("reading all instances", () => {
  void it("shows who lives, who is gone, and what each has", async () => {
    const root = folder();
    const one = makeStore({ root, pid: 1 });
    one.jobs.add(subagent("bg_1"));
    one.notices.push(noticeOf(subagent("bg_1")));
    await one.store.flush();
    const clock = new FakeClock(Date.UTC(2027, 0));
    const options = { root, pid: 3, projectID: "other", directory: "/other", clock };
    const gone = makeStore(options);
    gone.jobs.add(processJob("proc_1"));
    await gone.store.flush();

    const all = await readInstances(root, {}, machine);
    assert.deepEqual(
      all.map(({ state, alive, jobs, notices, problems }) => [
        state,
        alive,
        jobs.map(({ id }) => id),
        notices.length,
        problems,
      ]),
      [
        ["alive", true, ["bg_1"], 1, []],
        ["dead", false, ["proc_1"], 0, []],
      ],
    );
    assert.deepEqual(all[0]?.jobs, [subagent("bg_1")]);
    assert.equal(all[0]?.owner?.directory, "/project");
    assert.ok(all[0]?.savedAt instanceof Date);
    const folders = async (filter: Parameters<typeof readInstances>[1]) =>
      (await readInstances(root, filter, machine)).map((view) => view.folder);
    assert.deepEqual(await folders({ projectID: "other" }), [gone.store.folder]);
    assert.deepEqual(await folders({ directory: "/project" }), [one.store.folder]);
    assert.deepEqual(await folders({ projectID: "none" }), []);
    await one.store.close();
    assert.equal((await readInstances(root, { directory: "/project" }, machine))[0]?.state, "dead");
    await gone.store.close();
  });

  void it("says what is broken, and changes nothing", async () => {
    const root = folder();
    const project = join(root, "project");
    const files: Record<string, string> = {
      "1-truncated": '{"version":1,"savedAt":"2026',
      "2-newer": '{"version":2}',
      "3-record": JSON.stringify({
        version: 1,
        savedAt: new Date(),
        jobs: [{ ...subagent("bg_1"), status: "paused" }, subagent("bg_2")],
        notices: [],
      }),
    };
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(join(project, name), { recursive: true });
      writeFileSync(join(project, name, "jobs.json"), text);
    }
    mkdirSync(join(project, "4-link"));
    symlinkSync("/etc/passwd", join(project, "4-link", "jobs.json"));
    mkdirSync(join(project, "5-folder", "jobs.json"), { recursive: true });
    mkdirSync(join(project, "6-aside"));
    writeFileSync(join(project, "6-aside", "jobs.json.corrupt-20261121T100000000Z"), "x");
    const before = readdirSync(project, { recursive: true });

    const views = await readInstances(root, {}, machine);
    assert.equal(views.length, 6);
    for (const view of views) {
      assert.equal(view.state, "elsewhere");
      assert.equal(view.problems.length, 2, view.folder);
    }
    assert.deepEqual(
      views.flatMap((view) => view.jobs.map(({ id }) => id)),
      ["bg_2"],
    );
    assert.deepEqual(readdirSync(project, { recursive: true }), before);
  });

  void it("shows claimed records that are not adopted yet, and none twice", async () => {
    const root = folder();
    const dead = makeStore({ root, pid: 3 });
    dead.jobs.add(subagent("bg_1"));
    await dead.store.flush();
    const claimer = makeStore({ root, pid: 1 });
    const { jobs } = await claimer.store.claim();
    const seen = async () =>
      (await readInstances(root, {}, machine)).flatMap((view) => view.jobs.map(({ id }) => id));
    assert.deepEqual(await seen(), ["bg_1"]);
    for (const job of jobs) claimer.jobs.add(job);
    await claimer.store.flush();
    assert.deepEqual(await seen(), ["bg_1"]);
    await claimer.store.commitClaim();
    assert.deepEqual(await seen(), ["bg_1"]);
    await claimer.store.close();
  });

  void it("does not show again what its claimer has forgotten", async () => {
    const root = folder();
    const dead = makeStore({ root, pid: 3 });
    dead.jobs.add(subagent("bg_1"));
    await dead.store.flush();
    const files = watched((step) => {
      if (step === "remove") throw new SystemError("EBUSY");
    });
    const claimer = makeStore({ root, pid: 1, files });
    await adopt(claimer);
    claimer.jobs.remove("bg_1");
    await claimer.store.flush();
    const [view] = await readInstances(root, {}, machine);
    assert.deepEqual(view?.jobs, []);
    await claimer.store.close();
  });

  void it("finds nothing in a root that does not exist", async () => {
    assert.deepEqual(await readInstances(join(folder(), "none")), []);
  });
});

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
