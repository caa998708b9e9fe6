/** When a start returns: ready by a line, by a port, by both; ended first; not yet, and told later. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Readiness } from "../../src/process/readiness.js";
import { FakeClock } from "../fakes/clock.js";
import { fifoFolder, withRoom } from "./room.js";
import { alive, eventually, program } from "./support.js";

async function listen(host: string): Promise<{ server: Server; port: number }> {
  const server = createServer((socket) => socket.end());
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const address = server.address();
  assert.ok(address && typeof address === "object");
  return { server, port: address.port };
}

async function freePort(host: string): Promise<number> {
  const { server, port } = await listen(host);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

test("readyPattern: the start returns when a line matches, on either stream, without colours", () =>
  withRoom(async (room) => {
    const command = "echo not yet; printf '\\033[32mready\\033[0m in 5 ms\\n' >&2; exec sleep 60";
    const { job, readiness } = await room.create(command, { readyPattern: "^ready in \\d+ ms$" });
    assert.equal(readiness, "ready");
    assert.ok(job.readyAt);
    assert.equal(job.readyLine, "ready in 5 ms");
    assert.equal(job.status, "running");
    assert.deepEqual(room.announced, []);
  }));

test("readyPattern: a line that a spinner wrote over again and again", () =>
  withRoom(async (room) => {
    const spin = "for i in $(seq 2000); do printf '\\rstep %s of 2000' $i; done";
    const command = `${spin}; printf '\\rlistening\\n'; exec sleep 60`;
    const { readiness } = await room.create(command, { readyPattern: "^listening$" });
    assert.equal(readiness, "ready");
  }));

/** Of each kind of address that this machine has, one: a server may listen there and nowhere else. */
const outer = Object.values(networkInterfaces())
  .flatMap((addresses = []) => addresses)
  .find(({ internal, family }) => !internal && family === "IPv4");
const hosts = ["127.0.0.1", "::1", ...(outer ? [outer.address] : [])];
if (process.platform === "linux") hosts.push("127.0.1.1");

for (const host of hosts) {
  test(`readyPort: the start returns when ${host} accepts connections`, () =>
    withRoom(async (room) => {
      const port = await freePort(host);
      const { job, readiness, warnings } = await room.create(
        program("server.mjs", host, port, 150),
        {
          readyPort: port,
        },
      );
      assert.equal(readiness, "ready");
      assert.ok(job.readyAt);
      assert.deepEqual(warnings, []);
    }));
}

test("a port that answers before the start is not taken for readiness until it has been silent", () =>
  withRoom(async (room) => {
    const { server, port } = await listen("127.0.0.1");
    const { job, readiness, warnings } = await room.create("exec sleep 60", {
      readyPort: port,
      readyTimeoutSeconds: 0.3,
    });
    assert.equal(readiness, "not_ready_yet");
    assert.equal(job.readyAt, undefined);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? "", new RegExp(`^Port ${port} was answering before the start`));
    await new Promise((resolve) => server.close(resolve));
    assert.deepEqual(room.announced, []);
  }));

test("a port that was taken counts when it answers again after its owner has gone", async () => {
  const clock = new FakeClock();
  let answers = true;
  let ready = 0;
  const probe = async () => answers;
  const onReady = () => void (ready += 1);
  const readiness = new Readiness({ readyPort: 5 }, { wasTaken: true, clock, probe, onReady });
  await clock.advance(10_000);
  assert.equal(ready, 0);
  answers = false;
  await clock.advance(2000);
  answers = true;
  await clock.advance(2000);
  assert.equal(ready, 1);
  assert.equal(clock.pending, 0);
  readiness.stop();
});

test("a line without its end makes nothing ready when the process ends", () =>
  withRoom(async (room) => {
    const { job, readiness } = await room.create("printf listening; exit 0", {
      readyPattern: "listening",
    });
    assert.equal(readiness, "ended");
    assert.equal(job.readyAt, undefined);
  }));

test("a matching line is kept to 500 characters", () =>
  withRoom(async (room) => {
    const command = "printf 'up %0600d\\n' 1; exec sleep 60";
    const { job } = await room.create(command, { readyPattern: "^up" });
    assert.match(job.readyLine ?? "", /^up 0{496}…$/);
  }));

test("the process that ends first: failed, with its last 20 lines", () =>
  withRoom(async (room) => {
    const command = "for i in $(seq 30); do echo line $i; done; echo 'no such module' >&2; exit 1";
    const { job, readiness, lastLines } = await room.create(command, { readyPattern: "^ready" });
    assert.equal(readiness, "ended");
    assert.equal(job.status, "failed");
    assert.equal(job.exitCode, 1);
    const lines = lastLines?.split("\n") ?? [];
    assert.equal(lines.length, 20);
    assert.ok(lines.includes("no such module"));
    assert.ok(lines.includes("line 30") && !lines.includes("line 5"));
  }));

