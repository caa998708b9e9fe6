/** Ending processes when asked: which a filter means, whose end counts, and what delays no other. */
import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock, UserError } from "../../src/ports.js";
import { identifyProcess, isAlive } from "../../src/system/identity.js";
import { systemForKill } from "../../src/system/kill-tree.js";
import { Scanner } from "../../src/system/scan.js";
import type { ProcessJob } from "../../src/jobs/job.js";
import { systemSpawn, type SpawnFunction } from "../../src/system/spawn.js";
import { fifoFolder, type Room, withRoom } from "./room.js";
import { AGENT, alive, eventually, isRunning, program, skip } from "./support.js";

test("kill: an empty filter is refused and an unknown id matches none; none is ended", () =>
  withRoom(async (room) => {
    await room.create("exec sleep 60");
    await assert.rejects(room.manager.kill({}, AGENT), UserError);
    await assert.rejects(room.manager.kill({ tags: [] }, AGENT), UserError);
    assert.deepEqual(await room.manager.kill({ id: "proc_0000000000" }, AGENT), { jobs: [] });
    assert.deepEqual(await room.manager.kill({ sessionID: "ses_other" }, AGENT), { jobs: [] });
    assert.deepEqual(
      room.manager.list().map(({ status }) => status),
      ["running"],
    );
  }));

test("kill: by session, status and tags, which combine; only what the caller may end", () =>
  withRoom(async (room) => {
    const make = async (tags: string[], parentSessionID: string) =>
      (await room.create("exec sleep 60", { tags, parentSessionID })).job.id;
    const a = await make(["build", "critical"], "s1");
    const b = await make(["test"], "s1");
    const c = await make(["test"], "s2");
    const d = await make(["other"], "s2");
    const running = () => room.manager.list({ status: "running" }).map(({ id }) => id);
    const killed = async (filter: Parameters<Room["manager"]["kill"]>[0], only?: string) => {
      const options = { ...AGENT, ...(only && { only: (job: ProcessJob) => job.id === only }) };
      return (await room.manager.kill(filter, options)).jobs.map(({ job }) => job.id);
    };
    assert.deepEqual(await killed({ tags: ["test"], sessionID: "s1" }), [b]);
    assert.deepEqual(running(), [a, c, d]);
    assert.deepEqual(await killed({ tags: ["critical", "test"] }, c), [c]);
    assert.deepEqual(running(), [a, d]);
    // Ended ones are not named again unless they are asked for.
    assert.deepEqual(await killed({ sessionID: "s1" }), [a]);
    assert.deepEqual(await killed({ status: "running" }), [d]);
    assert.deepEqual(await killed({ status: "cancelled", sessionID: "s1" }), [a, b]);
    assert.deepEqual(running(), []);
  }));

