import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import { isEmptyFilter, isJobId, matches, newJobId } from "../../src/jobs/filter.js";
import { job as jobSchema, type Job } from "../../src/jobs/job.js";
import { JobRegistry, type JobChange } from "../../src/jobs/registry.js";
import { canMove, isTerminal, jobStatus, type JobStatus } from "../../src/jobs/status.js";
import { process, subagent } from "../notices/jobs.js";

const AT = new Date(Date.UTC(2026, 0, 1));

function registry(...jobs: Job[]) {
  const lines: string[] = [];
  const all = new JobRegistry((_, message) => lines.push(message));
  for (const job of jobs) all.add(job);
  const changes: string[] = [];
  all.onChange(({ type, job }: JobChange) => changes.push(`${type} ${job.status}`));
  return { all, changes, lines };
}

void describe("the life cycle", () => {
  const allowed: Record<JobStatus, readonly JobStatus[]> = {
    pending: ["running", "failed", "cancelled"],
    running: ["completed", "failed", "cancelled"],
    completed: [],
    failed: [],
    cancelled: [],
  };
  for (const from of jobStatus.options) {
    void it(`${from} moves on to ${allowed[from].join(", ") || "nothing"}`, () => {
      assert.deepEqual(
        jobStatus.options.filter((to) => canMove(from, to)),
        jobStatus.options.filter((to) => allowed[from].includes(to)),
      );
      assert.equal(isTerminal(from), allowed[from].length === 0);
    });
  }

  void it("the first end wins, whatever follows", () => {
    const { all, changes } = registry(subagent());
    const [job] = all.all();
    const id = job?.id ?? "";
    assert.ok(all.end(id, { status: "failed", reason: "error", error: "no", at: AT }));
    assert.equal(all.end(id, { status: "completed", reason: "finished", at: AT }), undefined);
    assert.equal(all.start(id, AT), undefined);
    assert.equal(all.get(id)?.status, "failed");
    assert.equal(all.get(id)?.error, "no");
    assert.deepEqual(changes, ["ended failed"]);
  });

  void it("an end takes with it what the job waited for and the tool that it ran", () => {
    const blockedOn = { kind: "retry" as const, what: "busy", since: AT, sessionID: "ses_1" };
    const progress = { toolCalls: 1, lastUpdate: AT, lastTool: "bash", runningTool: "bash" };
    const { all } = registry(subagent({ blockedOn, stalledSince: AT, progress }));
    const ended = all.end("bg_0123456789", { status: "completed", reason: "finished", at: AT });
    assert.equal(ended?.blockedOn, undefined);
    assert.equal(ended?.stalledSince, undefined);
    assert.deepEqual(all.getSubagent("bg_0123456789")?.progress, {
      ...progress,
      runningTool: undefined,
    });
    assert.equal(ended?.completedAt, AT);
  });

  void it("only a terminal task is opened again", () => {
    const { all } = registry(subagent());
    assert.equal(all.reopen("bg_0123456789", {}), undefined);
    all.end("bg_0123456789", { status: "failed", reason: "error", error: "no", at: AT });
    const again = all.reopen("bg_0123456789", { prompt: "more" });
    assert.equal(again?.status, "pending");
    assert.equal(again?.endReason, undefined);
    assert.equal(again?.error, undefined);
    assert.equal(again?.completedAt, undefined);
    assert.equal(all.reopen("bg_unknown", {}), undefined);
  });

  void it("no order of moves ends a job twice or brings one back", () => {
    const move = fc.constantFrom("start", "complete", "fail", "cancel", "touch");
    fc.assert(
      fc.property(fc.array(move, { maxLength: 30 }), (moves) => {
        const { all, changes } = registry(subagent({ status: "pending" }));
        const id = "bg_0123456789";
        for (const to of moves) {
          if (to === "start") all.start(id, AT);
          else if (to === "complete")
            all.end(id, { status: "completed", reason: "finished", at: AT });
          else if (to === "fail") all.end(id, { status: "failed", reason: "error", at: AT });
          else if (to === "cancel")
            all.end(id, { status: "cancelled", reason: "host_exit", at: AT });
          else all.updateSubagent(id, { cost: 1 });
        }
        const ends = changes.filter((change) => change.startsWith("ended"));
        assert.ok(ends.length <= 1);
        assert.equal(ends.length === 1, isTerminal(all.get(id)?.status ?? "pending"));
        if (ends[0]?.endsWith("completed")) assert.ok(changes.includes("changed running"));
      }),
    );
  });
});

