/** Processes that run again, in real: by a call, by their policy, and with an end that comes in between. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { once } from "node:events";
import { UserError } from "../../src/ports.js";
import type { Room } from "./room.js";
import { withRoom } from "./room.js";
import { AGENT, alive, eventually, isRunning, NODE, skip } from "./support.js";

// Our timers keep nothing awake, and between two runs there is nothing else.
let awake: NodeJS.Timeout;
before(() => {
  awake = setInterval(() => undefined, 60_000);
});
after(() => clearInterval(awake));

const PAUSES = [1_000, 2_000, 4_000, 8_000, 16_000];

/** Tests need not wait for the policy's pauses. */
function hurried(room: Room): void {
  const { clock } = room;
  const after = clock.after.bind(clock);
  clock.after = (milliseconds, callback) =>
    after(PAUSES.includes(milliseconds) ? 20 : milliseconds, callback);
}

test("two calls that run an ended one again at the same time start it once", { skip }, () =>
  withRoom(async (room) => {
    const { job } = await room.create("true");
    await room.ended(job.id);
    const command = "exec sleep 60";
    const both = await Promise.allSettled(
      [1, 2].map(() => room.manager.restart(job.id, { command }, "cancelled_by_agent")),
    );
    assert.deepEqual(both.map(({ status }) => status).toSorted(), ["fulfilled", "rejected"]);
    assert.equal(room.manager.get(job.id)?.run, 2);
    // Its shell starts others for a moment, which have its command line until they are themselves.
    await eventually(() => {
      const sleepers = alive(room.marker).filter((each) => each.command.includes("sleep 60"));
      assert.equal(sleepers.length, 1);
    });
    await room.manager.kill({ id: job.id }, { reason: "cancelled_by_agent" });
    assert.deepEqual(alive(room.marker), []);
  }),
);

test("an ended one runs again under its id, what is given replaces what was; its earlier output stays", () =>
  withRoom(async (room) => {
    const { job } = await room.create("echo one $X; exit 3", { env: { X: "1" }, tags: ["a"] });
    await room.ended(job.id);
    const again = await room.manager.restart(job.id, {}, "cancelled_by_agent");
    assert.equal(again.job.id, job.id);
    await eventually(() => assert.equal(room.manager.get(job.id)?.status, "failed"));
    assert.equal(await room.output(job.id), "one 1\n");
    await room.manager.restart(job.id, { command: "echo two" }, "cancelled_by_agent");
    await eventually(() => assert.equal(room.manager.get(job.id)?.status, "completed"));
    const ended = room.manager.get(job.id);
    assert.deepEqual([ended?.run, ended?.name, ended?.tags], [3, "echo two", ["a"]]);
    assert.deepEqual(
      ended?.runs?.map(({ number, status, exitCode, command }) => [
        number,
        status,
        exitCode,
        command,
      ]),
      [
        [1, "failed", 3, "echo one $X; exit 3"],
        [2, "failed", 3, "echo one $X; exit 3"],
      ],
    );
    assert.equal((await room.manager.read(job.id, { run: 1 })).text, "one 1");
    assert.equal((await room.manager.read(job.id, { run: 3 })).text, "two");
    await assert.rejects(
      room.manager.read(job.id, { run: 4 }),
      /run: expected one that is kept \(1, 2, 3\), got 4/,
    );
    assert.ok(!JSON.stringify(room.jobs.all()).includes('"X"'));
    // All its files go with its record.
    await room.manager.kill({ id: job.id }, { ...AGENT, remove: true });
    assert.deepEqual(readdirSync(room.folder), []);
  }));

