import assert from "node:assert/strict";
import { existsSync, mkdirSync, realpathSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, it, mock, type TestContext } from "node:test";
import { isTerminal } from "../../src/jobs/status.js";
import { UserError } from "../../src/ports.js";
import { goAlong } from "../fakes/clock.js";
import { desk, type Desk } from "../fakes/workspace.js";

/** A desk whose clock goes along with the processes that it starts. */
function running(t: TestContext): Desk {
  const made = desk(t);
  goAlong(t, made.clock);
  return made;
}

function setShell(t: TestContext, file: string): void {
  const before = process.env["SHELL"];
  process.env["SHELL"] = file;
  t.after(() => {
    if (before === undefined) delete process.env["SHELL"];
    else process.env["SHELL"] = before;
  });
}

void describe("createBackgroundProcess", () => {
  void it("says that it could not be started, and no notice says it again", async (t) => {
    const { call, workspace, root } = running(t);
    // The parent works, so that a notice would wait.
    workspace.onEvent({ type: "busy", sessionID: root });
    const shell = join(workspace.directory, "bash");
    writeFileSync(shell, "not a program", { mode: 0o600 });
    setShell(t, shell);
    const answer = await call("createBackgroundProcess", { command: "true" });
    assert.match(answer, /^proc_\w+ failed · .*EACCES/u);
    assert.deepEqual(workspace.notices.outbox.all(), []);
  });

  void it("says that it ended before it was ready and what it printed, and no notice says it again", async (t) => {
    const { call, workspace, root } = running(t);
    workspace.onEvent({ type: "busy", sessionID: root });
    const answer = await call("createBackgroundProcess", {
      command: "echo why; exit 3",
      readyPattern: "listening",
    });
    assert.match(
      answer,
      /\bexit code 3[^]*\nIt ended before it was ready \(a line matching "listening"\)\.\n.*\n\| why$/u,
    );
    assert.deepEqual(workspace.notices.outbox.all(), []);
  });

  void it("says the end of a short command with its last lines, and no notice says it again", async (t) => {
    const { call, workspace, root } = running(t);
    workspace.onEvent({ type: "busy", sessionID: root });
    const answer = await call("createBackgroundProcess", { command: "echo why; exit 3" });
    assert.match(answer, /^proc_\w+ failed · .*\bexit code 3[^]*\n\| why$/u);
    assert.deepEqual(workspace.notices.outbox.all(), []);
  });

  void it("shows the line that made it ready, and the URL in lists", async (t) => {
    const { call } = running(t);
    const answer = await call("createBackgroundProcess", {
      command: "echo 'Local: http://localhost:3000/'; exec sleep 300",
      readyPattern: "local:",
    });
    assert.match(answer, /\nReady: Local: http:\/\/localhost:3000\/\n/u);
    assert.match(
      await call("listBackgroundProcesses", {}),
      / · ready at http:\/\/localhost:3000\/ · /u,
    );
  });

  void it("is answered with a cursor behind what made it ready", async (t) => {
    const { call, workspace } = running(t);
    const answer = await call("createBackgroundProcess", {
      command: "echo booting; echo up; exec sleep 300",
      readyPattern: "up",
    });
    const [, cursor] =
      /\nReady: up\n\(what comes after this: cursor "(.+)"\)\n/u.exec(answer) ?? [];
    assert.ok(cursor, answer);
    const [job] = workspace.processes.list();
    const read = { processId: job?.id, cursor };
    assert.match(await call("getBackgroundProcess", read), /\n\(nothing new\)\n/u);
  });

  void it("gives no cursor behind what it has not shown", async (t) => {
    const { call, workspace } = running(t);
    const command = "echo listening on port 4000; exec sleep 300";
    const answer = await call("createBackgroundProcess", { command });
    const [job] = workspace.processes.list();
    assert.match(answer, / · output 23 B\n/u);
    assert.doesNotMatch(answer, /cursor/u);
    const output = await call("getBackgroundProcess", { processId: job?.id });
    assert.match(output, /\n\| listening on port 4000\n/u);
  });

  void it("of one that pauses before it is started again says that, and that it waits for no other", async (t) => {
    const { call } = running(t);
    const answer = await call("createBackgroundProcess", { command: "exit 1", restart: "always" });
    assert.match(answer, /^proc_\w+ pending · .* last exit 1, again in \d/u);
    assert.doesNotMatch(answer, /It starts when/u);
  });

  void it("says what a line that was not sent lacks", async (t) => {
    const { call, workspace } = running(t);
    await call("createBackgroundProcess", { command: "exec cat", stdin: "open" });
    const [job] = workspace.processes.list();
    const write = (more: object) =>
      call("writeBackgroundProcess", { processId: job?.id, waitSeconds: 0, ...more });
    const hint = /^\(no Enter was sent: end text with \\n, or give keys \["Enter"\]\)$/mu;
    assert.match(await write({ text: "print(6 * 7)" }), hint);
    assert.doesNotMatch(await write({ text: "print(6 * 7)\n" }), hint);
    assert.doesNotMatch(await write({ text: "print(6 * 7)", keys: ["Enter"] }), hint);
  });

  void it("is read with a cursor to go on from, also when all was shown", async (t) => {
    const { call, workspace } = running(t);
    await call("createBackgroundProcess", {
      command: "echo up; exec sleep 300",
      readyPattern: "up",
    });
    const [job] = workspace.processes.list();
    const read = { processId: job?.id };
    const answer = await call("getBackgroundProcess", read);
    const [, cursor] = /\n\| up\n\(what comes after this: cursor "(.+)"\)$/u.exec(answer) ?? [];
    assert.ok(cursor, answer);
    const again = await call("getBackgroundProcess", { ...read, cursor });
    assert.doesNotMatch(again, /^\| up$/mu);
  });

  void it("says it to a caller that is gone: the notice tells it", async (t) => {
    const { call, workspace, root } = running(t);
    workspace.onEvent({ type: "busy", sessionID: root });
    const abort = new AbortController();
    workspace.jobs.onChange(({ job }) => {
      if (isTerminal(job.status)) abort.abort();
    });
    await call(
      "createBackgroundProcess",
      { command: "exit 3", readyPattern: "listening" },
      { abort: abort.signal },
    );
    assert.equal(workspace.notices.outbox.pending(root).length, 1);
  });
});

