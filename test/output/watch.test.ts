/** Lines that are looked at while they are still open, and those that are left open at the end. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { STDERR, STDOUT } from "../../src/output/format.js";
import { OutputWatch } from "../../src/output/watch.js";
import { guard } from "./outputs.js";

function watchOf(patterns: { readyPattern?: string; notifyPattern?: string }) {
  const said: string[] = [];
  let timers: (() => void)[] = [];
  const watch = new OutputWatch({
    ...patterns,
    guard,
    clock: {
      after: (_, callback) => {
        timers.push(callback);
        return { cancel: () => void (timers = timers.filter((each) => each !== callback)) };
      },
    },
    onNotify: (text) => void said.push(`notify ${text}`),
    onReady: (line) => void said.push(`ready ${line}`),
    onProblem: (sentence) => void said.push(sentence),
  });
  return {
    watch,
    said,
    pending: () => timers.length,
    /** The time of one quiet moment passes, and what was found is matched. */
    passes: async () => {
      const due = timers;
      timers = [];
      for (const callback of due) callback();
      await guard.match("x", ["x"]);
      await guard.match("x", ["x"]);
      await guard.match("x", ["x"]);
    },
  };
}

test("a line without a newline makes ready when it has been quiet, and the line is told", async () => {
  const { watch, said, passes, pending } = watchOf({ readyPattern: "listening" });
  watch.push(STDOUT, Buffer.from("Listening on "));
  watch.push(STDOUT, Buffer.from("http://localhost:3000"));
  await passes();
  assert.deepEqual(said, []);
  await passes();
  assert.deepEqual(said, ["ready Listening on http://localhost:3000"]);
  await watch.end();
  assert.equal(pending(), 0);
});

test("of a line that is redrawn the state in which it rests counts", async () => {
  const { watch, said, passes } = watchOf({ readyPattern: "^done$" });
  watch.push(STDERR, Buffer.from("\rdone 10%\rdone 50%"));
  await passes();
  await passes();
  assert.deepEqual(said, []);
  watch.push(STDERR, Buffer.from("\r\u001b[Kdone"));
  await passes();
  await passes();
  assert.deepEqual(said, ["ready done"]);
  await watch.end();
});

test("a prompt is announced once, also when its line is completed", async () => {
  const { watch, said, passes } = watchOf({ notifyPattern: "password: " });
  watch.push(STDOUT, Buffer.from("Enter password: "));
  await passes();
  await passes();
  assert.deepEqual(said, ["notify Enter password: "]);
  watch.push(STDOUT, Buffer.from("\nEnter password: "));
  await passes();
  await passes();
  assert.equal(said.length, 2);
  await watch.end();
  assert.equal(said.length, 2);
});

test("what is left open at the end is announced but never makes ready", async () => {
  const { watch, said, pending } = watchOf({ readyPattern: "up", notifyPattern: "up" });
  watch.push(STDOUT, Buffer.from("up"));
  await watch.end();
  assert.deepEqual(said, ["notify up"]);
  assert.equal(pending(), 0);
});

test("a complete line makes ready without any wait", async () => {
  const { watch, said } = watchOf({ readyPattern: "up" });
  watch.push(STDOUT, Buffer.from("it is UP\n"));
  await watch.end();
  assert.deepEqual(said, ["ready it is UP"]);
});

test("of a line that is too long no half of a character is told", async () => {
  const { watch, said } = watchOf({ notifyPattern: "end" });
  const long = "a".repeat(3_998);
  watch.push(STDOUT, Buffer.from(`${long}😀 the end\n`));
  await watch.end();
  assert.deepEqual(said, [`notify ${long}…`]);
});

test("of lines that come faster than they can be matched the latest are, and it is said once", async () => {
  const { watch, said } = watchOf({ readyPattern: "^up$" });
  watch.push(STDOUT, Buffer.from("this one is being matched\n"));
  watch.push(STDOUT, Buffer.from(`${"a".repeat(1_000)}\n`.repeat(3_000)));
  watch.push(STDOUT, Buffer.from("up\n"));
  await watch.end();
  assert.deepEqual(said, [
    "output came faster than its lines could be matched; some were not",
    "ready up",
  ]);
});
