/** The output of a running call on its user's screen. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { deferred } from "../../fixtures/deferred.js";
import { LiveOutput } from "../../src/bash/output.js";
import type { RunningCall } from "../../src/host/host.js";
import { FakeClock, settle } from "../fakes/clock.js";

function make(find?: () => Promise<RunningCall | undefined>) {
  const clock = new FakeClock();
  const shown: string[] = [];
  const made = {
    clock,
    shown,
    text: "",
    show: (output: string): Promise<void> => {
      shown.push(output);
      return Promise.resolve();
    },
    logged: 0,
  };
  const call: RunningCall = { show: (output) => made.show(output) };
  const live = new LiveOutput({
    clock,
    log: () => void (made.logged += 1),
    find: find ?? (() => Promise.resolve(call)),
    output: () => made.text,
  });
  return Object.assign(made, { live });
}

test("is written at most four times a second, with what is newest", async () => {
  const made = make();
  for (let at = 1; at <= 1_000; at++) {
    made.text = String(at);
    made.live.changed();
    await made.clock.advance(1);
  }
  assert.deepEqual(made.shown, ["250", "500", "750", "1000"]);
  await made.clock.advance(1_000);
  assert.equal(made.shown.length, 4);
  await made.live.stop();
});

test("a short command is not shown before its answer", async () => {
  const made = make();
  made.live.changed();
  await made.live.stop();
  await made.clock.advance(10_000);
  assert.deepEqual(made.shown, []);
});

test("one write at a time, and the answer waits for the last", async () => {
  const made = make();
  const taken = deferred<void>();
  let under = 0;
  made.show = async (output) => {
    made.shown.push(output);
    under += 1;
    assert.equal(under, 1);
    await taken.promise;
    under -= 1;
  };
  made.text = "first";
  made.live.changed();
  await made.clock.advance(250);
  made.text = "second";
  made.live.changed();
  await made.clock.advance(5_000);
  assert.deepEqual(made.shown, ["first"]);
  let isStopped = false;
  const stopping = made.live.stop().then(() => {
    isStopped = true;
  });
  await settle();
  assert.equal(isStopped, false);
  taken.resolve();
  await stopping;
  await made.clock.advance(10_000);
  assert.deepEqual(made.shown, ["first"], "a write behind the answer would bring the call back");
});

test("a host that does not take a write is not waited for", async () => {
  const made = make();
  made.show = () => new Promise(() => undefined);
  made.live.changed();
  await made.clock.advance(250);
  const stopping = made.live.stop(300);
  await made.clock.advance(300);
  await stopping;
});

for (const [name, find] of [
  ["refuses", () => Promise.reject(new Error("no"))],
  ["does not know the call", () => Promise.resolve(undefined)],
] as const) {
  test(`a host that ${name} costs the picture`, async () => {
    const made = make(find);
    made.live.changed();
    await made.clock.advance(250);
    made.live.changed();
    await made.clock.advance(250);
    await made.live.stop();
    assert.deepEqual(made.shown, []);
    assert.equal(made.logged, name === "refuses" ? 2 : 0);
  });
}
