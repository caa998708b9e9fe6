/** Patterns on a thread of their own: in turn, with a limit each; and without threads at all. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { systemClock } from "../../src/ports.js";
import { FakeClock } from "../fakes/clock.js";
import { PatternTooSlow } from "../../src/process/pattern.js";
import { PatternGuard } from "../../src/process/pattern-guard.js";

const EVIL = "^(.*a){20}$";
const LINE = `${"a".repeat(60)}b`;

test("questions are answered in turn; one that takes too long fails alone", async () => {
  const guard = new PatternGuard(systemClock);
  const before = guard.match("b$", [LINE, "c"]);
  const evil = guard.match(EVIL, ["x", LINE]).catch((error: unknown) => error);
  const after = guard.match("^c", [LINE, "c", "cc"]);
  assert.deepEqual((await before).hits, [0]);
  assert.ok((await evil) instanceof PatternTooSlow);
  assert.deepEqual((await after).hits, [1, 2]);
  assert.deepEqual(await guard.match("x", []), { hits: [], took: 0 });
  guard.close();
  // A later question finds a new thread.
  assert.deepEqual((await guard.match("a", ["a"])).hits, [0]);
  guard.close();
});

test("text of lines and patterns is never code", async () => {
  const guard = new PatternGuard(systemClock);
  const text = "`${process.exit(1)}`; throw 1; //";
  assert.deepEqual((await guard.match("exit\\(1\\)", [text, "x"])).hits, [0]);
  assert.deepEqual((await guard.match('"\\); throw new Error\\("', ["y"])).hits, []);
  guard.close();
});

test("where no thread can be started, or it breaks, questions are answered all the same", async () => {
  const refusing = new PatternGuard(systemClock, () => {
    throw new Error("no threads here");
  });
  const broken = new PatternGuard(systemClock, () => {
    const thread = new Worker("throw new Error('broken')", { eval: true, stderr: true });
    thread.unref();
    return thread;
  });
  for (const guard of [refusing, broken]) {
    assert.deepEqual((await guard.match("b$", ["a", LINE])).hits, [1]);
    assert.deepEqual((await guard.match("^a", [LINE, "c"])).hits, [0]);
    // Bun cannot interrupt a match here: this one gives up soon by itself.
    await assert.rejects(guard.match("(^(a+)+$)|!", [`${"a".repeat(40)}!`], 20), PatternTooSlow);
    guard.close();
  }
});

test("closing fails what is open; a later question is answered", async () => {
  const guard = new PatternGuard(systemClock);
  const open = [EVIL, "b$"].map((pattern) => guard.match(pattern, [LINE], 600_000));
  guard.close();
  for (const answer of open)
    await assert.rejects(answer, /^UserError: pattern: OpenCode is closing/);
  assert.deepEqual((await guard.match("b$", [LINE])).hits, [0]);
  guard.close();
});

test("a host that was busy beyond the limit hears the answer that came meanwhile", async () => {
  const gate = new Int32Array(new SharedArrayBuffer(4));
  const code = `const { parentPort, workerData } = require("node:worker_threads");
    parentPort.on("message", () => {
      parentPort.postMessage("begins");
      Atomics.wait(workerData, 0, 0);
      parentPort.postMessage(Float64Array.from([1, 0]));
    });`;
  const guard = new PatternGuard(systemClock, () => {
    const thread = new Worker(code, { eval: true, workerData: gate });
    thread.once("message", () => {
      // A turn later: the guard has set its limit by then.
      setImmediate(() => {
        Atomics.store(gate, 0, 1);
        Atomics.notify(gate, 0);
        for (const end = Date.now() + 100; Date.now() < end;);
      });
    });
    thread.unref();
    return thread;
  });
  assert.deepEqual((await guard.match("x", ["x"], 20)).hits, [0]);
  guard.close();
});

test("a thread that worked and does not begin is replaced once; then threads are given up", async () => {
  const clock = new FakeClock();
  let threads = 0;
  const guard = new PatternGuard(clock, (code) => {
    threads += 1;
    // Works once; the second one never says a word.
    const once = `${code}; parentPort.once("message", () => parentPort.close());`;
    const thread = new Worker(threads === 1 ? once : "setInterval(() => {}, 1000)", { eval: true });
    thread.unref();
    return thread;
  });
  assert.deepEqual((await guard.match("b$", [LINE])).hits, [0]);
  const second = guard.match("b$", [LINE, "c"]);
  await clock.advance(5000);
  assert.equal(threads, 2);
  await clock.advance(5000);
  assert.deepEqual((await second).hits, [0]);
  assert.deepEqual((await guard.match("^c", [LINE, "c"])).hits, [1]);
  assert.equal(threads, 2);
  guard.close();
  assert.equal(clock.pending, 0);
});
