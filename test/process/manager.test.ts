/** Starting a process and being told of its lines, as the manager's callers see it. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { UserError } from "../../src/ports.js";
import type { ProcessJob } from "../../src/jobs/job.js";
import type { CreateInput } from "../../src/process/manager.js";
import { fifoFolder, withRoom } from "./room.js";
import { AGENT, eventually } from "./support.js";

test("a command runs in the user's shell, in its folder, without stdin, and its end is recorded", () =>
  withRoom(async (room) => {
    // It waits to be looked at: what has ended by then has no identity.
    const command = 'read -r x < fifo; pwd; echo "$GREETING"; cat; exit 4';
    const created = await room.create(command, {
      cwd: fifoFolder(room),
      env: { GREETING: "secret-value" },
      tags: ["a", "b"],
      parentMessageID: "msg_1",
    });
    assert.equal(created.readiness, "not_asked");
    assert.equal(created.job.status, "running");
    assert.ok((created.job.identity?.pid ?? 0) > 1);
    writeFileSync(join(room.folder, "fifo"), "go\n");
    const job = await room.ended(created.job.id);
    assert.equal(await room.output(job.id), `${room.folder}\nsecret-value\n`);
    assert.match(job.id, /^proc_[0-9a-z]{10}$/);
    assert.equal(job.status, "failed");
    assert.equal(job.endReason, "error");
    assert.equal(job.error, "exit code 4");
    assert.equal(job.exitCode, 4);
    assert.equal(job.name, command);
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

test("a command that ends in time is answered with its end, which is told no second time", () => {
  const told: unknown[] = [];
  return withRoom(
    async (room) => {
      const sessions = { parentSessionID: "s", rootSessionID: "s" };
      const create = (command: string, milliseconds: number, signal?: AbortSignal) =>
        room.manager.create(
          { command, cwd: room.folder, ...sessions },
          { endWithinMilliseconds: milliseconds, signal },
        );
      const short = await create("echo out; echo broken >&2; exit 3", 10_000);
      assert.deepEqual([short.job.status, short.job.exitCode], ["failed", 3]);
      assert.deepEqual(short.lastLines?.split("\n").sort(), ["broken", "out"]);
      const long = await create("echo out; exec sleep 60", 50);
      assert.deepEqual([long.job.status, long.lastLines], ["running", undefined]);
      const stop = new AbortController();
      const starting = create("exec sleep 61", 600_000, stop.signal);
      await eventually(() => assert.equal(room.manager.list({ status: "running" }).length, 2));
      stop.abort();
      assert.equal((await starting).job.status, "running");
      assert.deepEqual(told, [true, false, false]);
    },
    { deps: { hold: () => (isTold) => void told.push(isTold) } },
  );
});

test("what can be written to is answered with what it has printed, and a cursor behind that", () =>
  withRoom(async (room) => {
    const sessions = { parentSessionID: "s", rootSessionID: "s" };
    const stop = new AbortController();
    const starting = room.manager.create(
      { command: "printf 'your name? '; exec cat", cwd: room.folder, stdin: "open", ...sessions },
      { endWithinMilliseconds: 600_000, signal: stop.signal },
    );
    await eventually(() => assert.equal(room.manager.list({ status: "running" }).length, 1));
    const [job] = room.manager.list();
    for await (const { text } of room.manager.stream(job?.id ?? "")) {
      if (text.includes("?")) break;
    }
    stop.abort();
    const { lastLines, cursor } = await starting;
    assert.deepEqual([lastLines, cursor], ["your name? ", "11"]);
  }));

test("an end carries what its notice quotes: the last lines, of a failed one the errors before them", () =>
  withRoom(async (room) => {
    const quotes = new Map<string, string | undefined>();
    room.jobs.onChange(({ type, job, quote }) => {
      if (type === "ended") quotes.set(job.id, quote?.text);
    });
    const build = "seq 1 100; echo 'error: no such module'; seq 2000 2999";
    const failed = await room.create(`${build}; exit 1`);
    const done = await room.create(build);
    for (const { job } of [failed, done]) await room.ended(job.id);
    assert.match(quotes.get(failed.job.id) ?? "", /101:error: no such module[^]*2999$/);
    assert.match(quotes.get(done.job.id) ?? "", /^2960\n[^]*2999$/);
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

test("one that comes after others waits for a place when its time has come, in order", () =>
  withRoom(
    async (room) => {
      const folder = fifoFolder(room);
      const begun = (id: string) =>
        new Promise<void>((resolve) => {
          const stop = room.jobs.onChange(({ job }) => {
            if (job.id !== id || job.status === "pending") return;
            stop();
            resolve();
          });
        });
      const status = (id: string) => room.manager.get(id)?.status;
      const gate = await room.create("read -r x < fifo");
      await room.create("exec sleep 60");
      const waiting: string[] = [];
      for (const name of ["first", "second", "killed", "third"]) {
        // Both places are taken: what only waits needs none.
        const { job } = await room.create("exec sleep 60", { name, after: [gate.job.id] });
        waiting.push(job.id);
      }
      const [first = "", second = "", killed = "", third = ""] = waiting;
      const starts = begun(first);
      writeFileSync(join(folder, "fifo"), "go\n");
      await starts;
      assert.equal(status(first), "running");
      assert.deepEqual([second, killed, third].map(status), ["pending", "pending", "pending"]);
      await assert.rejects(
        room.manager.restart(second, {}, "cancelled_by_agent"),
        /waits for a place \(maxProcesses\) and has not been started yet/u,
      );
      const report = await room.manager.kill({ id: killed }, AGENT);
      assert.equal(report.jobs[0]?.outcome, "killed");
      assert.equal(room.manager.get(killed)?.endReason, "cancelled_by_agent");
      for (const [ends, next] of [
        [first, second],
        [second, third],
      ] as const) {
        const follows = begun(next);
        await room.manager.kill({ id: ends }, AGENT);
        await follows;
        assert.equal(status(next), "running");
      }
      assert.equal(room.manager.get(killed)?.startedAt, undefined);
      assert.deepEqual(room.logged, []);
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

test("Python's output comes as it is printed, unless its user has set it otherwise", async () => {
  const { PYTHONUNBUFFERED: _, ...rest } = process.env;
  const printed = async (env: NodeJS.ProcessEnv, input?: Partial<CreateInput>) => {
    let output = "";
    await withRoom(
      async (room) => {
        const { job } = await room.create("echo [$PYTHONUNBUFFERED]", input);
        await room.ended(job.id);
        output = await room.output(job.id);
      },
      { deps: { env } },
    );
    return output;
  };
  assert.equal(await printed(rest), "[1]\n");
  assert.equal(await printed(rest, { env: { PYTHONUNBUFFERED: "" } }), "[]\n");
  assert.equal(await printed({ ...rest, PYTHONUNBUFFERED: "x" }), "[x]\n");
});

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
    // The pipes are two: how their lines stand to each other is not promised.
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

test("announcing that throws is logged and harms no other", () =>
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