test("not ready in time: the start returns, the process goes on, and readiness is told later", () =>
  withRoom(async (room) => {
    const command =
      "echo Error: no such table; read -r x < fifo; echo ready at 3000; exec sleep 60";
    const { job, readiness, lastLines } = await room.create(command, {
      cwd: fifoFolder(room),
      readyPattern: "ready",
      readyTimeoutSeconds: 0.5,
    });
    assert.equal(readiness, "not_ready_yet");
    assert.equal(lastLines, "Error: no such table");
    assert.equal(job.readyAt, undefined);
    writeFileSync(join(room.folder, "fifo"), "go\n");
    await eventually(() => {
      assert.deepEqual(room.announced, [
        {
          id: job.id,
          kind: "ready",
          text: "ready: a line of its output matched ready (ready at 3000)",
        },
      ]);
    });
    assert.ok(room.manager.get(job.id)?.readyAt);
  }));

test("a caller that gives up the wait gets the start at once", () =>
  withRoom(async (room) => {
    const stop = new AbortController();
    const input = { readyPattern: "never", command: "exec sleep 60", cwd: room.folder };
    const sessions = { parentSessionID: "s", rootSessionID: "s" };
    const starting = room.manager.create({ ...input, ...sessions }, { signal: stop.signal });
    await eventually(() => assert.equal(room.manager.list({ status: "running" }).length, 1));
    stop.abort();
    assert.equal((await starting).readiness, "not_ready_yet");
    assert.equal(room.manager.list({ status: "running" }).length, 1);
  }));

test("a call that is aborted while its port is looked at starts nothing", () => {
  const stop = new AbortController();
  const told: unknown[] = [];
  let isLookGivenUp = false;
  const probe = async (_port: number, signal: AbortSignal) => {
    stop.abort();
    isLookGivenUp = signal.aborted;
    return false;
  };
  return withRoom(
    async (room) => {
      const input = { command: "echo started; exec sleep 60", cwd: room.folder, readyPort: 5 };
      const sessions = { parentSessionID: "s", rootSessionID: "s" };
      const { signal } = stop;
      const starting = room.manager.create({ ...input, ...sessions }, { signal });
      await assert.rejects(starting, /^UserError: the call was aborted; nothing was started/);
      const [job] = room.manager.list();
      assert.deepEqual([job?.status, job?.identity], ["cancelled", undefined]);
      assert.deepEqual(alive(room.marker), []);
      assert.ok(isLookGivenUp);
      // No notice follows: no call has told it.
      assert.deepEqual(told, [true]);
    },
    { deps: { probe, hold: () => (isTold) => void told.push(isTold) } },
  );
});

test("a wait that is longer than the system's timers is no wait that is over", () =>
  withRoom(async (room) => {
    const starting = room.create("exec sleep 60", {
      readyPattern: "never",
      readyTimeoutSeconds: 25 * 24 * 60 * 60,
    });
    await eventually(() => assert.equal(room.manager.list({ status: "running" }).length, 1));
    await room.manager.kill({ status: "running" }, { reason: "cancelled_by_user" });
    assert.equal((await starting).readiness, "ended");
  }));

test("a process that is removed while its start is waited for ends the wait", () =>
  withRoom(async (room) => {
    const starting = room.create("exec sleep 60", { readyPattern: "never" });
    await eventually(() => assert.equal(room.manager.list({ status: "running" }).length, 1));
    const [job] = room.manager.list();
    const filter = { id: job?.id ?? "" };
    await room.manager.kill(filter, { reason: "cancelled_by_user", remove: true });
    assert.equal((await starting).readiness, "ended");
    assert.equal(room.jobs.size, 0);
  }));

test("with both, both must hold, in any order; it pauses longer and longer and stops for good", async () => {
  const clock = new FakeClock();
  let answers = false;
  let probes = 0;
  let ready = 0;
  const probe = async () => {
    probes += 1;
    return answers;
  };
  const onReady = () => void (ready += 1);
  const make = () => new Readiness({ readyPattern: "up", readyPort: 5 }, { clock, probe, onReady });
  const first = make();
  await clock.advance(60_000);
  assert.ok(probes > 60 && probes < 75, `${probes} probes in a minute`);
  first.matched("up");
  assert.equal(ready, 0);
  answers = true;
  await clock.advance(1000);
  assert.equal(ready, 1);
  first.matched("up");
  assert.equal(clock.pending, 0);

  const second = make();
  await clock.advance(1000);
  assert.equal(ready, 1);
  second.matched("up");
  assert.equal(ready, 2);

  answers = false;
  const third = make();
  await clock.advance(100);
  third.stop();
  third.matched("up");
  answers = true;
  await clock.advance(60_000);
  assert.equal(ready, 2);
  assert.equal(clock.pending, 0);
});
