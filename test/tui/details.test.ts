// What the search of the list finds a job by, and the rows of its details.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createRoot, createSignal } from "solid-js";
import { aProcess, aSubagent } from "../../fixtures/jobs.js";
import { cells } from "../../src/cells.js";
import { detailRows, measured } from "../../src/tui/jobs/details.js";
import { isFound } from "../../src/tui/jobs/jobs-dialog.js";
import { FakeClock, settle } from "../fakes/clock.js";
import { ago, NOW, shown } from "./shown.js";

const failed = shown(
  aProcess({
    name: "lint",
    command: "npm run lint -- --fix",
    status: "failed",
    endReason: "error",
    exitCode: 7,
    completedAt: ago(90),
    tags: ["check"],
  }),
);

test("a job is found by name, state, reason, tag, command, pid and kind; all words must be there", () => {
  for (const query of [
    "",
    "LINT",
    "failed",
    "exit 7",
    "check",
    "--fix",
    "4242",
    "process failed",
  ]) {
    assert.ok(isFound(failed, query, NOW), query);
  }
  for (const query of ["running", "exit 8", "task", "lint running"]) {
    assert.ok(!isFound(failed, query, NOW), query);
  }
  assert.ok(isFound(shown(aSubagent({ stalledSince: ago(5) })), "stalled general task", NOW));
});

test("details are whole, in rows that fit, free of what a terminal obeys", () => {
  const command = `printf '\u001b[2J' && ${"word ".repeat(60)}end`;
  const usage = {
    processes: 2,
    cpuMilliseconds: 10,
    memoryBytes: 3 * 1024 ** 2,
    ports: [80, 3000],
  };
  const found = { usage, cpuPercent: 12.34, url: "http://localhost:3000", outputFile: "/x/y.log" };
  const rows = detailRows(shown(aProcess({ command })), NOW, 40, found);
  assert.ok(rows.every(({ text }) => cells(text) <= 40 && !text.includes("\u001b")));
  const text = rows.map((row) => row.text).join("\n");
  for (const expected of [
    /^processor +12\.3 %$/m,
    /^memory +3\.0 MiB in 2 processes$/m,
    /^ports +80, 3000$/m,
    /^address +http:\/\/localhost:3000/m,
    /^log +\/x\/y\.log$/m,
  ]) {
    assert.match(text, expected);
  }
  const values = rows.filter(({ field }) => field === "command").map((row) => row.text.slice(11));
  assert.equal(values.join("").match(/word/g)?.length, 60);
});

test("a subagent's prompt, model, tokens and error are among them", () => {
  const job = aSubagent({ model: { providerID: "p", modelID: "m" }, error: "HTTP 401: no key" });
  const rows = detailRows(shown(job), NOW, 60, { prompt: "look\nhere" });
  const text = rows.map((row) => row.text).join("\n");
  for (const expected of [
    /^prompt +look\n +here$/m,
    /^model +p\/m$/m,
    /^error +HTTP 401/m,
    /^tokens/m,
  ]) {
    assert.match(text, expected);
  }
});

test("what a process takes is looked at again after a moment without one: between two runs", async () => {
  const clock = new FakeClock();
  const identity = { pid: 7, startTime: "1", bootID: "b" };
  const [job, setJob] = createSignal(shown(aProcess({ identity })));
  const usage = { processes: 1, cpuMilliseconds: 10, memoryBytes: 1_024, ports: [] };
  await createRoot(async (dispose) => {
    const seen = measured(clock, job, async () => usage);
    await settle();
    assert.equal(seen().usage, usage);
    setJob(shown(aProcess({ identity: undefined })));
    await clock.advance(2_000);
    assert.deepEqual(seen(), {});
    setJob(shown(aProcess({ identity: { ...identity, pid: 8 } })));
    await clock.advance(2_000);
    assert.equal(seen().usage, usage);
    setJob(shown(aProcess({ status: "completed", endReason: "finished" })));
    await clock.advance(2_000);
    assert.deepEqual(seen(), {});
    assert.equal(clock.pending, 0);
    dispose();
  });
});
