/** The manager as its callers see it: starting, watching, reading, ending, limits and retention. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock, UserError } from "../../src/ports.js";
import { identifyProcess, isAlive } from "../../src/process/identity.js";
import { systemForKill } from "../../src/process/kill-tree.js";
import { systemOutputFs } from "../../src/process/output-log.js";
import type { ProcessJob } from "../../src/jobs/job.js";
import type { CreateInput } from "../../src/process/process-manager.js";
import { systemSpawn, type SpawnFunction } from "../../src/process/spawn.js";
import {
  alive,
  eventually,
  isLinux,
  isRunning,
  NODE,
  program,
  withRoom,
  type Room,
} from "./support.js";

const AGENT = { reason: "cancelled_by_agent" } as const;
const skip = isLinux ? false : "looks into /proc";

test("a command runs in the user's shell, in its folder, without stdin, and its end is recorded", () =>
  withRoom(async (room) => {
    const created = await room.create('pwd; echo "$GREETING"; cat; exit 4', {
      env: { GREETING: "secret-value" },
      tags: ["a", "b"],
      parentMessageID: "msg_1",
    });
    assert.equal(created.readiness, "not_asked");
    assert.equal(created.job.status, "running");
    assert.ok((created.job.identity?.pid ?? 0) > 1);
    const job = await room.ended(created.job.id);
    assert.equal(await room.output(job.id), `${room.folder}\nsecret-value\n`);
    assert.match(job.id, /^proc_[0-9a-z]{10}$/);
    assert.equal(job.status, "failed");
    assert.equal(job.endReason, "error");
    assert.equal(job.error, "exit code 4");
    assert.equal(job.exitCode, 4);
    assert.equal(job.name, 'pwd; echo "$GREETING"; cat; exit 4');
    assert.deepEqual(job.tags, ["a", "b"]);
    assert.equal(job.parentMessageID, "msg_1");
    assert.equal(job.notify, true);
    assert.equal(job.global, false);
    assert.equal(job.output.bytes, (await room.output(job.id)).length);
    assert.ok(job.startedAt && job.completedAt && job.startedAt <= job.completedAt);
    assert.ok(!JSON.stringify(room.jobs.all()).includes("secret-value"));
  }));

test("exit 0 is completed, and its end is told once, after its output is complete", () =>
  withRoom(async (room) => {
    const seen: string[] = [];
    room.jobs.onChange(({ type, job }) => {
      if (type !== "ended") return;
      const file = readFileSync(join(room.folder, `${job.id}.log`), "latin1");
      seen.push(`${job.status} ${job.endReason} ${file.includes("the last words")}`);
    });
    const { job } = await room.create("echo the last words");
    await room.ended(job.id);
    assert.deepEqual(seen, ["completed finished true"]);
    const statuses = room.changes.map(({ job }) => job.status);
    assert.deepEqual([...new Set(statuses)], ["pending", "running", "completed"]);
  }));

test("wrong arguments are refused in one line that names the field, and nothing is started", () =>
  withRoom(async (room) => {
    const file = join(room.folder, "file");
    writeFileSync(file, "");
    const wrong: [Partial<CreateInput>, RegExp][] = [
      [{ command: "" }, /^command: expected a shell command, got ""$/],
      [{ command: "  \n" }, /^command: /],
      [{ command: "a\0b" }, /^command: expected text without a zero byte/],
      [{ cwd: "relative" }, /^cwd: expected an absolute path, got "relative"$/],
      [{ cwd: "/no/such/folder" }, /^cwd: expected an existing folder, got "\/no\/such\/folder"$/],
      [{ cwd: file }, /^cwd: expected a folder, got /],
      [{ env: { "A=B": "x" } }, /^env: expected names without = and zero bytes, got "A=B"$/],
      [{ env: { A: "secret\0" } }, /^env: the value of A holds a zero byte$/],
      [
        { notifyPattern: "(" },
        /^notifyPattern: expected a JavaScript regular expression, got "\(" \(Invalid/,
      ],
      [{ readyPattern: "" }, /^readyPattern: expected a regular expression, got ""$/],
      [
        { readyPattern: "x".repeat(600) },
        /^readyPattern: expected at most 512 characters, got 600/,
      ],
      [{ readyPort: 0 }, /^readyPort: expected a port from 1 to 65535, got 0$/],
      [{ readyPort: 65_536 }, /^readyPort: /],
      [{ timeoutSeconds: 0 }, /^timeoutSeconds: expected seconds, more than 0/],
      [{ timeoutSeconds: Number.NaN }, /^timeoutSeconds: /],
      [{ readyTimeoutSeconds: -1 }, /^readyTimeoutSeconds: /],
    ];
    for (const [input, message] of wrong) {
      const started = room.create(input.command ?? "true", input);
      await assert.rejects(started, (error) => {
        assert.ok(error instanceof UserError, String(error));
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /\n/);
        return true;
      });
    }
    assert.equal(room.jobs.size, 0);
    assert.deepEqual(readdirSync(room.folder), ["file"]);
  }));

test("beyond maxProcesses a start is refused, with the number and the option's name", () =>
  withRoom(
    async (room) => {
      await Promise.all([room.create("exec sleep 60"), room.create("exec sleep 60")]);
      await assert.rejects(room.create("true"), /^UserError: 2 .* option maxProcesses is 2/);
      assert.equal(room.jobs.size, 2);
      const [first] = room.manager.list();
      await room.manager.kill({ id: first?.id ?? "" }, AGENT);
      await room.ended((await room.create("true")).job.id);
    },
    { options: { maxProcesses: 2 } },
  ));

test("a second start of the same command in the same folder says which one runs already", () =>
  withRoom(async (room) => {
    const first = await room.create("exec sleep 60");
    const other = await room.create("exec sleep 61");
    const elsewhere = await room.create("exec sleep 60", { cwd: "/" });
    const second = await room.create("exec sleep 60");
    const ids = (jobs: readonly ProcessJob[]) => jobs.map(({ id }) => id);
    assert.deepEqual(ids(first.sameCommand), []);
    assert.deepEqual(ids(other.sameCommand), []);
    assert.deepEqual(ids(elsewhere.sameCommand), []);
    assert.deepEqual(ids(second.sameCommand), [first.job.id]);
  }));

test("OPENCODE_NOTIFY: whole lines that begin with it, on both streams, are told; the line stays", () =>
  withRoom(async (room) => {
    const long = "x".repeat(5000);
    const lines = [
      "echo 'OPENCODE_NOTIFY: one'",
      "echo 'OPENCODE_NOTIFY:two' >&2",
      "echo ' OPENCODE_NOTIFY: not at the start'",
      "echo 'OPENCODE_NOTIFY:   '",
      "printf 'OPENCODE_'; sleep 0.05; printf 'NOTIFY: th'; sleep 0.05; echo ree",
      "printf 'OPENCODE_NOTIFY: four \\033[1mbold\\033[0m\\r\\n'",
      `echo 'OPENCODE_NOTIFY: ${long}'`,
      "printf 'OPENCODE_NOTIFY: the last, without an end'",
    ];
    const { job } = await room.create(lines.join("\n"));
    await room.ended(job.id);
    const texts = room.announced.map(({ text }) => text);
    // The pipes are two: how their lines stand to each other is nobody's promise.
    assert.deepEqual(
      texts.filter((text) => text !== "two"),
      ["one", "three", "four bold", `${"x".repeat(3999)}…`, "the last, without an end"],
    );
    assert.equal(texts.length, 6);
    for (const { id, kind } of room.announced) assert.deepEqual([id, kind], [job.id, "output"]);
    assert.match(await room.output(job.id), /OPENCODE_NOTIFY: one\n/);
  }));

test("notifyPattern: lines that match are told, without colours, a notify line not twice", () =>
  withRoom(async (room) => {
    const command =
      "printf 'all fine\\n\\033[31mERROR\\033[0m in a.ts\\nOPENCODE_NOTIFY: ERROR seen\\nERROR at the end'";
    const { job } = await room.create(command, { notifyPattern: "^ERROR|ERROR seen" });
    await room.ended(job.id);
    const texts = room.announced.map(({ text }) => text);
    assert.deepEqual(new Set(texts), new Set(["ERROR in a.ts", "ERROR seen", "ERROR at the end"]));
    assert.equal(texts.length, 3);
  }));

test("an evil notifyPattern is switched off and that is told; the process goes on", () =>
  withRoom(async (room) => {
    const line = `echo ${"a".repeat(60)}b`;
    const command = `for i in 1 2 3 4 5; do ${line}; sleep 0.2; done; echo OPENCODE_NOTIFY: done`;
    const { job } = await room.create(command, { notifyPattern: "^(.*a){20}$" });
    assert.equal((await room.ended(job.id)).status, "completed");
    const texts = room.announced.map(({ text }) => text);
    assert.deepEqual(texts, [
      "notifyPattern was switched off: pattern: took too long (more than 200 ms); use a simpler one",
      "done",
    ]);
  }));

test("announcing that throws is logged and harms nobody", () =>
  withRoom(
    async (room) => {
      const { job } = await room.create("echo OPENCODE_NOTIFY: x; echo more");
      assert.equal((await room.ended(job.id)).status, "completed");
      assert.deepEqual(
        room.logged.map(({ message }) => message),
        ["a line of output could not be announced"],
      );
    },
    {
      deps: {
        announce: () => {
          throw new Error("broken");
        },
      },
    },
  ));

test("timeoutSeconds ends a process with its own reason", () =>
  withRoom(async (room) => {
    const { job } = await room.create("sleep 60 & exec sleep 60", { timeoutSeconds: 0.2 });
    const ended = await room.ended(job.id);
    assert.equal(ended.status, "failed");
    assert.equal(ended.endReason, "timeout");
    assert.equal(ended.error, "ended after 0.2 s (timeoutSeconds)");
    assert.deepEqual(alive(room.marker), []);
  }));

test("kill: an empty filter is refused and an unknown id matches nobody; nobody is ended", () =>
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

      const second = await room.create("exec sleep 0.2; exit 6");
      const pid = second.job.identity?.pid ?? 0;
      // Without giving the event loop a turn: the exit has happened, but nobody here has heard of it.
      while (identifyProcess(pid)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
      const report = await room.manager.kill({ id: second.job.id }, AGENT);
      assert.equal(report.jobs[0]?.outcome, "already_ended");
      const ended = await room.ended(second.job.id);
      assert.equal(ended.status, "completed");
      assert.equal(ended.endReason, "finished");
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
    const list = () => {
      refusals += 1;
      if (refusals === 1) throw new Error("EMFILE: too many open files");
      return system.table.list();
    };
    const table = { ...system.table, list };
    const deps = { system: { ...system, table, isAlive } };
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

test("stream yields the output as it comes, with its stream, and ends with the process", () =>
  withRoom(async (room) => {
    const { job } = await room.create("echo one; read -r x < fifo; echo two >&2; echo three", {
      env: {},
      cwd: fifoFolder(room),
    });
    const pieces: string[] = [];
    for await (const { stream, text, lost } of room.manager.stream(job.id)) {
      assert.equal(lost, 0);
      pieces.push(`${stream}: ${text}`);
      if (pieces.length === 1) {
        assert.deepEqual(pieces, ["stdout: one\n"]);
        assert.equal(room.manager.get(job.id)?.status, "running");
        writeFileSync(join(room.folder, "fifo"), "go\n");
      }
    }
    const all = pieces.join("");
    assert.ok(all.includes("stderr: two\n") && all.includes("stdout: three\n"), all);
    assert.notEqual((await room.ended(job.id)).completedAt, undefined);
    // Afterwards the same again, and from a place on.
    let later = "";
    for await (const { text } of room.manager.stream(job.id, { cursor: "4" })) later += text;
    assert.deepEqual(later.split("\n").sort(), ["", "three", "two"]);
  }));

test("stream: whole characters only, and an abort ends it without a trace", () =>
  withRoom(async (room) => {
    const { job } = await room.create(program("half-character.mjs"));
    const texts = { stdout: "", stderr: "" };
    for await (const { stream, text } of room.manager.stream(job.id)) {
      texts[stream] += text;
      if (!texts.stdout.includes("end")) assert.doesNotMatch(text, /\ufffd/);
    }
    assert.equal(texts.stdout, "€\nend \ufffd");
    assert.equal(texts.stderr, "€");

    const endless = await room.create("echo x; exec sleep 60");
    const stop = new AbortController();
    let count = 0;
    for await (const piece of room.manager.stream(endless.job.id, { signal: stop.signal })) {
      assert.equal(piece.text, "x\n");
      count += 1;
      setTimeout(() => stop.abort(), 20);
    }
    assert.equal(count, 1);
    assert.throws(() => room.manager.stream("proc_0000000000"), /no background process/);
    assert.throws(
      () => room.manager.stream(endless.job.id, { cursor: "99" }),
      /^UserError: cursor/,
    );
  }));

test("stream: who is slower than the ring is told what is lost, and reads no half characters", () =>
  withRoom(
    async (room) => {
      // Characters of three bytes: blocks end and begin within them. Of several lengths, so that not by chance the
      // two halves at a gap make a whole one.
      for (const count of [1_000_000, 980_000, 960_000, 940_000]) {
        const command = `exec "${NODE}" -e 'process.stdout.write("€".repeat(${count}))'`;
        const { job } = await room.create(command);
        let bytes = 0;
        let missing = 0;
        for await (const { text, lost } of room.manager.stream(job.id)) {
          if (bytes === 0) await room.ended(job.id);
          assert.ok(/^€+$/.test(text), `half characters after ${bytes} bytes`);
          bytes += Buffer.byteLength(text);
          missing += lost;
        }
        assert.ok(missing > 2_000_000, `${missing} lost`);
        // The halves on both sides of the gap are in neither.
        const halves = count * 3 - bytes - missing;
        assert.ok(halves >= 0 && halves <= 4, `${halves} bytes in halves`);
      }
    },
    { options: { outputLimit: 512 * 1024 } },
  ));

test("a flood is kept within its limit, its numbers follow at most once a second", () =>
  withRoom(
    async (room) => {
      const { job } = await room.create(program("flood.mjs", 30, "both"));
      const start = Date.now();
      const ended = await room.ended(job.id);
      const seconds = (Date.now() - start) / 1000;
      assert.equal(ended.output.bytes, 30_000_000);
      const { size } = statSync(join(room.folder, `${job.id}.log`));
      assert.ok(size <= 1024 * 1024, `${size} bytes`);
      assert.ok(ended.output.dropped >= 30_000_000 - size && ended.output.dropped < 30_000_000);
      const updates = room.changes.filter(({ type }) => type === "changed").length;
      // Two at the start, two at the end, and one a second.
      assert.ok(updates <= 6 + seconds, `${updates} updates in ${seconds} s`);
      const { lines } = await room.manager.read(job.id, { lines: 1, stream: "stdout" });
      assert.match(lines[0]?.text ?? "", /^line 0002\d{5} x+$/);
    },
    { options: { outputLimit: 1024 * 1024 } },
  ));

test("many megabytes without a newline are harmless", () =>
  withRoom(async (room) => {
    const { job } = await room.create(program("no-newline.mjs", 40), { notifyPattern: "never" });
    assert.equal((await room.ended(job.id)).output.bytes, 40 * 1024 * 1024);
    assert.match((await room.manager.read(job.id)).text, /bytes left out \.\.\.\ny+\n/);
  }));

test("colours and progress bars of a real program read as they stand last", () =>
  withRoom(async (room) => {
    const { job } = await room.create(program("progress.mjs"));
    await room.ended(job.id);
    assert.equal((await room.manager.read(job.id)).text, "building 100%\ndone");
  }));

test("a disk that refuses: the process goes on, and its record says since when and why", () =>
  withRoom(
    async (room) => {
      const { job } = await room.create("echo one; sleep 0.1; echo two; exit 0");
      const ended = await room.ended(job.id);
      assert.equal(ended.status, "completed");
      assert.equal(ended.output.missingError, "ENOSPC: no space left on device");
      assert.ok(ended.output.missingSince);
      assert.equal(ended.output.bytes, 8);
      assert.equal(ended.output.dropped, 8);
      const { text } = await room.manager.read(job.id);
      assert.equal(text, "(the output is not kept any more)");
    },
    {
      deps: {
        outputFs: {
          ...systemOutputFs,
          open: () => {
            throw new Error("ENOSPC: no space left on device");
          },
        },
      },
    },
  ));

test("ended processes are kept by number; the oldest go first, with their outputs", () =>
  withRoom(
    async (room) => {
      const ids: string[] = [];
      for (let i = 0; i < 5; i++) {
        const { job } = await room.create(`echo ${i}`);
        await room.ended(job.id);
        ids.push(job.id);
      }
      await eventually(() => {
        assert.deepEqual(
          room.manager.list().map(({ id }) => id),
          ids.slice(-2),
        );
      });
      assert.deepEqual(
        readdirSync(room.folder).sort(),
        ids
          .slice(-2)
          .map((id) => `${id}.log`)
          .sort(),
      );
    },
    { options: { keepEnded: 2 } },
  ));

test("ended processes are kept by age", () =>
  withRoom(async (room) => {
    const { job } = await room.create("echo old");
    await room.ended(job.id);
    const week = 7 * 24 * 3600 * 1000;
    room.jobs.updateProcess(job.id, { completedAt: new Date(Date.now() - week + 60_000) });
    room.manager.prune();
    assert.ok(room.manager.get(job.id));
    room.jobs.updateProcess(job.id, { completedAt: new Date(Date.now() - week - 1) });
    room.manager.prune();
    assert.equal(room.manager.get(job.id), undefined);
    assert.deepEqual(readdirSync(room.folder), []);
  }));

test("all outputs together have a limit: the oldest ended ones go, their records say so", () =>
  withRoom(
    async (room) => {
      const ids: string[] = [];
      for (let i = 0; i < 3; i++) {
        const { job } = await room.create(program("flood.mjs", 2));
        await room.ended(job.id);
        ids.push(job.id);
      }
      const file = (i: number) => join(room.folder, `${ids[i]}.log`);
      await eventually(() => assert.equal(existsSync(file(0)), false));
      assert.equal(existsSync(file(2)), true);
      const oldest = room.manager.get(ids[0] ?? "");
      assert.equal(oldest?.output.dropped, oldest?.output.bytes);
      assert.equal(
        (await room.manager.read(ids[0] ?? "")).text,
        "(the output is not kept any more)",
      );
    },
    { options: { outputLimit: 512 * 1024, totalOutputLimit: 1024 * 1024 } },
  ));

test(
  "a record of an earlier host: what is still the same process is ended, another's is left alone",
  { skip },
  () =>
    withRoom(async (room) => {
      const children = [1, 2].map(() =>
        spawn("sleep", ["60"], { detached: true, stdio: "ignore" }),
      );
      try {
        const [same, reused] = children.map(({ pid = 0 }) => identifyProcess(pid));
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
          room.manager.recover(old);
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
      } finally {
        for (const child of children) {
          if (child.exitCode !== null || child.signalCode !== null) continue;
          child.kill("SIGKILL");
          await once(child, "exit");
        }
      }
    }),
);

test("what an earlier host's process printed after its record was last saved can be read and is counted", () =>
  withRoom(async (room) => {
    const { job } = await room.create("echo words");
    const { output, ...rest } = await room.ended(job.id);
    room.jobs.remove(job.id);
    const stale = {
      ...rest,
      completedAt: undefined,
      endReason: undefined,
      status: "running",
    } as const;
    room.jobs.add({ ...stale, output: { bytes: 0, dropped: 0 } });
    room.manager.recover({ ...stale, output: { bytes: 0, dropped: 0 } });
    assert.equal(room.manager.get(job.id)?.output.bytes, output.bytes);
    const { bytes, text } = await room.manager.read(job.id);
    assert.deepEqual([bytes, text.trim()], [6, "words"]);
    await room.manager.read(job.id, { cursor: "6" });
  }));

/** The room's folder with a named pipe in it: a process can wait there for the test. */
function fifoFolder(room: Room): string {
  const made = spawnSync("mkfifo", [join(room.folder, "fifo")]);
  assert.equal(made.status, 0);
  return room.folder;
}
