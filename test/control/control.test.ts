/** The control socket with both ends real: what passes, what is refused, who may enter, and what is left. */
import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { deferred } from "../../fixtures/deferred.js";
import {
  askOwner,
  checkSocket,
  type ControlRequest,
  ensureOwnFolder,
  LONGEST_LINE,
  socketPath,
} from "../../src/control/socket.js";
import { PATIENCE_MS, serveControl } from "../../src/control/owner.js";
import { silentLog, UserError } from "../../src/ports.js";
import { FakeClock } from "../fakes/clock.js";

function folder(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), "obm-ctl-"));
  t.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

async function owner(
  t: TestContext,
  handle: (request: ControlRequest) => Promise<string> = (request) =>
    Promise.resolve(JSON.stringify(request)),
) {
  const path = socketPath("/state/instance", { XDG_RUNTIME_DIR: folder(t) });
  const clock = new FakeClock();
  const close = await serveControl(path, { clock, log: silentLog, handle });
  t.after(() => close());
  return { path, clock, close };
}

/** What the server says to raw bytes. */
function say(path: string, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => socket.write(text));
    let said = "";
    socket.on("data", (data) => {
      said += data.toString();
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(said));
  });
}

void describe("the control socket", () => {
  void it("passes a request to the owner and its answer back, also several at once", async (t) => {
    const { path } = await owner(t);
    const requests: ControlRequest[] = [
      { method: "ping" },
      { method: "stop", jobID: "proc_1", remove: true },
      { method: "cancel", jobID: "bg_1" },
    ];
    const answers = await Promise.all(requests.map((request) => askOwner(path, request)));
    assert.deepEqual(
      answers.map((text): unknown => JSON.parse(text)),
      requests,
    );
  });

  void it("gives the owner's refusal as a UserError", async (t) => {
    const { path } = await owner(t, () => Promise.reject(new UserError("proc_1 has ended")));
    await assert.rejects(askOwner(path, { method: "stop", jobID: "proc_1" }), {
      name: "UserError",
      message: "proc_1 has ended",
    });
  });

  for (const line of [
    "hello",
    "{}",
    '{"method":"restart","jobID":"proc_1"}',
    '{"method":"write","jobID":"proc_1","text":"x"}',
    '{"method":"approve","jobID":"bg_1"}',
    '{"method":"stop"}',
    '{"method":"stop","jobID":"proc_1","command":"rm -rf /"}',
    '["stop"]',
  ]) {
    void it(`refuses ${line} without asking the owner`, async (t) => {
      const asked: ControlRequest[] = [];
      const { path } = await owner(t, (request) => {
        asked.push(request);
        return Promise.resolve("");
      });
      const said = await say(path, `${line}\n`);
      assert.match(said, /^\{"ok":false,"error":"expected \{\\"method\\": one of ping, stop, /u);
      assert.deepEqual(asked, []);
    });
  }

  void it("refuses a line without an end, and lets a silent client go", async (t) => {
    const { path, clock, close } = await owner(t);
    assert.match(await say(path, "x".repeat(LONGEST_LINE + 1)), /at most 65536 characters/u);
    const silent = say(path, "{");
    // It is waited for once its connection was taken.
    while (clock.pending === 0) await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(PATIENCE_MS);
    assert.match(await silent, /no request came within 5 s/u);
    await close();
    assert.equal(clock.pending, 0);
  });

  void it("is 0600 in a folder of 0700, and gone after close, with its connections", async (t) => {
    const reached = deferred<void>();
    const { path, close } = await owner(t, () => {
      reached.resolve();
      return new Promise(() => undefined);
    });
    assert.equal(lstatSync(path).mode & 0o777, 0o600);
    assert.equal(lstatSync(join(path, "..")).mode & 0o777, 0o700);
    const asked = askOwner(path, { method: "ping" });
    asked.catch(() => undefined);
    const ended = assert.rejects(asked, /ended before it answered/u);
    await reached.promise;
    await close();
    await ended;
    assert.equal(existsSync(path), false);
    await close();
  });

  void it("takes the place of the socket of an owner that was killed", async (t) => {
    const path = socketPath("/state/instance", { XDG_RUNTIME_DIR: folder(t) });
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, "left over");
    const deps = { clock: new FakeClock(), log: silentLog, handle: () => Promise.resolve("here") };
    const close = await serveControl(path, deps);
    t.after(() => close());
    assert.equal(await askOwner(path, { method: "ping" }), "here");
  });

  void it("is not believed when another user could have made it or may enter", async (t) => {
    const { path } = await owner(t);
    assert.throws(() => checkSocket(path, (process.getuid?.() ?? 0) + 1), /another user/u);
    chmodSync(join(path, ".."), 0o755);
    await assert.rejects(askOwner(path, { method: "ping" }), /entered by other users/u);
    const other = folder(t);
    writeFileSync(join(other, "file"), "");
    assert.throws(() => checkSocket(join(other, "file")), /not a socket/u);
  });

  void it("is made only in a folder of this user's, whose mode is mended", (t) => {
    const base = folder(t);
    symlinkSync(base, join(base, "link"));
    assert.throws(() => ensureOwnFolder(join(base, "link")), /not a folder/u);
    const open = join(base, "open");
    mkdirSync(open);
    chmodSync(open, 0o777);
    ensureOwnFolder(open);
    assert.equal(lstatSync(open).mode & 0o777, 0o700);
    assert.throws(
      () => ensureOwnFolder(open, (process.getuid?.() ?? 0) + 1),
      /belongs to another user/u,
    );
  });

  void it("has a short path of its own for each instance, or says that it is too long", () => {
    const env = { XDG_RUNTIME_DIR: "/run/user/1000" };
    const path = socketPath("/a", env);
    assert.match(path, /^\/run\/user\/1000\/opencode-background\/[0-9a-f]{16}\.sock$/u);
    assert.notEqual(path, socketPath("/b", env));
    assert.ok(socketPath("/a", { XDG_RUNTIME_DIR: "relative" }).startsWith(tmpdir()));
    assert.throws(() => socketPath("/a", { XDG_RUNTIME_DIR: `/${"x".repeat(80)}` }), {
      name: "UserError",
      message: /too long \(\d+ bytes, at most 100\).*set XDG_RUNTIME_DIR/u,
    });
  });

  void it("of an owner that is gone says so", async (t) => {
    const path = socketPath("/state/instance", { XDG_RUNTIME_DIR: folder(t) });
    await assert.rejects(askOwner(path, { method: "ping" }), {
      name: "UserError",
      message: /cannot be reached: ENOENT/u,
    });
  });
});
