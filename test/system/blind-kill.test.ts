/** A list of processes that cannot be read: the group is ended all the same, and what was not seen is said. */
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { promisify } from "node:util";
import { z } from "zod";
import type { ProcessJob } from "../../src/jobs/job.js";
import { systemClock } from "../../src/ports.js";
import { identifyProcess, isAlive } from "../../src/system/identity.js";
import { systemForKill } from "../../src/system/kill-tree.js";
import type { LiveSystem } from "../../src/process/live-process.js";
import type { ProcessTable } from "../../src/system/process-table.js";
import { Scanner } from "../../src/system/scan.js";
import { withRoom } from "../process/room.js";
import { alive, eventually, isLinux, program, programFile } from "../process/support.js";

const skip = isLinux ? false : "looks into /proc";
const UNVERIFIED = /who survived could not be verified: EMFILE: too many open files/;

const answer = z.object({
  system: z.string(),
  answer: z.object({ jobs: z.array(z.object({ outcome: z.string() })) }).optional(),
  job: z.object({ status: z.string(), endReason: z.string(), error: z.string() }),
});

for (const [way, reason] of [
  ["kill", "cancelled_by_agent"],
  ["session", "session_deleted"],
  ["timeout", "timeout"],
  ["dispose", "host_exit"],
  ["exit", "host_exit"],
] as const) {
  test(
    `no descriptor is free (${way}): no process of the group survives, and the record says what is not known`,
    {
      skip,
    },
    () =>
      withRoom(async (room) => {
        const host = `exec "${process.execPath}" --import tsx "${programFile("no-descriptors.ts")}"`;
        const { stdout } = await promisify(execFile)(
          "/bin/sh",
          ["-c", `ulimit -n 128; ${host} "${room.folder}" ${way}`],
          { env: { ...process.env, OCBM_TEST_ROOM: room.marker }, timeout: 60_000 },
        );
        assert.deepEqual(alive(room.marker), []);
        const { system, job, answer: answered } = answer.parse(JSON.parse(stdout));
        assert.match(system, /EMFILE/);
        assert.equal(job.endReason, reason);
        assert.match(job.error, UNVERIFIED);
        if (answered) assert.equal(answered.jobs[0]?.outcome, "unverified");
      }),
  );
}

function refuse(): never {
  throw new Error("EMFILE: too many open files");
}

/** The real system, of which who runs cannot be asked while `isBlind` says so. */
function blindSystem(isBlind: () => boolean): LiveSystem {
  const system = systemForKill(systemClock);
  const { table } = system;
  const blind: ProcessTable = {
    pids: () => (isBlind() ? refuse() : (table.pids?.() ?? [])),
    entry: (pid) => (isBlind() ? refuse() : table.entry(pid)),
    counter: () => (isBlind() ? refuse() : table.counter()),
    list: async () => (isBlind() ? refuse() : table.list()),
    command: (entry) => (isBlind() ? refuse() : table.command(entry)),
    jobsOf: (pid) => (isBlind() ? refuse() : table.jobsOf(pid)),
    hidesOrigin: (pid) => (isBlind() ? refuse() : table.hidesOrigin(pid)),
  };
  return { ...system, table: blind, scanner: new Scanner(blind), isAlive };
}

test(
  "what a command left running in its group is ended unseen, beside the command's own end",
  {
    skip,
  },
  () =>
    withRoom(
      async (room) => {
        const { job } = await room.create("sleep 300 & exit 3");
        const { status, exitCode, error } = await room.ended(job.id);
        assert.deepEqual([status, exitCode], ["failed", 3]);
        assert.match(error ?? "", /^exit code 3; who survived could not be verified: EMFILE/);
        assert.deepEqual(alive(room.marker), []);
      },
      { deps: { system: blindSystem(() => true) } },
    ),
);

test(
  "a system that answers again before the kill is over: nothing is left unverified",
  {
    skip,
  },
  () => {
    let looks = 0;
    return withRoom(
      async (room) => {
        const { job } = await room.create(program("ignore-term.mjs"), { readyPattern: "^up$" });
        const { jobs } = await room.manager.kill({ id: job.id }, { reason: "cancelled_by_agent" });
        assert.deepEqual([jobs[0]?.outcome, jobs[0]?.error], ["killed", undefined]);
        assert.equal((await room.ended(job.id)).error, undefined);
      },
      { deps: { system: blindSystem(() => ++looks < 4) } },
    );
  },
);

for (const [words, blindLooks] of [
  ["who is left can be seen again: it is ended, and nothing is unverified", 1],
  ["our own group is not known either: no process is signalled, and that is said", Infinity],
] as const) {
  test(`a record of an earlier host; ${words}`, { skip }, async () => {
    let looks = 0;
    const child = spawn("sleep", ["300"], { detached: true, stdio: "ignore" });
    const identity = identifyProcess(child.pid ?? 0);
    try {
      await withRoom(
        async (room) => {
          const { job } = await room.create("true");
          const { completedAt: _, endReason: __, ...rest } = await room.ended(job.id);
          looks = 0;
          const old: ProcessJob = { ...rest, id: "proc_earlier000", identity, status: "running" };
          room.jobs.add(old);
          await room.manager.recover(old, new Date());
          const now = () => room.manager.get(old.id);
          assert.deepEqual([now()?.status, now()?.endReason], ["failed", "interrupted"]);
          assert.match(now()?.error ?? "", UNVERIFIED);
          if (blindLooks > 1) {
            await room.manager.dispose();
            assert.match(now()?.error ?? "", UNVERIFIED);
            assert.deepEqual(identifyProcess(child.pid ?? 0), identity);
          } else {
            await eventually(() => assert.equal(identifyProcess(child.pid ?? 0), undefined));
            await room.manager.dispose();
            assert.equal(now()?.error, "OpenCode ended while it ran");
          }
        },
        { deps: { system: blindSystem(() => ++looks <= blindLooks) } },
      );
    } finally {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill("SIGKILL");
        await once(child, "exit");
      }
    }
  });
}
