/** Jobs that come after others: started once, when all stand as they must, or ended with the cause. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Job } from "../../src/jobs/job.js";
import { resolveAfter } from "../../src/jobs/order.js";
import { JobRegistry } from "../../src/jobs/registry.js";
import { WaitingJobs } from "../../src/jobs/waiting.js";
import { silentLog } from "../../src/ports.js";
import { FakeClock } from "../fakes/clock.js";
import { process, subagent } from "../notices/jobs.js";

const AT = new Date(Date.UTC(2026, 0, 1));
const good = { status: "completed", reason: "finished", at: AT } as const;
const bad = { status: "failed", reason: "error", at: AT } as const;

function order(...jobs: Job[]) {
  const registry = new JobRegistry(silentLog);
  const waiting = new WaitingJobs(registry, new FakeClock());
  const started: string[] = [];
  for (const job of jobs) {
    registry.add(job);
    if (job.after) waiting.add(job, () => started.push(job.id));
  }
  const outcome = (id: string) => {
    const { status, endReason, error } = registry.get(id) ?? {};
    return [status, endReason, error];
  };
  return { registry, waiting, started, outcome };
}

const waits = (id: string, ...after: string[]) => subagent({ id, status: "pending", after });

void describe("a job that comes after others starts", () => {
  void it("once, when each has completed, and not before", () => {
    const { registry, started, waiting } = order(
      subagent({ id: "bg_a" }),
      process({ id: "proc_b" }),
      waits("bg_c", "bg_a", "proc_b"),
    );
    registry.end("bg_a", good);
    assert.deepEqual(started, []);
    registry.end("proc_b", good);
    assert.deepEqual(started, ["bg_c"]);
    assert.ok(!waiting.has("bg_c"));
    registry.reopen("bg_a", {});
    registry.start("bg_a", AT);
    registry.end("bg_a", good);
    assert.deepEqual(started, ["bg_c"], "once");
  });

  void it("when a server is ready, and at once when nothing is open", () => {
    const { registry, started } = order(
      process({ id: "proc_a", readyPort: 80 }),
      subagent({ id: "bg_a", status: "completed", endReason: "finished" }),
      waits("bg_b", "proc_a"),
      waits("bg_c", "bg_a"),
    );
    assert.deepEqual(started, ["bg_c"]);
    registry.updateProcess("proc_a", { readyAt: AT });
    assert.deepEqual(started, ["bg_c", "bg_b"]);
  });

  void it("anew after one that is continued while another is awaited", () => {
    const { registry, started } = order(
      subagent({ id: "bg_a" }),
      subagent({ id: "bg_b" }),
      waits("bg_c", "bg_a", "bg_b"),
    );
    registry.end("bg_a", good);
    registry.reopen("bg_a", {});
    registry.start("bg_a", AT);
    registry.end("bg_b", good);
    assert.deepEqual(started, []);
    registry.end("bg_a", good);
    assert.deepEqual(started, ["bg_c"]);
  });

  void it("anew after a process that is started again while another is awaited", () => {
    const { registry, started } = order(
      process({ id: "proc_a" }),
      subagent({ id: "bg_b" }),
      waits("bg_c", "proc_a", "bg_b"),
    );
    registry.end("proc_a", good);
    registry.rerun("proc_a", {});
    registry.end("bg_b", good);
    assert.deepEqual(started, [], "its new run is waited for");
    registry.start("proc_a", AT);
    registry.end("proc_a", good);
    assert.deepEqual(started, ["bg_c"]);
  });

  void it("also when the record of one that had completed is forgotten", () => {
    const { registry, started } = order(
      subagent({ id: "bg_a" }),
      subagent({ id: "bg_b" }),
      waits("bg_c", "bg_a", "bg_b"),
    );
    registry.end("bg_a", good);
    registry.remove("bg_a");
    registry.end("bg_b", good);
    assert.deepEqual(started, ["bg_c"]);
  });

  void it("no more when it was cancelled, and while it rests", () => {
    const { registry, started, waiting } = order(subagent({ id: "bg_a" }), waits("bg_b", "bg_a"));
    registry.end("bg_b", { ...bad, status: "cancelled", reason: "cancelled_by_user" });
    registry.end("bg_a", good);
    const resting = waits("bg_c", "bg_a");
    registry.add(resting);
    waiting.add(resting, () => started.push("bg_c"), { rests: true });
    waiting.used("ses_other");
    assert.deepEqual(started, []);
    waiting.used("ses_parent");
    waiting.used("ses_parent");
    assert.deepEqual(started, ["bg_c"]);
  });
});

void describe("a job that comes after one that fails", () => {
  void it("is cancelled with the cause, down the chain, each once", () => {
    const { registry, started, outcome } = order(
      subagent({ id: "bg_a", name: "research" }),
      waits("bg_b", "bg_a"),
      waits("bg_c", "bg_b"),
      waits("bg_d", "bg_a", "bg_c"),
    );
    registry.end("bg_a", bad);
    const why = (id: string, name: string, how: string) => [
      "cancelled",
      "dependency_failed",
      `it was to come after ${id} "${name}", which is ${how}`,
    ];
    assert.deepEqual(outcome("bg_b"), why("bg_a", "research", "failed (error)"));
    assert.deepEqual(outcome("bg_c"), why("bg_b", "a job", "cancelled (dependency_failed)"));
    assert.deepEqual(outcome("bg_d"), why("bg_a", "research", "failed (error)"));
    assert.deepEqual(started, []);
  });

  void it("is cancelled while it rests, too", () => {
    const { registry, waiting, outcome } = order(subagent({ id: "bg_a" }));
    const resting = waits("bg_b", "bg_a");
    registry.add(resting);
    waiting.add(resting, () => assert.fail("it started"), { rests: true });
    registry.end("bg_a", bad);
    assert.equal(outcome("bg_b")[1], "dependency_failed");
  });
});

void describe("what comes before is named", () => {
  const A = "bg_aaaaaaaaaa";
  const B = "bg_bbbbbbbbbb";
  const { registry } = order(
    subagent({ id: A, name: "one", sessionID: "ses_a" }),
    subagent({ id: B, name: "two", status: "pending", after: [A] }),
    process({ id: "proc_cccccccccc", name: "two", rootSessionID: "ses_parent" }),
    process({ id: "proc_dddddddddd", name: "shared", global: true, rootSessionID: "ses_x" }),
    subagent({ id: "bg_eeeeeeeeee", name: "foreign", rootSessionID: "ses_x" }),
    subagent({ id: "bg_ffffffffff", name: "over", status: "failed", endReason: "error" }),
    subagent({ id: "bg_gggggggggg", name: "bg_hhhhhhhhhh" }),
  );
  const resolve = (name: string, sessionID = "ses_parent") =>
    resolveAfter(registry, { sessionID, rootSessionID: "ses_parent" }, [name]);

  void it("by an id, or a name that only one has, within the session tree", () => {
    assert.deepEqual(resolve(A), [A]);
    assert.deepEqual(resolve("one"), [A]);
    assert.deepEqual(resolve("shared"), ["proc_dddddddddd"]);
  });

  for (const [what, name, words] of [
    [
      "several have",
      "two",
      /^UserError: after: expected one id \(bg_b+, proc_c+\), as 2 jobs are named so, got "two"$/u,
    ],
    ["no job has", "three", /^UserError: after: expected ids or names of jobs .*, got "three"$/u],
    ["another tree has", "foreign", /^UserError: after: expected ids or names/u],
    ["another tree's job has as id", "bg_eeeeeeeeee", /^UserError: after: expected ids or names/u],
    ["reads as an id", "bg_hhhhhhhhhh", /^UserError: after: expected ids or names/u],
    [
      "a failed one has",
      "over",
      /^UserError: after: expected jobs that can still complete, got bg_f+, which is failed already: nothing would ever start$/u,
    ],
  ] as const) {
    void it(`not by one that ${what}`, () => {
      assert.throws(() => resolve(name), words);
    });
  }

  void it("not where it could never end before its caller", () => {
    assert.throws(
      () => resolve(A, "ses_a"),
      /^UserError: after: expected .*, got bg_a+, which is the caller or above it/u,
    );
    assert.throws(
      () => resolve(B, "ses_a"),
      /^UserError: after: expected .*, got bg_b+, which waits for bg_a+, which is/u,
    );
  });
});
