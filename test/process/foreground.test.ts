/** Commands whose callers wait for them: no jobs until they are moved, and as well ended as any. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Foreground } from "../../src/process/manager.js";
import { withRoom, type Room, type RoomSettings } from "./room.js";
import { AGENT, alive, eventually } from "./support.js";

interface Started {
  command: Foreground;
  printed: () => string;
}

async function begin(room: Room, command: string): Promise<Started> {
  let printed = "";
  const started = await room.manager.startForeground({
    command,
    cwd: room.folder,
    parentSessionID: "ses_parent",
    rootSessionID: "ses_root",
    tellsLeft: true,
    onOutput: (data) => {
      printed += data.toString();
    },
  });
  return { command: started, printed: () => printed };
}

/** Goes on when the test says so. */
function held(room: Room, name: string, then: string) {
  const file = join(room.folder, name);
  return {
    command: `until [ -e ${file} ]; do sleep 0.02; done; ${then}`,
    go: () => writeFileSync(file, ""),
  };
}

test("a command that ends is in no list, and leaves no file", () =>
  withRoom(async (room) => {
    const { command, printed } = await begin(room, "echo out; echo err >&2; exit 3");
    assert.deepEqual(await command.over, { type: "ended", exit: { code: 3, signal: null } });
    assert.match(printed(), /out[^]*err|err[^]*out/u);
    command.answered(true);
    assert.deepEqual(room.changes, []);
    await eventually(() => assert.deepEqual(readdirSync(room.folder), []));
  }));

test("the exit of a shell that was killed is known", () =>
  withRoom(async (room) => {
    const { command } = await begin(room, "kill -9 $$");
    assert.deepEqual(await command.over, {
      type: "ended",
      exit: { code: null, signal: "SIGKILL" },
    });
  }));

test("what cannot be started is refused with the system's words", () =>
  withRoom(async (room) => {
    await assert.rejects(begin(room, "x".repeat(3_000_000)), /E2BIG|too long/u);
    assert.deepEqual(room.changes, []);
  }));

test("ten that are moved at once go on as jobs with their own ends, beyond maxProcesses", () => {
  const settings: RoomSettings = { options: { maxProcesses: 2 } };
  return withRoom(async (room) => {
    const ten = Array.from({ length: 10 }, (_, n) => n);
    const gates = ten.map((n) => held(room, `go-${n}`, `echo end ${n}; exit ${n}`));
    const started = await Promise.all(gates.map(({ command }) => begin(room, command)));
    assert.equal(room.jobs.size, 0);
    for (const { command } of started) {
      assert.equal(command.move(60), true);
      assert.equal(command.move(60), false);
      command.answered(false);
    }
    assert.equal(room.manager.list({ status: "running" }).length, 10);
    for (const { go } of gates) go();
    for (const [n, { command, printed }] of started.entries()) {
      const job = await room.ended(command.id);
      assert.equal(job.exitCode, n);
      assert.equal(job.fromBash, "moved");
      assert.equal(await room.output(command.id), `end ${n}\n`);
      assert.equal(printed(), "", "output after the answer is of no call");
    }
    await assert.rejects(
      Promise.all([1, 2, 3].map(() => room.create("sleep 60"))),
      /maxProcesses is 2/u,
    );
  }, settings);
});

test("one that was moved is ended at its second limit, and says so", () =>
  withRoom(async (room) => {
    const { command } = await begin(room, "sleep 300");
    assert.equal(command.move(0.001), true);
    command.answered(false);
    const job = await room.ended(command.id);
    assert.equal(`${job.status} ${job.endReason}`, "failed timeout");
    assert.match(job.error ?? "", /ended after 0\.001 s/u);
  }));

test("one that has ended is not moved", () =>
  withRoom(async (room) => {
    const { command } = await begin(room, "true");
    await command.over;
    assert.equal(command.move(60), false);
    assert.equal(room.jobs.size, 0);
  }));

for (const how of ["in its group", "in a session of its own"] as const) {
  const start = how === "in its group" ? "sleep 301 &" : "setsid sleep 301 &";
  test(`what the shell leaves running ${how} becomes a job with its name, and can be ended`, () =>
    withRoom(async (room) => {
      const { command, printed } = await begin(room, `${start} echo started; exit 4`);
      const over = await command.over;
      assert.equal(over.type, "left");
      assert.deepEqual(over.exit, { code: 4, signal: null });
      assert.equal(printed(), "started\n");
      command.answered(false);
      const job = room.jobs.getProcess(command.id);
      assert.match(job?.name ?? "", /^sleep 301$/u);
      assert.equal(`${job?.status} ${job?.fromBash} ${job?.notify}`, "running left true");
      const { jobs } = await room.manager.kill({ id: command.id }, AGENT);
      assert.equal(jobs[0]?.outcome, "killed");
      assert.deepEqual(alive(room.marker), []);
      const ended = await room.ended(command.id);
      assert.equal(`${ended.status} ${ended.endReason}`, "cancelled cancelled_by_agent");
    }));
}

test("what the shell has left ends by itself: how it ended is not known", () =>
  withRoom(async (room) => {
    const { command: text, go } = held(room, "go", "echo later");
    const { command } = await begin(room, `(${text}) & exit 5`);
    assert.equal((await command.over).type, "left");
    command.answered(false);
    go();
    const job = await room.ended(command.id);
    assert.equal(`${job.status} ${job.endReason}`, "completed finished");
    assert.equal(job.exitCode, undefined);
    assert.equal(await room.output(command.id), "later\n");
  }));

test("what a moved one leaves running is ended with it, as of any process", () =>
  withRoom(async (room) => {
    const { command: text, go } = held(room, "go", "sleep 301 & exit 0");
    const { command } = await begin(room, text);
    command.move(60);
    command.answered(false);
    go();
    const job = await room.ended(command.id);
    assert.match(JSON.stringify(job.leftovers), /sleep 301/u);
    assert.deepEqual(alive(room.marker), []);
  }));

test("a kill reaches all descendants before it is moved, and leaves no record", () =>
  withRoom(async (room) => {
    const { command, printed } = await begin(
      room,
      "trap '' TERM; sh -c 'setsid sleep 302 & sleep 303' & echo up; sleep 304",
    );
    await eventually(() => assert.equal(printed(), "up\n"));
    await command.life.kill("cancelled_by_user");
    assert.deepEqual(alive(room.marker), []);
    assert.equal((await command.over).type, "ended");
    assert.deepEqual(room.changes, []);
    await eventually(() => assert.equal(existsSync(join(room.folder, `${command.id}.log`)), false));
  }));

for (const when of ["while it is waited for", "moved", "left"] as const) {
  test(`a closing instance ends it: ${when}`, () =>
    withRoom(async (room) => {
      const { command } = await begin(room, when === "left" ? "sleep 305 &" : "sleep 305");
      if (when === "moved") command.move(60);
      if (when === "left") await command.over;
      command.answered(false);
      await room.manager.dispose();
      assert.deepEqual(alive(room.marker), []);
      assert.equal(command.job.endReason, "host_exit");
      await command.over;
    }));
}

test("a session that is deleted takes what it waits for along", () =>
  withRoom(async (room) => {
    const { command } = await begin(room, "sleep 306");
    await room.manager.cleanupSession("ses_root");
    assert.deepEqual((await command.over).exit, { code: null, signal: "SIGTERM" });
    assert.equal(command.job.endReason, "session_deleted");
  }));
