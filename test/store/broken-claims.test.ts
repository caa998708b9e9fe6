/** Claiming what cannot be read: broken files are set aside, and what this user may not touch is said. */
import assert from "node:assert/strict";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, describe, it } from "node:test";
import { FakeClock } from "../fakes/clock.js";
import { useFolders } from "../fakes/folders.js";
import { deadOwner, HOUR, instances } from "./dead-owner.js";
import { SystemError, watched } from "./disk.js";
import { subagent } from "./records.js";
import { adopt, makeStore, outputFileOf, NOW, recordingLog, type TestStore } from "./support.js";

const folder = useFolders();

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
      assert.equal(readFileSync(outputFileOf(next.store, "proc_1"), "utf8"), "output of proc_1");
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
    const { jobs, notices } = await next.store.claim();
    assert.deepEqual({ jobs, notices }, { jobs: [], notices: [] });
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

  void it("to read whose a folder is, it is left to its owner, who may live, and it is said", async () => {
    if (!dropRights()) return;
    const root = folder();
    const alive = new Set([1, 2]);
    const { log, lines } = recordingLog();
    const living = await deadOwner(root, { root, alive });
    const owner = join(living.store.folder, "owner.json");
    const clock = new FakeClock(Date.now() + HOUR);
    const next = makeStore({ root, pid: 2, alive, clock, log });
    chmodSync(owner, 0);
    assert.deepEqual(await adopt(next), []);
    assert.match(lines.map(({ message }) => message).join(), /^a folder could not be claimed$/);
    chmodSync(owner, 0o600);
    assert.deepEqual(await adopt(next), []);
    // When it can be read, it is judged as any other.
    alive.delete(1);
    assert.deepEqual(await adopt(next), ["bg_1", "proc_1"]);
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
    assert.throws(() => outputFileOf(own.store, "proc_1"), { code: "EACCES" });
    await own.store.close();
    assert.equal(own.jobs.size, 1);
    assert.equal(lines.filter(({ level }) => level === "error").length, 2);
    chmodSync(root, 0o700);
  });
});
