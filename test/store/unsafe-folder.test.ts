/** A state folder that was there before us: whose it is, who may use it, and what is in its place. */
import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { checkFolder, LARGEST_FILE } from "../../src/store/files.js";
import { readInstances } from "../../src/store/instances.js";
import { useFolders } from "../fakes/folders.js";
import { deadOwner, instances } from "./dead-owner.js";
import { subagent } from "./records.js";
import { adopt, fakeProcesses, makeStore, recordingLog } from "./support.js";

const folder = useFolders();
const modeOf = (path: string): number => statSync(path).mode & 0o777;
const isRoot = process.geteuid?.() === 0;
const skip = process.platform === "win32" && "owners and modes are POSIX";

void describe("a state folder that was there before", { skip }, () => {
  void it("is mended where others may use it, at every level, before anything is taken from it", async () => {
    const root = join(folder(), "background");
    const dead = await deadOwner(root);
    for (const path of [root, join(root, "project"), dead.store.folder]) chmodSync(path, 0o777);
    const next = makeStore({ root, pid: 2 });
    assert.deepEqual(await adopt(next), ["bg_1", "proc_1"]);
    for (const path of [root, join(root, "project"), next.store.folder]) {
      assert.equal(modeOf(path), 0o700, path);
    }
    await next.store.close();
  });

  for (const [what, level] of [
    ["the root", "."],
    ["a project's folder", "project"],
  ] as const) {
    void it(`is refused when ${what} is a link, with an error that says so`, async () => {
      const root = join(folder(), "background");
      await deadOwner(root);
      const place = join(root, level);
      const elsewhere = join(folder(), "elsewhere");
      renameSync(place, elsewhere);
      symlinkSync(elsewhere, place);
      const { log, lines } = recordingLog();
      const next = makeStore({ root, pid: 2, log });
      assert.deepEqual(await adopt(next), []);
      next.jobs.add(subagent("bg_2"));
      await assert.rejects(next.store.flush(), {
        name: "UnsafePath",
        message: /is a symbolic link/u,
      });
      assert.match(next.store.problem ?? "", /cannot be saved in .*is a symbolic link/u);
      assert.throws(() => next.store.outputFolder(), /is a symbolic link/u);
      // A process has an address before its output has a place; nothing of it makes the folder one to be trusted.
      next.store.setControl("/run/control");
      await assert.rejects(next.store.flush(), { name: "UnsafePath" });
      assert.equal(existsSync(next.store.folder), false, "nothing was made behind the link");
      assert.ok(lines.some(({ message }) => message === "nothing can be taken over"));
      await next.store.close();
    });
  }

  void it("is refused when it belongs to another user", () => {
    const path = folder();
    const me = process.geteuid?.() ?? 0;
    assert.throws(() => checkFolder(path, me + 1), {
      name: "UnsafePath",
      message: `${path} belongs to the user with the number ${me}, and OpenCode runs as ${me + 1}: it is not used`,
    });
  });

  void it(
    "another user's record in it is neither read nor adopted",
    { skip: skip || (!isRoot && "only root can give a file to another user") },
    async () => {
      const root = folder();
      const dead = await deadOwner(root);
      chownSync(join(dead.store.folder, "jobs.json"), 4711, 4711);
      const [view] = await readInstances(root, undefined, fakeProcesses(2, new Set([2])));
      assert.deepEqual(view?.jobs, []);
      assert.match(view?.problems.join() ?? "", /belongs to the user with the number 4711/u);
      const { log, lines } = recordingLog();
      const next = makeStore({ root, pid: 2, log });
      assert.deepEqual(await adopt(next), []);
      assert.ok(lines.some(({ extra }) => /4711/u.test(String(extra?.["problem"]))));
      // A whole folder of another user's stays where it is.
      const theirs = join(root, "project", "theirs");
      mkdirSync(theirs);
      chownSync(theirs, 4711, 4711);
      assert.deepEqual(await adopt(next), []);
      assert.ok(instances(root).includes("theirs"));
      await next.store.close();
    },
  );
});

void describe("a state file beyond all measure", () => {
  void it("is set aside with a word, unread", async () => {
    const root = folder();
    const dead = await deadOwner(root);
    const record = JSON.stringify({ id: "bg_crafted" });
    const records = `${record},`.repeat(LARGEST_FILE / record.length) + record;
    const text = `{"version":1,"savedAt":"2026-11-21T10:00:00.000Z","notices":[],"jobs":[${records}]}`;
    writeFileSync(join(dead.store.folder, "jobs.json"), text);
    const { log, lines } = recordingLog();
    const next = makeStore({ root, pid: 2, log });
    assert.deepEqual(await adopt(next), []);
    const [line] = lines.filter(({ message }) => message.includes("was set aside"));
    assert.match(
      String(line?.extra?.["problem"]),
      /has \d+ bytes; more than 25165824 are not read/u,
    );
    assert.equal(statSync(String(line?.extra?.["setAside"])).size, text.length);
    await next.store.close();
  });

  void it("is never written: its oldest ended jobs go", async () => {
    const { store, jobs } = makeStore({ root: folder() });
    const long = "x".repeat(1024 * 1024);
    jobs.add(subagent("bg_runs"));
    for (let at = 0; at < 40; at += 1) {
      const completedAt = new Date(Date.UTC(2026, 10, 21, 11, at));
      jobs.add({ ...subagent(`bg_${at}`, { error: long }), status: "failed", completedAt });
    }
    await store.flush();
    assert.ok(statSync(join(store.folder, "jobs.json")).size <= LARGEST_FILE);
    assert.equal(jobs.size, 21);
    assert.ok(jobs.get("bg_runs") && jobs.get("bg_39") && !jobs.get("bg_19"));
    await store.close();
  });
});
