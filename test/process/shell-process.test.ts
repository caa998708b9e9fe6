/** How long a job's end waits for output that is still on its way. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Drain } from "../../src/process/shell-process.js";
import { FakeClock, settle } from "../fakes/clock.js";

function begin() {
  const clock = new FakeClock();
  const drain = new Drain(clock);
  let isOver = false;
  void drain.over.then(() => (isOver = true));
  return { clock, drain, isOver: () => isOver };
}

test("250 ms without output end it", async () => {
  const { clock, isOver } = begin();
  await clock.advance(249);
  assert.equal(isOver(), false);
  await clock.advance(1);
  assert.equal(isOver(), true);
  assert.equal(clock.pending, 0);
});

test("output that still comes makes it longer, but not beyond 2 s", async () => {
  const { clock, drain, isOver } = begin();
  for (let at = 0; at < 1_900; at += 100) {
    drain.output();
    await clock.advance(100);
    assert.equal(isOver(), false, `${at} ms`);
  }
  drain.output();
  await clock.advance(99);
  assert.equal(isOver(), false);
  await clock.advance(1);
  assert.equal(isOver(), true);
  assert.equal(clock.pending, 0);
});

test("a date that is set back meanwhile makes it no longer, one that is set on no shorter", async () => {
  for (const jump of [-30_000, 30_000]) {
    const { clock, isOver } = begin();
    clock.set(clock.now() + jump);
    await clock.advance(249);
    assert.equal(isOver(), false);
    await clock.advance(1);
    assert.equal(isOver(), true);
    assert.equal(clock.pending, 0);
  }
});

test("who hurries it ends it at once and leaves no timer", async () => {
  const { clock, drain, isOver } = begin();
  drain.finish();
  await settle();
  assert.equal(isOver(), true);
  assert.equal(clock.pending, 0);
});