test(
  "kill: what has ended keeps its real end, also when the shell exits in that very moment",
  { skip },
  () =>
    withRoom(async (room) => {
      const { job } = await room.create("exit 5");
      await room.ended(job.id);
      const { jobs } = await room.manager.kill({ id: job.id }, AGENT);
      assert.equal(jobs[0]?.outcome, "already_ended");
      assert.equal(jobs[0]?.job.exitCode, 5);

      const second = await room.create("sleep 0.2; exit 6");
      const pid = second.job.identity?.pid ?? 0;
      // Without giving the event loop a turn: the exit has happened, but nothing here has heard of it.
      while (identifyProcess(pid)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
      const report = await room.manager.kill({ id: second.job.id }, AGENT);
      assert.equal(report.jobs[0]?.outcome, "already_ended");
      const ended = await room.ended(second.job.id);
      assert.equal(`${ended.status} ${ended.endReason} ${ended.exitCode}`, "failed error 6");
    }),
);

test("kill: a program that ends well on SIGTERM was cancelled all the same, with its code", () =>
  withRoom(async (room) => {
    const command = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done";
    const { job } = await room.create(command, { readyPattern: "up" });
    const { jobs } = await room.manager.kill({ id: job.id }, { reason: "cancelled_by_user" });
    assert.equal(jobs[0]?.outcome, "killed");
    const ended = await room.ended(job.id);
    assert.deepEqual(
      [ended.status, ended.endReason, ended.exitCode],
      ["cancelled", "cancelled_by_user", 0],
    );
    assert.match(await room.output(job.id), /^up\n.*bye\n$/s);
  }));

test("kill: several calls at once are one kill, and each has its answer", () =>
  withRoom(async (room) => {
    const { job } = await room.create(program("ignore-term.mjs"), { readyPattern: "up" });
    const reports = await Promise.all([
      room.manager.kill({ id: job.id }, AGENT),
      room.manager.kill({ id: job.id }, { reason: "cancelled_by_user" }),
      room.manager.cleanupSession("ses_root"),
    ]);
    for (const { jobs } of reports) {
      assert.equal(jobs[0]?.outcome, "killed");
      assert.equal(jobs[0]?.job.endReason, "cancelled_by_agent");
    }
    assert.equal(room.changes.filter(({ type }) => type === "ended").length, 1);
  }));

test("kill with remove forgets the record and deletes the output", () =>
  withRoom(async (room) => {
    const running = (await room.create("echo x; exec sleep 60", { readyPattern: "x" })).job;
    const over = (await room.create("echo x")).job;
    await room.ended(over.id);
    assert.equal(readdirSync(room.folder).length, 2);
    const filter = { sessionID: "ses_parent" };
    const { jobs } = await room.manager.kill(filter, { ...AGENT, remove: true });
    assert.deepEqual(
      jobs.map(({ outcome, removed, job }) => [job.id, outcome, removed]),
      [
        [running.id, "killed", true],
        [over.id, "already_ended", true],
      ],
    );
    assert.equal(room.jobs.size, 0);
    assert.deepEqual(readdirSync(room.folder), []);
    await assert.rejects(
      room.manager.read(over.id),
      /^UserError: no background process has the id/,
    );
  }));

test("kill in any instant of a start: it is ended, or was never started, and the kill says so", () =>
  withRoom(async (room) => {
    for (let turns = 0; turns < 12; turns++) {
      const starting = room.create("exec sleep 60");
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      const { jobs } = await room.manager.kill({ sessionID: "ses_parent" }, AGENT);
      assert.deepEqual(
        jobs.map(({ outcome, job }) => [outcome, job.status, job.endReason]),
        [["killed", "cancelled", "cancelled_by_agent"]],
        `after ${turns} turns`,
      );
      await starting;
      assert.deepEqual(alive(room.marker), []);
    }
  }));

test(
  "an exit that is never reported holds neither a kill nor the end of the instance",
  { skip, timeout: 30_000 },
  () => {
    const spawn: SpawnFunction = (...args) => {
      const child = systemSpawn(...args);
      process.nextTick(() => child.removeAllListeners("exit").removeAllListeners("close"));
      return child;
    };
    const awake = setInterval(() => undefined, 60_000);
    return withRoom(
      async (room) => {
        const cwd = fifoFolder(room);
        for (const [command, outcome] of [
          // Not at once, so that it can be looked at before.
          ["read -r x < fifo; exit 5", "already_ended"],
          ["exec sleep 60", "killed"],
        ] as const) {
          const { job } = await room.create(command, { cwd });
          const { pid } = job.identity ?? assert.fail("no identity");
          if (outcome === "already_ended") {
            writeFileSync(join(cwd, "fifo"), "go\n");
            await eventually(() => assert.ok(!isRunning(pid), "runs"));
          }
          const { jobs } = await room.manager.kill({ id: job.id }, AGENT);
          assert.equal(jobs[0]?.outcome, outcome);
          assert.notEqual(jobs[0].job.completedAt, undefined);
        }
      },
      { deps: { spawn } },
    ).finally(() => clearInterval(awake));
  },
);

test(
  "a system that does not say who is left: the real end is recorded, and it is asked again",
  { skip },
  () => {
    const system = systemForKill(systemClock);
    let refusals = 0;
    const pids = () => {
      refusals += 1;
      if (refusals === 1) throw new Error("EMFILE: too many open files");
      return system.table.pids?.() ?? [];
    };
    // Without a counter all processes are listed, and not the newest numbers tried.
    const table = { ...system.table, counter: () => undefined, pids };
    const deps = { system: { ...system, table, scanner: new Scanner(table), isAlive } };
    return withRoom(
      async (room) => {
        const { job } = await room.create("sleep 60 & echo out; exit 3");
        const ended = await room.ended(job.id);
        assert.deepEqual([ended.status, ended.exitCode, ended.error], ["failed", 3, "exit code 3"]);
        assert.deepEqual(alive(room.marker), []);
        assert.match(room.logged.map(({ message }) => message).join(), /looking for what it left/);
      },
      { deps },
    );
  },
);

/** Kills that cannot succeed give up soon: each look at this clock is half a second later. */
function stubbornSystem() {
  let time = 0;
  const state = { isStubborn: true };
  const monotonic = () => (state.isStubborn ? (time += 500) : systemClock.monotonic());
  const real = systemForKill({ ...systemClock, monotonic });
  const kill: typeof real.kill = (pid, name) => {
    if (!state.isStubborn) real.kill(pid, name);
  };
  return { state, system: { ...real, kill, isAlive } };
}

test(
  "a shell that outlived a kill is tried again: by the next kill and at the end",
  { skip },
  () => {
    const { state, system } = stubbornSystem();
    return withRoom(
      async (room) => {
        const { job } = await room.create("exec sleep 60");
        const kill = async () => (await room.manager.kill({ id: job.id }, AGENT)).jobs[0];
        const outcomes = (await Promise.all([kill(), kill()])).map((it) => it?.outcome);
        assert.deepEqual(outcomes, ["survivors", "survivors"]);
        assert.equal(room.manager.get(job.id)?.status, "running");
        assert.equal(room.manager.get(job.id)?.survivors?.length, 1);
        // This one is ended with the instance.
        const other = (await room.create("exec sleep 60")).job;
        const { jobs } = await room.manager.kill({ id: other.id }, AGENT);
        assert.equal(jobs[0]?.outcome, "survivors");
        state.isStubborn = false;
        const again = await kill();
        assert.equal(again?.outcome, "killed");
        assert.deepEqual([again.job.status, again.job.survivors], ["cancelled", undefined]);
      },
      { deps: { system } },
    );
  },
);

test("one that outlived the kill of a restart runs on, and can be started again", { skip }, () => {
  const { state, system } = stubbornSystem();
  return withRoom(
    async (room) => {
      const { job } = await room.create("exec sleep 60");
      const restart = () => room.manager.restart(job.id, {}, "cancelled_by_agent");
      await assert.rejects(restart(), /was not started again: still alive/);
      assert.equal(room.manager.get(job.id)?.status, "running");
      state.isStubborn = false;
      assert.equal((await restart()).job.run, 2);
    },
    { deps: { system } },
  );
});
