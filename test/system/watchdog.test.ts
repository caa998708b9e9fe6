/** One helper for all processes of an instance: what it is like, and what becomes of it. */
import assert from "node:assert/strict";
import { ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readdirSync, readlinkSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { silentLog, systemClock } from "../../src/ports.js";
import { Watchdog } from "../../src/system/watchdog.js";
import { FakeClock } from "../fakes/clock.js";
import { withRoom } from "../process/room.js";
import { AGENT, alive, eventually, isRunning, proc, skip } from "../process/support.js";
import { afterName, helperOf, watchdogsOf } from "./watchdogs.js";

/** Whether it ignores SIGTERM by now: the mask's bit 14. */
function ignoresTerm(pid: number): boolean {
  const mask = /SigIgn:\s+([0-9a-f]+)/.exec(proc(pid, "status"))?.[1] ?? "0";
  return (BigInt(`0x${mask}`) & (1n << 14n)) !== 0n;
}

/** What the descriptors above 2 are. */
function linksOf(pid: number): string[] {
  const open = readdirSync(`/proc/${pid}/fd`).filter((fd) => Number(fd) > 2);
  return open.flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
    } catch (error) {
      assert.ok(error instanceof Error && "code" in error, "a system error");
      return [];
    }
  });
}

test(
  "one small helper for all processes, in a session of its own, gone after the last",
  { skip },
  () =>
    withRoom(async (room) => {
      assert.deepEqual(watchdogsOf(process.pid), []);
      const first = await room.create("exec sleep 60");
      const second = await room.create("exec sleep 60");
      const pid = await helperOf(process.pid);
      const [, , , group, session, terminal] = afterName(pid).split(" ");
      assert.deepEqual([group, session, terminal], [String(pid), String(pid), "0"]);
      const memory = Number(/VmRSS:\s+(\d+) kB/.exec(proc(pid, "status"))?.[1]);
      assert.ok(memory < 6000, `${memory} kB`);
      await room.manager.kill({ id: first.job.id }, AGENT);
      assert.ok(isRunning(pid));
      await room.manager.kill({ id: second.job.id }, AGENT);
      await eventually(() => assert.equal(isRunning(pid), false), 5000);
    }),
);

test("the processes do not hold its pipe, so that it sees the host's end", { skip }, () =>
  withRoom(async (room) => {
    // What the process that started the tests left open for its children.
    const inherited = new Set(linksOf(process.pid));
    // By then it has become the user's shell.
    const command = "echo up; sleep 60";
    await room.create(command, { readyPattern: "up" });
    const { job } = await room.create(command, { readyPattern: "up" });
    for (const { pid } of alive(room.marker)) {
      const wrong = linksOf(pid).filter(
        (link) => /^(pipe|socket):/.test(link) && !inherited.has(link),
      );
      assert.deepEqual(wrong, [], `${pid} of ${job.id}`);
    }
  }),
);

test("signals that end a terminal's processes do not end it", { skip }, () =>
  withRoom(async (room) => {
    await room.create("exec sleep 60");
    const pid = await helperOf(process.pid);
    await eventually(() => assert.ok(ignoresTerm(pid), "no trap yet"));
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.kill(pid, signal);
    await room.create("exec sleep 60");
    // That nothing happens has no event: one that had a signal's default would have ended by then.
    await sleep(50);
    assert.deepEqual(watchdogsOf(process.pid), [pid]);
    assert.deepEqual(room.logged, []);
  }),
);

test(
  "when it dies it is started again once, with everything that is guarded, and that is logged",
  { skip },
  () =>
    withRoom(async (room) => {
      await room.create("exec sleep 60");
      const first = await helperOf(process.pid);
      process.kill(first, "SIGKILL");
      const second = await helperOf(process.pid, first);
      assert.deepEqual(
        room.logged.map(({ message }) => message),
        ["the watchdog ended and is started again"],
      );
      process.kill(second, "SIGKILL");
      await eventually(() => assert.equal(room.logged.length, 2));
      assert.deepEqual(watchdogsOf(process.pid), []);
      // Writing to a helper that is gone does no harm.
      const { job } = await room.create("exit 3");
      assert.equal((await room.ended(job.id)).exitCode, 3);
    }),
);

test(
  "an idle helper that is slow to end leaves the next process of its instance alone",
  { skip },
  async () => {
    const clock = new FakeClock();
    const instanceID = `inst${randomBytes(8).toString("hex")}`;
    const watchdog = new Watchdog({ clock, log: silentLog, instanceID });
    // A number that no process has.
    watchdog.guard("proc_1", { pid: 2 ** 30, startTime: "1", bootID: "" });
    const helper = await helperOf(process.pid);
    // It is held before it hears of the release, and goes on when the next process runs.
    process.kill(helper, "SIGSTOP");
    watchdog.release("proc_1");
    await clock.advance(10_000);
    const next = spawn("sleep", ["60"], {
      detached: true,
      stdio: "ignore",
      env: { ...process.env, OPENCODE_BACKGROUND_INSTANCE: instanceID },
    });
    const exit = once(next, "exit");
    try {
      await once(next, "spawn");
      process.kill(helper, "SIGCONT");
      await eventually(() => assert.equal(isRunning(helper), false));
      assert.ok(isRunning(next.pid ?? 0), "it was ended");
    } finally {
      next.kill("SIGKILL");
      await exit;
    }
  },
);

test("an error on its handle ends the wait for it, and leaves no timer", async () => {
  const clock = new FakeClock();
  const helper = Object.assign(new ChildProcess(), {
    unref: () => undefined,
    ref: () => undefined,
  });
  const watchdog = new Watchdog({ clock, log: silentLog, instanceID: "i", start: () => helper });
  watchdog.guard("proc_1", { pid: 2 ** 30, startTime: "1", bootID: "" });
  const closing = watchdog.close();
  helper.emit("error", new Error("EPERM: kill"));
  await closing;
  assert.equal(clock.pending, 0);
});

test("Windows has none, and nothing is started", () => {
  const started: string[] = [];
  const watchdog = new Watchdog({
    clock: systemClock,
    log: silentLog,
    instanceID: "i",
    platform: "win32",
    start: (id) => {
      started.push(id);
      return assert.fail("started");
    },
  });
  watchdog.guard("proc_1", { pid: 5, startTime: "1", bootID: "" });
  watchdog.release("proc_1");
  assert.deepEqual(started, []);
});
