/** The end of the host: our work is done once, others' listeners decide, nothing of ours stays. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { silentLog } from "../../src/ports.js";
import { onHostExit, type HostProcess } from "../../src/system/host-exit.js";

function host() {
  const events = new EventEmitter();
  const raised: string[] = [];
  const own: HostProcess = { events, raise: (signal) => void raised.push(signal) };
  return { events, raised, own };
}

test("several instances share one listener for each event; the last one takes it away", () => {
  const { events, own } = host();
  const removers = Array.from({ length: 20 }, () => onHostExit(() => undefined, silentLog, own));
  for (const event of ["exit", "SIGTERM", "SIGINT", "SIGHUP"]) {
    assert.equal(events.listenerCount(event), 1);
  }
  const [first, ...rest] = removers;
  for (const remove of rest) remove();
  assert.equal(events.listenerCount("exit"), 1);
  first?.();
  first?.();
  assert.deepEqual(events.eventNames(), []);
});

test("a signal: all listeners are called once, then it is sent again because nothing else listens", () => {
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) {
    const { events, raised, own } = host();
    const called: string[] = [];
    const logged: string[] = [];
    onHostExit(() => called.push("a"), silentLog, own);
    onHostExit(
      () => {
        throw new Error("broken");
      },
      (_level, message) => void logged.push(message),
      own,
    );
    onHostExit(() => called.push("b"), silentLog, own);
    events.emit(signal, signal, 15);
    assert.deepEqual(called, ["a", "b"]);
    assert.deepEqual(logged, ["ending with the host failed"]);
    assert.deepEqual(raised, [signal]);
    assert.deepEqual(events.eventNames(), []);
    events.emit("exit", 0);
    assert.deepEqual(called, ["a", "b"]);
  }
});

test("others who listen for the signal are left alone and decide", () => {
  const { events, raised, own } = host();
  const others: string[] = [];
  const other = (signal: string) => void others.push(signal);
  events.on("SIGTERM", other);
  let calls = 0;
  onHostExit(() => (calls += 1), silentLog, own);
  events.emit("SIGTERM", "SIGTERM", 15);
  assert.equal(calls, 1);
  assert.deepEqual(raised, []);
  assert.deepEqual(others, ["SIGTERM"]);
  assert.deepEqual(events.listeners("SIGTERM"), [other]);
});

test("exit: everybody is called and no signal is sent", () => {
  const { events, raised, own } = host();
  let calls = 0;
  onHostExit(() => (calls += 1), silentLog, own);
  events.emit("exit", 0);
  assert.equal(calls, 1);
  assert.deepEqual(raised, []);
});

test("the real process has four listeners of ours, then none", () => {
  const count = () =>
    ["exit", "SIGTERM", "SIGINT", "SIGHUP"].map((name) => process.listenerCount(name));
  const before = count();
  const removers = [onHostExit(() => undefined), onHostExit(() => undefined)];
  assert.deepEqual(
    count(),
    before.map((n) => n + 1),
  );
  for (const remove of removers) remove();
  assert.deepEqual(count(), before);
});

test(
  "a real host that gets SIGTERM does our work and dies by that signal",
  {
    skip: process.platform === "win32",
  },
  async () => {
    const file = join(import.meta.dirname, "../../src/system/host-exit.ts");
    const code = `const { onHostExit } = await import(${JSON.stringify(file)});
    onHostExit(() => process.stdout.write("done"));
    setInterval(() => undefined, 1000);
    process.stdout.write("up ");`;
    const isBun = "bun" in process.versions;
    const args = isBun ? ["-e", code] : ["--import", "tsx", "--input-type=module", "-e", code];
    const child = spawn(process.execPath, args, {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, BUN_BE_BUN: "1" },
    });
    let output = "";
    child.stdout.on("data", (data: Buffer) => {
      output += data.toString();
      if (output === "up ") child.kill("SIGTERM");
    });
    const [, signal] = await once(child, "close");
    assert.equal(signal, "SIGTERM");
    assert.equal(output, "up done");
  },
);
