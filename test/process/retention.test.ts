/** What is kept: of a flood, on a disk that refuses, of all outputs together. */
import assert from "node:assert/strict";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { aProcess } from "../../fixtures/jobs.js";
import { JobRegistry } from "../../src/jobs/registry.js";
import { outputFile } from "../../src/output/format.js";
import { systemOutputFs } from "../../src/output/log.js";
import { silentLog } from "../../src/ports.js";
import { prune } from "../../src/process/retention.js";
import { withRoom } from "./room.js";
import { eventually, program } from "./support.js";

test("a flood is kept within its limit, its numbers follow at most once a second", () =>
  withRoom(
    async (room) => {
      const { job } = await room.create(program("flood.mjs", 30, "both"));
      const start = Date.now();
      const ended = await room.ended(job.id);
      const seconds = (Date.now() - start) / 1000;
      assert.equal(ended.output.bytes, 30_000_000);
      const { size } = statSync(join(room.folder, `${job.id}.log`));
      assert.ok(size <= 1024 * 1024, `${size} bytes`);
      assert.ok(ended.output.dropped >= 30_000_000 - size && ended.output.dropped < 30_000_000);
      const updates = room.changes.filter(({ type }) => type === "changed").length;
      // Two at the start, two at the end, and one a second.
      assert.ok(updates <= 6 + seconds, `${updates} updates in ${seconds} s`);
      const { lines } = await room.manager.read(job.id, { lines: 1, stream: "stdout" });
      assert.match(lines[0]?.text ?? "", /^line 0002\d{5} x+$/);
    },
    { options: { outputLimit: 1024 * 1024 } },
  ));

test("many megabytes without a newline are harmless", () =>
  withRoom(async (room) => {
    const { job } = await room.create(program("no-newline.mjs", 40), { notifyPattern: "never" });
    assert.equal((await room.ended(job.id)).output.bytes, 40 * 1024 * 1024);
    assert.match((await room.manager.read(job.id)).text, /bytes left out \.\.\.\ny+\n/);
  }));

test("colours and progress bars of a real program read as they stand last", () =>
  withRoom(async (room) => {
    const { job } = await room.create(program("progress.mjs"));
    await room.ended(job.id);
    assert.equal((await room.manager.read(job.id)).text, "building 100%\ndone");
  }));

test("a disk that refuses: the process goes on, and its record says since when and why", () =>
  withRoom(
    async (room) => {
      const { job } = await room.create("echo one; sleep 0.1; echo two; exit 0");
      const ended = await room.ended(job.id);
      assert.equal(ended.status, "completed");
      assert.equal(ended.output.missingError, "ENOSPC: no space left on device");
      assert.ok(ended.output.missingSince);
      assert.equal(ended.output.bytes, 8);
      assert.equal(ended.output.dropped, 8);
      const { text } = await room.manager.read(job.id);
      assert.equal(text, "(the output is not kept any more)");
    },
    {
      deps: {
        outputFs: {
          ...systemOutputFs,
          open: () => {
            throw new Error("ENOSPC: no space left on device");
          },
        },
      },
    },
  ));

test("all outputs together have a limit: the oldest ended ones go, their records say so", () =>
  withRoom(
    async (room) => {
      const ids: string[] = [];
      for (let i = 0; i < 3; i++) {
        const { job } = await room.create(program("flood.mjs", 2));
        await room.ended(job.id);
        ids.push(job.id);
      }
      const file = (i: number) => join(room.folder, `${ids[i]}.log`);
      await eventually(() => assert.equal(existsSync(file(0)), false));
      assert.equal(existsSync(file(2)), true);
      const oldest = room.manager.get(ids[0] ?? "");
      assert.equal(oldest?.output.dropped, oldest?.output.bytes);
      assert.equal(
        (await room.manager.read(ids[0] ?? "")).text,
        "(the output is not kept any more)",
      );
    },
    { options: { outputLimit: 512 * 1024, totalOutputLimit: 1024 * 1024 } },
  ));

test("of outputs of unequal sizes the oldest go, never a newer one for an older one's sake", () => {
  const folder = mkdtempSync(join(tmpdir(), "ocbm-retention-"));
  const jobs = new JobRegistry(silentLog);
  const MB = 1024 ** 2;
  const add = (id: string, megabytes: number, endedAt?: number) => {
    const output = { bytes: megabytes * MB, dropped: 0 };
    const completedAt = endedAt === undefined ? undefined : new Date(endedAt);
    const status = endedAt === undefined ? "running" : "completed";
    jobs.add(aProcess({ id, output, status, completedAt, createdAt: new Date(0) }));
    writeFileSync(outputFile(folder, id), "");
    truncateSync(outputFile(folder, id), megabytes * MB);
  };
  try {
    add("proc_newest", 5, 30);
    add("proc_live", 4);
    add("proc_oldest", 1, 10);
    add("proc_second", 1, 20);
    let folders = 0;
    const outputFolder = () => {
      folders += 1;
      return folder;
    };
    const kept = () =>
      readdirSync(folder)
        .map((name) => name.replace(".log", ""))
        .sort();
    prune({ jobs, log: silentLog, options: { totalOutputLimit: 10 * MB }, outputFolder });
    assert.deepEqual(kept(), ["proc_live", "proc_newest", "proc_second"]);
    // Live ones take more than half: the output that ended last is kept all the same.
    prune({ jobs, log: silentLog, options: { totalOutputLimit: 8 * MB }, outputFolder });
    assert.deepEqual(kept(), ["proc_live", "proc_newest"]);
    assert.equal(jobs.getProcess("proc_second")?.output.dropped, MB);
    assert.equal(jobs.getProcess("proc_newest")?.output.dropped, 0);
    // The folder is asked for once, however many records there are.
    assert.equal(folders, 2);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