void describe("the cwd of createBackgroundProcess", () => {
  void it("is the session's directory, and a relative one is below that", async (t) => {
    const { call, workspace } = running(t);
    const directory = join(workspace.directory, "session");
    mkdirSync(join(directory, "below"), { recursive: true });
    for (const [cwd, folder] of [
      [undefined, directory],
      ["below", join(directory, "below")],
      ["below/..", directory],
      ["..", workspace.directory],
    ] as const) {
      const args = { command: "pwd -P; exit 3", cwd, readyPattern: "never" };
      const answer = await call("createBackgroundProcess", args, { directory });
      assert.equal(answer.split("\n").at(-1), `| ${realpathSync(folder)}`);
    }
    assert.notEqual(process.cwd(), directory);
  });

  void it("is refused by name when it is not there, before anything is asked or started", async (t) => {
    const { call, workspace, acts } = running(t);
    const directory = join(workspace.directory, "session");
    mkdirSync(directory);
    // Where the host itself stands it would be a folder.
    assert.ok(existsSync("test"));
    const ask = mock.fn(() => Promise.resolve());
    for (const cwd of ["test", "no/such", join(directory, "none")]) {
      const missing = JSON.stringify(resolve(directory, cwd));
      await assert.rejects(
        call("createBackgroundProcess", { command: "true", cwd }, { directory, ask }),
        new UserError(`cwd: expected an existing folder, got ${missing}`),
      );
    }
    assert.equal(ask.mock.callCount(), 0);
    assert.deepEqual([workspace.jobs.size, acts], [0, []]);
  });
});
