/** Reading what all instances have stored, from outside, without changing it. */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { readInstances } from "../../src/store/instances.js";
import { FakeClock } from "../fakes/clock.js";
import { useFolders } from "../fakes/folders.js";
import { SystemError, watched } from "./disk.js";
import { noticeOf, processJob, subagent } from "./records.js";
import { adopt, fakeProcesses, makeStore } from "./support.js";

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

    const all = await readInstances(root, undefined, machine);
    assert.deepEqual(
      all.map(({ state, jobs, notices, problems }) => [
        state,
        jobs.map(({ id }) => id),
        notices.length,
        problems,
      ]),
      [
        ["alive", ["bg_1"], 1, []],
        ["dead", ["proc_1"], 0, []],
      ],
    );
    assert.deepEqual(all[0]?.jobs, [subagent("bg_1")]);
    assert.equal(all[0]?.owner?.directory, "/project");
    assert.ok(all[0]?.savedAt instanceof Date);
    const folders = async (projectID: string) =>
      (await readInstances(root, projectID, machine)).map((view) => view.folder);
    assert.deepEqual(await folders("other"), [gone.store.folder]);
    assert.deepEqual(await folders("none"), []);
    await one.store.close();
    assert.equal((await readInstances(root, undefined, machine))[0]?.state, "dead");
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

    const views = await readInstances(root, undefined, machine);
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
      (await readInstances(root, undefined, machine)).flatMap((view) =>
        view.jobs.map(({ id }) => id),
      );
    assert.deepEqual(await seen(), ["bg_1"]);
    for (const { job } of jobs) claimer.jobs.add(job);
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
    const [view] = await readInstances(root, undefined, machine);
    assert.deepEqual(view?.jobs, []);
    await claimer.store.close();
  });

  void it("finds nothing in a root that does not exist", async () => {
    assert.deepEqual(await readInstances(join(folder(), "none")), []);
  });
});
