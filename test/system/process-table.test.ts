/** The lists of processes of other systems than Linux: what they cost, whom they find, and what is said with them. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { test } from "node:test";
import type { ProcessJob } from "../../src/jobs/job.js";
import { systemClock } from "../../src/ports.js";
import { identifyProcess, isAlive } from "../../src/system/identity.js";
import { JobMembers } from "../../src/system/members.js";
import { systemForKill } from "../../src/system/kill-tree.js";
import type { LiveSystem } from "../../src/process/live-process.js";
import { psTable, systemTable } from "../../src/system/process-table.js";
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
  const system = {
    ...systemForKill(systemClock),
    isAlive,
    asked: 0,
    table: psTable(() => {
      system.asked += 1;
      return execFileSync("/bin/ps", ["-axo", "pid=,ppid=,pgid=,stat=,command="], {
        encoding: "utf8",
      });
    }),
  };
  return system;
}

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

test("with ps a strike at nobody is clean, and is one list", { skip }, () => {
  const system = withPs();
  const members = new JobMembers(system, { pid: 2 ** 30, jobID: "proc_x" }, true);
  const struck: number[] = [];
  assert.equal(
    members.strike((pid) => struck.push(pid)),
    true,
  );
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

test("with ps a strike finds who left the group, in whatever order they are listed", () => {
  const rows = [
    "  7     1     7 S    another",
    " 30    20    30 S    grandchild",
    " 20    10    20 S    child",
    " 10     1    10 S    shell",
    "  9     1    10 Z    (ended)",
  ];
  const table = psTable(() => rows.join("\n"));
  const members = new JobMembers({ table, self: { pid: 5 } }, { pid: 10, jobID: "proc_x" }, true);
  const struck: number[] = [];
  assert.equal(
    members.strike((pid) => struck.push(pid)),
    false,
  );
  assert.deepEqual(struck, [30, 20, 10]);
  // The shell has died: the others are still known.
  rows.splice(3);
  assert.deepEqual(
    members.notes().map(({ command }) => command),
    ["grandchild", "child"],
  );
});

function windows(ran: string[][], run: (pid: number) => void): LiveSystem {
  return {
    ...systemForKill(systemClock),
    isAlive,
    platform: "win32",
    table: systemTable("win32"),
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
          const recover = (old: ProcessJob) => {
            room.jobs.add(old);
            room.manager.recover(old, new Date());
            assert.equal(room.manager.get(old.id)?.error, "OpenCode ended while it ran");
          };
          recover({ ...ended, ...FROM_BEFORE, id: "proc_nobody0000", identity: undefined });
          const identity = identifyProcess(pid);
          recover({ ...ended, ...FROM_BEFORE, id: "proc_lives00000", identity });
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
        room.manager.recover(old, new Date());
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
