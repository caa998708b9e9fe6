/** Who gets SIGTERM, and when, over made processes; the real ones are in test/process/sigterm.test.ts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProcessEntry } from "../../src/system/process-table.js";
import { Sigterm } from "../../src/system/kill-tree.js";

const SHELL = 10;

function entry(pid: number, parent: number, name = "node"): ProcessEntry {
  return { pid, parent, name, group: SHELL, startTime: `start-${pid}`, dead: false };
}

test("the shell and what it started itself at once, the others when their parents have ended", () => {
  const told: number[] = [];
  const sigterm = new Sigterm((pids) => told.push(...pids));
  const all = [entry(SHELL, 1, "bash"), entry(11, SHELL), entry(12, 11), entry(13, 12)];
  assert.deepEqual(sigterm.take(all, SHELL, false), [SHELL, 11]);
  assert.deepEqual(sigterm.take(all, SHELL, false), []);
  assert.deepEqual(sigterm.take(all.slice(2), SHELL, false), [12]);
  assert.deepEqual(sigterm.take(all.slice(2), SHELL, true), [13]);
  assert.deepEqual(sigterm.take(all, SHELL, true), []);
  assert.deepEqual(told, [SHELL, 11, 12, 13]);
});

test("a shell that has become the command is no shell: what it started waits for its end", () => {
  const sigterm = new Sigterm();
  const all = [entry(SHELL, 1, "npm run dev"), entry(11, SHELL)];
  assert.deepEqual(sigterm.take(all, SHELL, false), [SHELL]);
  assert.deepEqual(sigterm.take(all.slice(1), SHELL, false), [11]);
});

test("after half the grace all get it; a number that is another process by then is one more", () => {
  const sigterm = new Sigterm();
  const all = [entry(SHELL, 1), entry(11, SHELL), entry(12, 11)];
  assert.deepEqual(sigterm.take(all, SHELL, false), [SHELL]);
  assert.deepEqual(sigterm.take(all, SHELL, true), [11, 12]);
  assert.deepEqual(sigterm.take([{ ...entry(12, 1), startTime: "later" }], SHELL, true), [12]);
});

test("a group that got it as a whole gets it no more, one by one or as a whole", () => {
  const sigterm = new Sigterm();
  assert.equal(sigterm.takeGroup(SHELL), true);
  assert.equal(sigterm.takeGroup(SHELL), false);
  const left = { ...entry(30, 1), group: 30 };
  assert.deepEqual(sigterm.take([entry(SHELL, 1), left], SHELL, true), [30]);
  const seen = new Sigterm();
  seen.take([entry(SHELL, 1)], SHELL, false);
  assert.equal(seen.takeGroup(SHELL), false);
});
