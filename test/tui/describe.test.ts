// The words for one job, and that they fit wherever they are put.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { aProcess, aSubagent } from "../../fixtures/jobs.js";
import { cells } from "../../src/cells.js";
import {
  duration,
  facts,
  groupLines,
  jobLine,
  outcome,
  shortTime,
  summary,
} from "../../src/tui/describe.js";
import { optionsFor } from "../../src/tui/jobs/jobs-dialog.js";
import { ago, NOW, shown } from "./shown.js";

void describe("a job in words", () => {
  test("a running subagent has its agent, its calls and its last tool", () => {
    assert.equal(facts(shown(aSubagent()), 0), "general · 3 calls · read");
    const running = aSubagent().progress;
    assert.equal(
      facts(shown(aSubagent({ progress: { ...running, runningTool: "bash" } })), 0),
      "general · 3 calls · bash…",
    );
    const progress = { toolCalls: 1, lastUpdate: ago(1) };
    assert.equal(facts(shown(aSubagent({ progress })), 0), "general · 1 call");
    assert.equal(facts(shown(aSubagent({ status: "pending" })), 0), "general · queued");
  });

  test("a process has its pid or its port, and whether it is ready", () => {
    assert.equal(facts(shown(aProcess()), 0), "pid 4242");
    assert.equal(facts(shown(aProcess({ readyPort: 3000 })), 0), "port 3000 · not ready yet");
    const ready = { readyPort: 3000, readyAt: ago(1), global: true };
    assert.equal(facts(shown(aProcess(ready)), 0), "port 3000 · ready · global");
    assert.equal(facts(shown(aProcess({ identity: undefined })), 0), "starting");
    const output = { bytes: 9, dropped: 5, missingSince: ago(1), missingError: "ENOSPC" };
    assert.equal(facts(shown(aProcess({ output })), 0), "pid 4242 · output missing");
  });

  test("in a row a process is what it says, or that it says nothing yet", () => {
    const { detail } = jobLine(shown(aProcess()), 40, 0, "listening");
    assert.equal(detail, "listening");
    const quiet = { output: { bytes: 0, dropped: 0 } };
    assert.equal(jobLine(shown(aProcess(quiet)), 40, 0).detail, "no output yet");
    const ready = { ...quiet, readyPattern: "up" };
    assert.equal(jobLine(shown(aProcess(ready)), 40, 0).detail, "no output yet · not ready yet");
    const port = { ...quiet, readyPort: 3000 };
    assert.equal(jobLine(shown(aProcess(port)), 40, 0).detail, "port 3000 · not ready yet");
    const starting = { ...quiet, identity: undefined };
    assert.equal(jobLine(shown(aProcess(starting)), 40, 0).detail, "starting");
  });

  test("a group that something is waited for in is one line, with how far it is", () => {
    const task = (id: string, changes: Parameters<typeof aSubagent>[0]) =>
      shown(aSubagent({ id, group: "audit", ...changes }));
    const done = { status: "completed", endReason: "finished" } as const;
    const jobs = [
      task("bg_1", done),
      task("bg_2", { status: "failed", endReason: "error" }),
      task("bg_3", {}),
      task("bg_4", { status: "pending" }),
      shown(aProcess({ group: "audit" })),
      shown(aSubagent({ id: "bg_5", group: "over", ...done })),
      shown(aSubagent({ id: "bg_6", group: "audit", parentSessionID: "ses_other" })),
    ];
    assert.deepEqual(groupLines(jobs, 80), [
      "audit 2/5 done, 2 running, 1 waiting, 1 failed",
      "audit 0/1 done, 1 running",
    ]);
    for (const line of groupLines(jobs, 12)) assert.ok(cells(line) <= 12);
  });

  test("an end has its reason", () => {
    const ended = (changes: Parameters<typeof aProcess>[0]) => outcome(shown(aProcess(changes)));
    const failed = { status: "failed", endReason: "error" } as const;
    assert.equal(ended({ status: "completed", endReason: "finished", exitCode: 0 }), "done");
    assert.equal(ended({ ...failed, exitCode: 3 }), "exit 3");
    assert.equal(ended({ ...failed, signal: "SIGSEGV" }), "SIGSEGV");
    assert.equal(ended({ status: "failed", endReason: "timeout" }), "timeout");
    assert.equal(
      ended({ status: "cancelled", endReason: "cancelled_by_user" }),
      "cancelled by you",
    );
    assert.equal(outcome(shown(aProcess(), { ownerAlive: false })), "its OpenCode is gone");
  });

  test("time is short and stops with the job", () => {
    const times = [0, 59_000, 60_000, 185_000, 3_600_000, 7_800_000, 200_000_000];
    assert.deepEqual(times.map(shortTime), [
      "0s",
      "59s",
      "1m00s",
      "3m05s",
      "1h00m",
      "2h10m",
      "2d7h",
    ]);
    assert.equal(duration(shown(aProcess({ startedAt: ago(65) })), NOW), "1m05s");
    const over = { status: "completed", endReason: "finished", completedAt: ago(60) } as const;
    assert.equal(duration(shown(aProcess({ startedAt: ago(65), ...over })), NOW), "5s");
  });

  test("a heading counts what is live", () => {
    const jobs = [
      shown(aSubagent({ id: "1" })),
      shown(aProcess({ id: "2" })),
      shown(aSubagent({ id: "3", status: "pending" })),
      shown(aSubagent({ id: "4", stalledSince: ago(1) })),
    ];
    assert.equal(summary(jobs), "1 stalled, 2 running, 1 queued");
    assert.equal(summary([]), "");
  });
});