test("the output of the newest five runs stays, within one limit together", () =>
  withRoom(
    async (room) => {
      const { job } = await room.create("seq 1 200000; echo first $RUN >&2");
      await room.ended(job.id);
      for (let run = 2; run <= 7; run += 1) {
        const command = `seq 1 200000; echo run ${run}`;
        await room.manager.restart(job.id, { command }, "cancelled_by_agent");
        await eventually(() => assert.equal(room.manager.get(job.id)?.status, "completed"));
      }
      await eventually(() => {
        const names = readdirSync(room.folder).sort();
        const earlier = [3, 4, 5, 6].map((run) => `${job.id}.run${run}.log`);
        assert.deepEqual(names, [`${job.id}.log`, ...earlier]);
        const sizes = names.map((name) => statSync(join(room.folder, name)).size);
        const sum = sizes.reduce((total, size) => total + size, 0);
        assert.ok(sum <= 1024 * 1024, sizes.join(" "));
      });
      const { lines, dropped } = await room.manager.read(job.id, { run: 3, lines: 2 });
      assert.deepEqual(
        lines.map(({ text }) => text),
        ["200000", "run 3"],
      );
      assert.ok(dropped > 1_000_000);
      const head = await room.manager.read(job.id, { run: 3, mode: "head", lines: 2 });
      assert.deepEqual(
        head.lines.map(({ text }) => text),
        ["1", "2"],
      );
    },
    { options: { outputLimit: 1024 * 1024 } },
  ));

test(
  "one that runs is ended first, with all that it started, and twenty restarts in a row get their port",
  { skip },
  () =>
    withRoom(
      async (room) => {
        const listen = createServer().listen(0);
        await once(listen, "listening");
        const address = listen.address();
        const port = typeof address === "object" ? (address?.port ?? 0) : 0;
        await new Promise((resolve) => listen.close(resolve));
        const program = `require("net").createServer().on("error", (e) => { console.log(e.code); process.exit(1) }).listen(${port}, () => console.log("up"))`;
        // Below a shell, so that it is not the process whose exit is waited for.
        const command = `"${NODE}" -e '${program}'; true`;
        const { job } = await room.create(command, { readyPattern: "up|EADDRINUSE" });
        for (let round = 0; round < 20; round += 1) {
          const before = alive(room.marker).map(({ pid }) => pid);
          const { readiness } = await room.manager.restart(job.id, {}, "cancelled_by_agent");
          assert.equal(readiness, "ready");
          assert.equal(room.manager.get(job.id)?.readyLine, "up");
          assert.ok(!before.some((pid) => isRunning(pid)), "an earlier one is alive");
        }
        const last = room.manager.get(job.id);
        assert.equal(last?.run, 21);
        assert.equal(last.runs?.length, 4);
        // No end was told.
        assert.equal(room.changes.filter(({ type }) => type === "ended").length, 0);
      },
      { options: { killGraceMilliseconds: 2_000 } },
    ),
);

test("wrong arguments leave it running, and so does an environment that is not known any more", () =>
  withRoom(async (room) => {
    const { job } = await room.create("exec sleep 60");
    for (const changes of [{ cwd: "/nowhere-at-all" }, { readyPattern: "(" }, { command: " " }]) {
      await assert.rejects(room.manager.restart(job.id, changes, "cancelled_by_agent"), UserError);
    }
    assert.equal(room.manager.get(job.id)?.status, "running");
    assert.equal(room.manager.get(job.id)?.run, undefined);
    const earlier = { ...job, id: "proc_0000000000", ownEnvironment: true };
    room.jobs.add({ ...earlier, status: "failed", endReason: "interrupted" });
    await assert.rejects(
      room.manager.restart(earlier.id, {}, "cancelled_by_agent"),
      /never written to disk.*give env again/,
    );
    const changes = { env: { A: "1" }, command: "echo $A" };
    await room.manager.restart(earlier.id, changes, "cancelled_by_agent");
    await eventually(async () => assert.equal(await room.output(earlier.id), "1\n"));
  }));

