/** Patterns on a thread of their own: in turn, with a limit each; and without threads at all. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { systemClock } from "../../src/ports.js";
import { FakeClock } from "../fakes/clock.js";
import { PatternGuard, PatternTooSlow } from "../../src/output/pattern.js";

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
        holdUp(100);
      });
    });
    thread.unref();
    return thread;
  });
  assert.deepEqual((await guard.match("x", ["x"], 20)).hits, [0]);
  guard.close();
});

/** Keeps this thread busy. */
function holdUp(milliseconds: number): void {
  for (const end = Date.now() + milliseconds; Date.now() < end;);
}

/** Threads that break, each with the code given for it; from then on real ones. */
function breaking(...codes: string[]) {
  const made = { threads: 0, messages: 0 };
  const newThread = (code: string) => {
    const thread = new Worker(codes[made.threads] ?? code, { eval: true, stderr: true });
    made.threads += 1;
    thread.on("message", () => (made.messages += 1));
    thread.unref();
    return thread;
  };
  return { made, newThread };
}

// Threads were given up after one fault; but on the host's thread Bun cannot interrupt a match, so that one busy
// moment took the limit from all later patterns.
test("threads that do not begin are replaced once for a question; the next question finds a new one", async () => {
  const clock = new FakeClock();
  const silent = "setInterval(() => {}, 1000)";
  const { made, newThread } = breaking(silent, silent);
  const guard = new PatternGuard(clock, newThread);
  const first = guard.match("b$", [LINE, "c"]);
  await clock.advance(5000);
  assert.equal(made.threads, 2);
  await clock.advance(5000);
  assert.deepEqual((await first).hits, [0]);
  assert.equal(clock.pending, 0);
  assert.deepEqual((await guard.match("^c", [LINE, "c"])).hits, [1]);
  assert.equal(made.threads, 3);
  guard.close();
  assert.equal(clock.pending, 0);
});

test("threads that break before they begin cost the limit of no later question", async () => {
  const broken = "throw new Error('broken')";
  const { made, newThread } = breaking(broken, broken);
  const guard = new PatternGuard(systemClock, newThread);
  assert.deepEqual((await guard.match("b$", [LINE, "c"])).hits, [0]);
  await assert.rejects(guard.match(EVIL, [LINE]), PatternTooSlow);
  assert.equal(made.threads, 3);
  guard.close();
});

test("a question that breaks its thread fails and is not asked on the host's, however busy that is", async () => {
  const { made, newThread } = breaking(`const { parentPort } = require("node:worker_threads");
    parentPort.on("message", () => {
      parentPort.postMessage("begins");
      throw new Error("out of memory");
    });`);
  const guard = new PatternGuard(systemClock, (code) => {
    const thread = newThread(code);
    // Node tells what came during this time in another order than it happened.
    if (made.threads === 1) thread.once("online", () => holdUp(300));
    return thread;
  });
  await assert.rejects(guard.match("b$", [LINE]), PatternTooSlow);
  assert.deepEqual((await guard.match("b$", [LINE])).hits, [0]);
  assert.equal(made.threads, 2);
  guard.close();
});

// In Node its stack overflows; Bun finds that nothing matches.
test("a pattern that is too much for the engine does not cost the thread", async () => {
  const { made, newThread } = breaking();
  const guard = new PatternGuard(systemClock, newThread);
  const huge = guard.match("((((.{0,99}){99}){99}){99}){99}x", ["abc ".repeat(2000)], 600_000);
  if ("bun" in process.versions) assert.deepEqual((await huge).hits, []);
  else await assert.rejects(huge, PatternTooSlow);
  assert.deepEqual((await guard.match("b$", [LINE])).hits, [0]);
  // Of each question, that it begins and what came of it.
  assert.deepEqual(made, { threads: 1, messages: 4 });
  guard.close();
});
