/** Every hostile program is started, ended, and looked for in /proc afterwards. */
import assert from "node:assert/strict";
import { spawn as nodeSpawn } from "node:child_process";
import { test } from "node:test";
import { type Room, withRoom } from "./room.js";
import { alive, eventually, isRunning, proc, program, programFile, skip } from "./support.js";

/** Kills a running job and proves that no process of the room is left in the moment in which the kill resolves. */
async function killAll(room: Room, id: string): Promise<void> {
  assert.notEqual(alive(room.marker).length, 0, "no process runs before the kill");
  const { jobs } = await room.manager.kill({ id }, { reason: "cancelled_by_agent" });
  assert.deepEqual(alive(room.marker), []);
  assert.equal(jobs[0]?.outcome, "killed");
  assert.deepEqual(jobs[0]?.survivors, []);
  const job = await room.ended(id);
  assert.equal(job.status, "cancelled");
  assert.equal(job.endReason, "cancelled_by_agent");
}

test("a program that ignores SIGTERM is gone after the grace", { skip }, () =>
  withRoom(async (room) => {
    const { job } = await room.create(program("ignore-term.mjs"), { readyPattern: "^up$" });
    await killAll(room, job.id);
    assert.equal((await room.ended(job.id)).signal, "SIGKILL");
  }),
);

test("a tree with grandchildren is gone, polite or stubborn", { skip }, () =>
  withRoom(async (room) => {
    for (const manner of ["polite", "stubborn"]) {
      const { job } = await room.create(program("tree.mjs", 2, 2, manner));
      await eventually(() => assert.equal(alive(room.marker).length, 7), 20_000);
      await room.manager.kill({ id: job.id }, { reason: "cancelled_by_agent" });
      assert.deepEqual(alive(room.marker), []);
    }
  }),
);

test("a daemon (two forks, two setsid) is gone with its job", { skip }, () =>
  withRoom(async (room) => {
    const { job } = await room.create(program("daemon.mjs", "parent", "stay"), {
      readyPattern: "^up$",
      readyTimeoutSeconds: 60,
    });
    await killAll(room, job.id);
  }),
);

test("a daemon whose parent has ended is listed as left over and ended", { skip }, () =>
  withRoom(async (room) => {
    const { job } = await room.create(program("daemon.mjs"));
    const ended = await room.ended(job.id);
    assert.equal(ended.status, "completed");
    const names = ended.leftovers?.map(({ command }) => command) ?? [];
    assert.ok(
      names.some((name) => name.endsWith("daemon.mjs daemon")),
      names.join("; "),
    );
    assert.deepEqual(alive(room.marker), []);
  }),
);

test(
  "a child without our environment in a session of its own is gone with its parent",
  { skip },
  () =>
    withRoom(async (room) => {
      const { job } = await room.create(program("no-environment.mjs"), {
        readyPattern: "^up \\d+$",
        readyTimeoutSeconds: 60,
      });
      const child = Number((await room.output(job.id)).replace("up ", ""));
      assert.ok(isRunning(child));
      assert.equal(proc(child, "environ").includes(room.marker), false);
      const { jobs } = await room.manager.kill({ id: job.id }, { reason: "cancelled_by_agent" });
      assert.equal(isRunning(child), false);
      assert.equal(jobs[0]?.outcome, "killed");
    }),
);

test("a background job with a process group of its own is gone", { skip }, () =>
  withRoom(async (room) => {
    const { job } = await room.create(program("other-group.sh"), { readyPattern: "^up$" });
    await killAll(room, job.id);
  }),
);

test("a chain that keeps forking into new sessions is caught while it is killed", { skip }, () =>
  withRoom(async (room) => {
    // Long enough that it cannot end by itself during the test.
    const { job } = await room.create(`sh "${programFile("fork-chain.sh")}" 100000; sleep 60`, {
      readyPattern: "^99990$",
      readyTimeoutSeconds: 60,
    });
    await killAll(room, job.id);
  }),
);

test(
  "a process that holds the pipe after the shell's exit neither holds the job nor survives it",
  { skip },
  () =>
    withRoom(async (room) => {
      const { job } = await room.create("sleep 60 & echo $!; exit 7");
      const ended = await room.ended(job.id);
      const held = Number(await room.output(job.id));
      assert.equal(ended.exitCode, 7);
      assert.equal(ended.error, "exit code 7");
      assert.deepEqual(ended.leftovers, [{ pid: held, command: "sleep 60" }]);
      assert.equal(isRunning(held), false);
    }),
);

test(
  "output that still comes after the shell's exit is kept, and the job waits for it",
  { skip },
  () =>
    withRoom(async (room) => {
      // Longer in all than a drain without output, and never silent for as long as that.
      const { job } = await room.create(
        "(for i in $(seq 20); do sleep 0.02; echo late $i; done) & exit 0",
      );
      const ended = await room.ended(job.id);
      assert.equal(ended.status, "completed");
      assert.equal(ended.leftovers, undefined);
      const lines = Array.from({ length: 20 }, (_, index) => `late ${index + 1}\n`);
      assert.equal(await room.output(job.id), lines.join(""));
    }),
);

test("a program that dies by a signal has failed, with the signal's name", () =>
  withRoom(async (room) => {
    const { job } = await room.create(program("die-by-signal.mjs", "SIGUSR2"));
    const ended = await room.ended(job.id);
    assert.equal(ended.status, "failed");
    assert.equal(ended.endReason, "error");
    assert.equal(ended.signal, "SIGUSR2");
    assert.equal(ended.error, "signal SIGUSR2");
  }));

test("a command that cannot be found has failed with the shell's words", () =>
  withRoom(async (room) => {
    const { job } = await room.create("no-such-program-here --flag");
    const ended = await room.ended(job.id);
    assert.equal(ended.exitCode, 127);
    assert.match(await room.output(job.id), /no-such-program-here/);
  }));

test("a shell that cannot be started has failed with the system's message", () =>
  withRoom(
    async (room) => {
      const { job, readiness, lastLines } = await room.create("true", { readyPattern: "x" });
      assert.equal(job.status, "failed");
      assert.equal(job.endReason, "error");
      assert.match(job.error ?? "", /ENOENT|no such file/i);
      assert.equal(readiness, "ended");
      assert.equal(lastLines, "");
      assert.deepEqual(alive(room.marker), []);
    },
    {
      deps: {
        spawn: (_file, args, options) => nodeSpawn("/no/such/shell", [...args], options),
      },
    },
  ));