void describe("the registry", () => {
  void it("finds jobs by id, child session, parent and root, and forgets removed ones", () => {
    const one = subagent({ id: "bg_1", sessionID: "ses_1", parentSessionID: "ses_p" });
    const two = process({ id: "proc_2", parentSessionID: "ses_p", rootSessionID: "ses_r" });
    const { all } = registry(one, two);
    assert.equal(all.findBySession("ses_1")?.id, "bg_1");
    assert.deepEqual(all.byParent("ses_p"), [one, two]);
    assert.deepEqual(all.byRoot("ses_r"), [two]);
    assert.equal(all.getProcess("bg_1"), undefined);
    assert.equal(all.getSubagent("proc_2"), undefined);
    assert.equal(all.updateProcess("bg_1", { exitCode: 1 }), undefined);
    all.remove("bg_1");
    all.remove("bg_1");
    assert.equal(all.findBySession("ses_1"), undefined);
    assert.deepEqual(all.byParent("ses_p"), [two]);
    assert.equal(all.size, 1);
  });

  void it("finds a task by the session that it gets later", () => {
    const { all } = registry(subagent({ status: "pending" }));
    all.updateSubagent("bg_0123456789", { sessionID: "ses_9" });
    assert.equal(all.findBySession("ses_9")?.id, "bg_0123456789");
  });

  void it("refuses a second job of the same id", () => {
    const { all } = registry(subagent());
    assert.throws(() => all.add(subagent()), /exists already/u);
  });

  void it("goes on when a listener throws, and says so", () => {
    const { all, changes, lines } = registry();
    all.onChange(() => {
      throw new Error("listener");
    });
    const after: string[] = [];
    const stop = all.onChange(({ job }) => after.push(job.id));
    all.add(subagent());
    stop();
    all.remove("bg_0123456789");
    assert.deepEqual(after, ["bg_0123456789"]);
    assert.equal(changes.length, 2);
    assert.deepEqual(lines, [
      "a listener for job changes failed",
      "a listener for job changes failed",
    ]);
  });
});

void describe("a filter", () => {
  const job = subagent({
    id: "bg_1",
    parentSessionID: "ses_p",
    status: "failed",
    tags: ["a", "b"],
  });
  for (const [filter, chosen] of [
    [{}, true],
    [{ id: "bg_1" }, true],
    [{ id: "bg_2" }, false],
    [{ sessionID: "ses_p" }, true],
    [{ sessionID: "ses_q" }, false],
    [{ status: "failed" }, true],
    [{ status: "running" }, false],
    [{ tags: ["x", "b"] }, true],
    [{ tags: ["x"] }, false],
    [{ tags: [] }, false],
    [{ id: "bg_1", status: "failed", tags: ["a"] }, true],
    [{ id: "bg_1", status: "running", tags: ["a"] }, false],
  ] as const) {
    void it(`${JSON.stringify(filter)} ${chosen ? "chooses" : "leaves out"} it`, () => {
      assert.equal(matches(job, filter), chosen);
    });
  }

  void it("is empty when it has no part, or only an empty list of tags", () => {
    assert.ok(isEmptyFilter({}));
    assert.ok(isEmptyFilter({ tags: [] }));
    assert.ok(!isEmptyFilter({ tags: ["a"] }));
    assert.ok(!isEmptyFilter({ status: "failed" }));
  });
});

void describe("ids and records", () => {
  void it("ids name their kind and are never the same", () => {
    const ids = new Set<string>();
    for (let count = 0; count < 10_000; count++) {
      const id = newJobId(count % 2 ? "bg" : "proc");
      assert.ok(isJobId(id));
      ids.add(id);
    }
    assert.equal(ids.size, 10_000);
    for (const other of [
      "",
      "bg_",
      "bg_012345678",
      "bg_01234567890",
      "bg_ilou012345",
      "task_0123456789",
    ]) {
      assert.ok(!isJobId(other), other);
    }
  });

  void it("a record survives JSON", () => {
    const run = { promptMessageID: "msg_1", startedAt: AT, status: "running" as const };
    for (const record of [
      subagent({ sessionID: "ses_1", runs: [run], startedAt: AT, cost: 0.5, partialText: "x" }),
      process({ exitCode: 0, readyAt: AT, identity: { pid: 1, startTime: "1", bootID: "b" } }),
    ]) {
      const read: unknown = JSON.parse(JSON.stringify(record));
      assert.deepEqual(jobSchema.parse(read), record);
    }
  });
});
