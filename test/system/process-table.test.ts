/** The lists of processes of other systems than Linux: what they cost, whom they find, and what is said with them. */
import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { promisify } from "node:util";
import type { ProcessJob } from "../../src/jobs/job.js";
import { systemClock } from "../../src/ports.js";
import { identifyProcess, isAlive } from "../../src/system/identity.js";
import { JobMembers } from "../../src/system/members.js";
import { systemForKill } from "../../src/system/kill-tree.js";
import type { LiveSystem } from "../../src/process/live-process.js";
import {
  isStillRising,
  psTable,
  systemTable,
  type PidCounter,
} from "../../src/system/process-table.js";
import { Scanner } from "../../src/system/scan.js";
import { withRoom } from "../process/room.js";
import {
  AGENT,
  alive,
  eventually,
  program,
  skip as skipProc,
  withSleepers,
} from "../process/support.js";

const skip = existsSync("/bin/ps") ? false : "needs /bin/ps";

/** The real system with the table of macOS, and how often `ps` was run. */
function withPs(): LiveSystem & { asked: number } {
  const table = psTable(async () => {
    system.asked += 1;
    const { stdout } = await promisify(execFile)("/bin/ps", [
      "-axo",
      "pid=,ppid=,pgid=,stat=,command=",
    ]);
    return stdout;
  });
  const scanner = new Scanner(table);
  const system = { ...systemForKill(systemClock), isAlive, asked: 0, table, scanner };
  return system;
}

test(
  "the number of a thread is no process, though the system answers to it",
  { skip: skipProc },
  () => {
    const table = systemTable();
    const threads = readdirSync("/proc/self/task").map(Number);
    assert.ok(threads.length > 1, "this runtime has threads");
    for (const number of threads) {
      assert.equal(table.entry(number)?.pid, number === process.pid ? number : undefined);
    }
  },
);

test(
  "with ps a command that ends by itself costs two lists, however many others run",
  { skip },
  () => {
    const system = withPs();
    return withRoom(
      (room) =>
        withSleepers(20, async () => {
          const { job } = await room.create("true");
          assert.equal((await room.ended(job.id)).error, undefined);
          // One for what it left, one to be sure.
          assert.equal(system.asked, 2);
        }),
      { deps: { system } },
    );
  },
);

test("with ps a strike at no process is clean, and is one list", { skip }, async () => {
  const system = withPs();
  const members = new JobMembers(system, { pid: 2 ** 30, jobID: "proc_x" }, true);
  const struck: number[] = [];
  assert.equal(await members.strike((pid) => struck.push(pid)), true);
  assert.deepEqual(struck, []);
  assert.equal(system.asked, 1);
});

test("with ps a stubborn tree is gone after its kill", { skip: skip || skipProc }, () => {
  const system = withPs();
  return withRoom(
    async (room) => {
      const { job } = await room.create(program("tree.mjs", 2, 2, "stubborn"));
      await eventually(() => assert.equal(alive(room.marker).length, 7), 20_000);
      const { jobs } = await room.manager.kill({ id: job.id }, AGENT);
      assert.deepEqual(alive(room.marker), []);
      assert.deepEqual([jobs[0]?.outcome, jobs[0]?.survivors], ["killed", []]);
    },
    { deps: { system } },
  );
});

test("with ps what a command left running is named and ended", { skip: skip || skipProc }, () =>
  withRoom(
    async (room) => {
      const { job } = await room.create("sleep 300 & echo $!");
      const { leftovers } = await room.ended(job.id);
      const pid = Number(await room.output(job.id));
      assert.deepEqual(leftovers, [{ pid, command: "sleep 300" }]);
      assert.deepEqual(alive(room.marker), []);
    },
    { deps: { system: withPs() } },
  ),
);

test("with ps a strike finds who left the group, in whatever order they are listed", async () => {
  const rows = [
    "  7     1     7 S    another",
    " 30    20    30 S    grandchild",
    " 20    10    20 S    child",
    " 10     1    10 S    shell",
    "  9     1    10 Z    (ended)",
  ];
  const table = psTable(async () => rows.join("\n"));
  const system = { table, scanner: new Scanner(table), self: { pid: 5, parent: 4 } };
  const members = new JobMembers(system, { pid: 10, jobID: "proc_x" }, true);
  const struck: number[] = [];
  assert.equal(await members.strike((pid) => struck.push(pid)), false);
  assert.deepEqual(struck, [30, 20, 10]);
  // The shell has died: the others are still known.
  rows.splice(3);
  assert.deepEqual(
    (await members.notes()).map(({ command }) => command),
    ["grandchild", "child"],
  );
});