test("a server that crashes twice and recovers: no end is told, and the record says how often", () =>
  withRoom(async (room) => {
    hurried(room);
    const command = "echo x >> count; [ $(wc -l < count) -gt 2 ] || exit 1; echo up; exec sleep 60";
    const started = await room.create(command, { restart: "on-failure", readyPattern: "up" });
    const { id } = started.job;
    assert.equal(started.readiness, "ready");
    const job = room.manager.get(id);
    assert.deepEqual([job?.status, job?.run], ["running", 3]);
    assert.deepEqual(job?.restarted, { count: 2, last: "exit 1" });
    assert.equal(room.changes.filter(({ type }) => type === "ended").length, 0);
    await room.manager.kill({ id }, AGENT);
    assert.equal(room.manager.get(id)?.status, "cancelled");
    assert.equal(existsSync(join(room.folder, `${id}.run1.log`)), false, "it printed nothing");
  }));

test("a crash loop ends once, with count, time and the last lines", () =>
  withRoom(async (room) => {
    hurried(room);
    const quotes: (string | undefined)[] = [];
    room.jobs.onChange(({ type, quote }) => {
      if (type === "ended") quotes.push(quote?.text);
    });
    const { job } = await room.create("echo no config; exit 7", { restart: "always" });
    const ended = await room.ended(job.id);
    assert.deepEqual(
      [ended.status, ended.endReason, ended.exitCode, ended.run],
      ["failed", "crash_loop", 7, 6],
    );
    assert.match(ended.error ?? "", /^it ended 6 times in .*, the last time with exit 7; /);
    assert.deepEqual(quotes, ["no config"]);
  }));

test("an end wins over a restart: in the pause, while the old run is ended, and when it has ended", () =>
  withRoom(async (room) => {
    const { job } = await room.create("exit 1", { restart: "always" });
    await eventually(() => assert.ok(room.manager.get(job.id)?.nextStartAt, "waits"));
    assert.equal(room.manager.get(job.id)?.status, "pending");
    const { jobs } = await room.manager.kill({ id: job.id }, { reason: "cancelled_by_user" });
    assert.equal(jobs[0]?.outcome, "killed");
    const stopped = room.manager.get(job.id);
    assert.deepEqual(
      [stopped?.status, stopped?.endReason, stopped?.nextStartAt],
      ["cancelled", "cancelled_by_user", undefined],
    );
    // In any instant of a restart.
    for (let turns = 0; turns < 60; turns += 3) {
      const other = (await room.create("exec sleep 60")).job;
      const restarting = room.manager.restart(other.id, {}, "cancelled_by_agent").then(
        () => "started",
        () => "refused",
      );
      for (let turn = 0; turn < turns; turn += 1) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      await room.manager.kill({ id: other.id }, { reason: "cancelled_by_user" });
      await restarting;
      const after = room.manager.get(other.id);
      assert.deepEqual([after?.status, after?.endReason], ["cancelled", "cancelled_by_user"]);
      await eventually(() => assert.deepEqual(alive(room.marker), []));
    }
  }));

test("a second restart of one that is being started again is refused", () =>
  withRoom(async (room) => {
    const { job } = await room.create("exec sleep 60");
    const [first, second] = await Promise.allSettled([
      room.manager.restart(job.id, {}, "cancelled_by_agent"),
      room.manager.restart(job.id, {}, "cancelled_by_user"),
    ]);
    assert.deepEqual([first.status, second.status], ["fulfilled", "rejected"]);
    assert.equal(room.manager.get(job.id)?.run, 2);
  }));

test("its session, its instance and its time limit end what waits for its next run", () =>
  withRoom(async (room) => {
    const waits = async (input = {}) => {
      const { job } = await room.create("exit 1", { restart: "always", ...input });
      await eventually(() => assert.ok(room.manager.get(job.id)?.nextStartAt, "waits"));
      return job.id;
    };
    const id = await waits();
    await room.manager.cleanupSession("ses_root");
    assert.equal(room.manager.get(id)?.endReason, "session_deleted");
    const other = { parentSessionID: "ses_other", rootSessionID: "ses_other" };
    const limited = await waits({ ...other, timeoutSeconds: 0.5 });
    const ended = await room.ended(limited);
    assert.deepEqual([ended.status, ended.endReason], ["failed", "timeout"]);
    const last = await waits(other);
    await room.manager.dispose();
    assert.equal(room.manager.get(last)?.endReason, "host_exit");
  }));
