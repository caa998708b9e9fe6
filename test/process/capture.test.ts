/** What watchers are told of a process's output while it comes. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { STDOUT } from "../../src/output/format.js";
import { Capture } from "../../src/process/capture.js";
import { FakeClock } from "../fakes/clock.js";
import { aProcess } from "../../fixtures/jobs.js";
import { guard } from "../output/outputs.js";

test("the size of the output is told at once, then at most once a second, and not when nothing came", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "ocbm-capture-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const clock = new FakeClock();
  const told: (number | undefined)[] = [];
  const capture = new Capture(
    {
      job: aProcess(),
      file: join(folder, "output.log"),
      outputLimit: 1_000_000,
      announce: () => undefined,
      onReadyLine: () => undefined,
    },
    {
      jobs: { updateProcess: (_, { output }) => void told.push(output?.bytes) },
      clock,
      guard,
    },
  );
  const take = () => capture.take(STDOUT, Buffer.from("12345\n"));
  for (let i = 0; i < 50; i += 1) take();
  assert.deepEqual(told, [6]);
  await clock.advance(999);
  assert.deepEqual(told, [6]);
  await clock.advance(1);
  assert.deepEqual(told, [6, 300]);
  take();
  await clock.advance(5_000);
  assert.deepEqual(told, [6, 300, 306]);
  take();
  capture.close();
  assert.deepEqual(told, [6, 300, 306, 312]);
  assert.equal(clock.pending, 0);
});