test("numbers rise from a start on until they may have begun again from the lowest", () => {
  const counter = (last: number, forks: number): PidCounter => ({
    last,
    forks,
    tasks: 100,
    max: 32_768,
  });
  const start = { pid: 5000, forksBefore: 70_000 };
  assert.equal(isStillRising(start, counter(5200, 70_150)), true);
  // The newest is below its own: they began again from the lowest.
  assert.equal(isStillRising(start, counter(400, 70_150)), false);
  // They may have come round once, or the system does not count at all.
  assert.equal(isStillRising(start, counter(5200, 70_000 + 8191)), true);
  assert.equal(isStillRising(start, counter(5200, 70_000 + 8192)), false);
  assert.equal(isStillRising(start, { ...counter(5200, 70_150), tasks: 8192 }), false);
  assert.equal(isStillRising(start, counter(5200, 70_000)), false);
  assert.equal(isStillRising(start, counter(5200, 100)), false);
});

test(
  "this system counts: a child's number comes after ours, and was counted",
  { skip: skipProc },
  () => {
    const table = systemTable();
    const before = table.counter();
    const { pid } = spawnSync("true");
    const after = table.counter();
    assert.ok(before && after && after.forks > before.forks && after.last > 0);
    if (after.last >= pid) {
      assert.equal(isStillRising({ pid, forksBefore: before.forks }, after), true);
    }
  },
);

function windows(ran: string[][], run: (pid: number) => void): LiveSystem {
  const table = systemTable("win32");
  return {
    ...systemForKill(systemClock),
    isAlive,
    platform: "win32",
    table,
    scanner: new Scanner(table),
    run: async (file, args) => {
      ran.push([file, ...args]);
      run(Number(args[1]));
    },
  };
}

const FROM_BEFORE = { status: "running", completedAt: undefined, endReason: undefined } as const;

test(
  "on Windows a record of an earlier host: its shell is ended, and nothing is said that is not so",
  { skip: skipProc },
  () => {
    const ran: string[][] = [];
    return withRoom(
      (room) =>
        withSleepers(1, async ([pid = 0]) => {
          const { job } = await room.create("true");
          const ended = await room.ended(job.id);
          const recover = async (old: ProcessJob) => {
            room.jobs.add(old);
            await room.manager.recover(old, new Date());
            assert.equal(room.manager.get(old.id)?.error, "OpenCode ended while it ran");
          };
          await recover({ ...ended, ...FROM_BEFORE, id: "proc_nobody0000", identity: undefined });
          const identity = identifyProcess(pid);
          await recover({ ...ended, ...FROM_BEFORE, id: "proc_lives00000", identity });
          await room.manager.dispose();
          assert.deepEqual(
            ran.map(([, ...args]) => args),
            [["/PID", String(pid), "/T", "/F"]],
          );
          for (const id of ["proc_nobody0000", "proc_lives00000"]) {
            assert.equal(room.manager.get(id)?.error, "OpenCode ended while it ran");
          }
          assert.deepEqual(room.logged, []);
        }),
      { deps: { system: windows(ran, (pid) => process.kill(pid, "SIGKILL")) } },
    );
  },
);

test(
  "on Windows a record whose shell the system says nothing of: that is said",
  { skip: skipProc },
  () => {
    const ran: string[][] = [];
    const system: LiveSystem = {
      ...windows(ran, () => undefined),
      isAlive: () => false,
      identify: () => undefined,
      hasEnded: () => false,
    };
    return withRoom(
      async (room) => {
        const { job } = await room.create("true");
        const ended = await room.ended(job.id);
        const identity = { pid: 2 ** 22, startTime: "1", bootID: "" };
        const old: ProcessJob = { ...ended, ...FROM_BEFORE, id: "proc_unknown000", identity };
        room.jobs.add(old);
        await room.manager.recover(old, new Date());
        await room.manager.dispose();
        assert.match(
          room.manager.get(old.id)?.error ?? "",
          /who survived could not be verified: Windows did not say/,
        );
        assert.deepEqual(ran, []);
      },
      { deps: { system } },
    );
  },
);
