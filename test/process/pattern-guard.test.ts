/** Patterns on a thread of their own: in turn, with a limit each; and without threads at all. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { systemClock } from "../../src/ports.js";
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