const NASTY = "查找所有的用法 in the whole 🚀 code\u001b[2J base";
const blockedOn = {
  kind: "permission",
  what: `bash: rm -rf 查找所有的用法 ${"x".repeat(300)}`,
  since: ago(5),
  sessionID: "s",
  requestID: "r",
} as const;

void describe("the rows of a job", () => {
  const jobs = [
    shown(aSubagent({ name: NASTY, startedAt: ago(65) })),
    shown(aSubagent({ name: NASTY, blockedOn })),
    shown(aProcess({ name: NASTY, readyPort: 65535, readyAt: ago(1), global: true })),
    shown(aProcess({ name: "", status: "cancelled", endReason: "cancelled_by_user" })),
    shown(aProcess({ name: NASTY }), { ownerAlive: false }),
  ];

  test("fit into the sidebar and into much less", () => {
    for (const width of [12, 20, 37, 80]) {
      for (const job of jobs) {
        const { sign, name, right, detail } = jobLine(job, width, NOW);
        assert.ok(cells(sign) + 1 + cells(name) + 1 + cells(right) <= width, `${width}: ${name}`);
        assert.ok(cells(detail) + 2 <= width, `${width}: ${detail}`);
        assert.notEqual(name, "");
      }
    }
  });

  test("a blocked one says on what", () => {
    const [, blocked] = jobs;
    assert.ok(blocked);
    const { sign, detail } = jobLine(blocked, 37, NOW);
    assert.equal(sign, "▲");
    assert.match(detail, /^permission: bash: rm -rf .*…$/);
  });

  test("have the branch of a worktree while its folder is there, and cut it to fit", () => {
    const record = { owner: "bg_aaaaaaaaaa", name: "n", source: "/p", base: "1", copies: [] };
    const branch = "opencode/parser-0123456789";
    for (const [state, width, expected] of [
      ["ready", 37, branch],
      ["kept", 37, branch],
      ["kept", 20, "opencode/parser-0…"],
      ["removed", 37, ""],
    ] as const) {
      const task = shown(aSubagent({ worktree: { ...record, branch, state } }));
      assert.equal(jobLine(task, width, NOW).branch, expected);
    }
    assert.equal(jobLine(shown(aProcess()), 37, NOW).branch, "");
  });

  test("fit into a dialog of 80 columns and of 88", () => {
    for (const width of [66, 74]) {
      for (const { title, description = "", footer } of optionsFor(jobs, NOW, width)) {
        const all = cells(title) + 1 + cells(description) + 1 + cells(String(footer));
        assert.ok(all <= width, `${width}: ${title} ${description}`);
      }
    }
  });

  test("are grouped in a dialog, with counts", () => {
    const groups = optionsFor(jobs, NOW, 74).map(({ category }) => category);
    assert.deepEqual([...new Set(groups)], ["Blocked (1)", "Running (2)", "Ended (2)"]);
  });
});
