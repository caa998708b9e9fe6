/** Ends that no kill asked for: time out, a deleted session, a host that closes, one that died before. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { identifyProcess } from "../../src/system/identity.js";
import type { ProcessJob } from "../../src/jobs/job.js";
import { withRoom } from "./room.js";
import { AGENT, alive, eventually, program, skip, withSleepers } from "./support.js";

const DIED = new Date(Date.UTC(2026, 0, 1));

test("timeoutSeconds ends a process with its own reason", () =>
  withRoom(async (room) => {
    const { job } = await room.create("sleep 60 & exec sleep 60", { timeoutSeconds: 0.2 });
    const ended = await room.ended(job.id);
    assert.equal(ended.status, "failed");
    assert.equal(ended.endReason, "timeout");
    assert.equal(ended.error, "ended after 0.2 s (timeoutSeconds)");
    assert.deepEqual(alive(room.marker), []);
  }));

test("a deleted session ends its processes and those of its tree; global ones go on", () =>
  withRoom(async (room) => {
    const make = async (parentSessionID: string, rootSessionID: string, global = false) =>
      (await room.create("exec sleep 60", { parentSessionID, rootSessionID, global })).job.id;
    const own = await make("root", "root");
    const ofChild = await make("child", "root");
    const global = await make("root", "root", true);
    const other = await make("other", "other");
    const first = await room.manager.cleanupSession("child");
    assert.deepEqual(
      first.jobs.map(({ job }) => [job.id, job.endReason]),
      [[ofChild, "session_deleted"]],
    );
    await room.manager.cleanupSession("root");
    const running = room.manager.list({ status: "running" }).map(({ id }) => id);
    assert.deepEqual(running, [global, other]);
    assert.equal(room.manager.get(own)?.endReason, "session_deleted");
  }));

test("a call that a deleted session had under way starts nothing", () =>
  withRoom(async (room) => {
    const of = { parentSessionID: "child", rootSessionID: "root" };
    await room.manager.cleanupSession("root");
    for (const input of [of, { ...of, global: true }]) {
      await assert.rejects(room.create("exec sleep 60", input), /session was deleted; nothing was/);
    }
    const started = room.manager.startForeground({
      ...of,
      command: "exec sleep 60",
      cwd: room.folder,
      tellsLeft: true,
      onOutput: () => undefined,
    });
    await assert.rejects(started, /session was deleted; nothing was started$/);
    assert.deepEqual(room.manager.list(), []);
    assert.deepEqual(alive(room.marker), []);
  }));

test("a deleted session runs nothing of it again; the user may", () =>
  withRoom(async (room) => {
    const of = { parentSessionID: "child", rootSessionID: "root" };
    const { job } = await room.create("exec sleep 60", of);
    await room.manager.cleanupSession("child");
    assert.equal(room.manager.get(job.id)?.endReason, "session_deleted");
    // Another session of its tree sees it, and may end it again.
    const again = await room.manager.restart(job.id, {}, "cancelled_by_agent");
    assert.equal(again.job.run, 2);
    await room.manager.cleanupSession("root");
    const refused = room.manager.restart(job.id, {}, "cancelled_by_agent");
    await assert.rejects(refused, /^UserError: the session was deleted; nothing was started$/);
    assert.deepEqual(alive(room.marker), []);
    assert.equal((await room.manager.restart(job.id, {}, "cancelled_by_user")).job.run, 3);
  }));

test("dispose ends everything, once; nothing can be started afterwards", () =>
  withRoom(async (room) => {
    const { job } = await room.create("exec sleep 60", { global: true });
    const first = room.manager.dispose();
    assert.equal(room.manager.dispose(), first);
    await first;
    assert.equal(room.manager.get(job.id)?.endReason, "host_exit");
    assert.equal(room.manager.get(job.id)?.status, "cancelled");
    await assert.rejects(room.create("true"), /^UserError: OpenCode is closing/);
  }));

test("dispose while a process is being started starts nothing", () =>
  withRoom(async (room) => {
    const starting = room.create("exec sleep 60", { readyPort: 9 });
    await room.manager.dispose();
    const { job, readiness } = await starting;
    assert.equal(job.status, "cancelled");
    assert.equal(readiness, "ended");
    assert.deepEqual(alive(room.marker), []);
  }));

test("killAllNow records the end at once and signals everybody before it returns", { skip }, () =>
  withRoom(async (room) => {
    const ids = [];
    for (const command of ["exec sleep 60", program("ignore-term.mjs")]) {
      ids.push((await room.create(command)).job.id);
    }
    room.manager.killAllNow();
    for (const id of ids) assert.equal(room.manager.get(id)?.endReason, "host_exit");
    await eventually(() => assert.deepEqual(alive(room.marker), []));
    assert.equal(room.changes.filter(({ type }) => type === "ended").length, 2);
  }),
);

test(
  "a record of an earlier host: what is still the same process is ended, another's is left alone",
  { skip },
  () =>
    withRoom((room) =>
      withSleepers(2, async (pids) => {
        const [same, reused] = pids.map((pid) => identifyProcess(pid));
        assert.ok(same && reused);
        const { job } = await room.create("true");
        const template = await room.ended(job.id);
        const record = (id: string, identity: typeof same): ProcessJob => {
          const running = { ...template, completedAt: undefined, endReason: undefined };
          return { ...running, id, identity, status: "running" };
        };
        const records = [
          record("proc_same000000", same),
          record("proc_reused0000", { ...reused, startTime: "1" }),
        ];
        for (const old of records) {
          room.jobs.add(old);
          await room.manager.recover(old, DIED);
          const now = room.manager.get(old.id);
          assert.deepEqual([now?.status, now?.endReason], ["failed", "interrupted"]);
          assert.equal(now?.error, "OpenCode ended while it ran");
        }
        assert.deepEqual(room.manager.get("proc_same000000")?.leftovers, [
          { pid: same.pid, command: "sleep 60" },
        ]);
        assert.equal(room.manager.get("proc_reused0000")?.leftovers, undefined);
        await eventually(() => assert.equal(identifyProcess(same.pid), undefined));
        assert.deepEqual(identifyProcess(reused.pid), reused);
      }),
    ),
);

test(
  "a record that says it ended with its host: what is still alive all the same is ended",
  { skip },
  () =>
    withRoom((room) =>
      withSleepers(2, async (pids) => {
        const [left, reused] = pids.map((pid) => identifyProcess(pid));
        assert.ok(left && reused);
        const { job } = await room.create("true");
        const template = await room.ended(job.id);
        const ended = { status: "cancelled", endReason: "host_exit" } as const;
        const records: ProcessJob[] = [
          { ...template, ...ended, id: "proc_left000000", identity: left },
          {
            ...template,
            ...ended,
            id: "proc_reused0000",
            identity: { ...reused, startTime: "1" },
          },
        ];
        for (const old of records) {
          room.jobs.add(old);
          await room.manager.recover(old, DIED);
          assert.deepEqual(room.manager.get(old.id)?.endReason, "host_exit");
        }
        await eventually(() => assert.equal(identifyProcess(left.pid), undefined));
        assert.deepEqual(identifyProcess(reused.pid), reused);
      }),
    ),
);

test("what an earlier host's process printed after its record was last saved can be read and is counted", () =>
  withRoom(async (room) => {
    const { job } = await room.create("echo words");
    const { output, ...rest } = await room.ended(job.id);
    room.outputs.stop();
    room.jobs.remove(job.id);
    const stale = {
      ...rest,
      completedAt: undefined,
      endReason: undefined,
      status: "running",
    } as const;
    room.jobs.add({ ...stale, output: { bytes: 0, dropped: 0 } });
    await room.manager.recover({ ...stale, output: { bytes: 0, dropped: 0 } }, DIED);
    assert.equal(room.manager.get(job.id)?.output.bytes, output.bytes);
    const { bytes, text } = await room.manager.read(job.id);
    assert.deepEqual([bytes, text.trim()], [6, "words"]);
    await room.manager.read(job.id, { cursor: "6" });
  }));

test(
  "whether SIGKILL was needed is in the record, of a kill and of what a shell had left",
  { skip },
  () =>
    withRoom(async (room) => {
      const polite = (await room.create("exec sleep 60")).job;
      await room.manager.kill({ id: polite.id }, AGENT);
      assert.equal(room.manager.get(polite.id)?.forced, undefined);
      const stubborn = program("ignore-term.mjs");
      const { job } = await room.create(stubborn, { readyPattern: "up" });
      await room.manager.kill({ id: job.id }, AGENT);
      assert.equal(room.manager.get(job.id)?.forced, true);
      const left = await room.create(`(trap '' TERM; sleep 60) & sleep 0.2`);
      assert.equal((await room.ended(left.job.id)).forced, true);
    }),
);
