/** Which jobs a group waits for, and how it is counted. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { groupCounts, groupsOf, latestRound, roundAmong } from "../../src/jobs/group.js";
import type { Job } from "../../src/jobs/job.js";
import { JobRegistry } from "../../src/jobs/registry.js";
import { silentLog } from "../../src/ports.js";
import { process, subagent } from "../notices/jobs.js";

const at = (seconds: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, seconds));
const ended = { status: "completed", endReason: "finished" } as const;
const SESSION = "ses_parent";

function registry(...jobs: Job[]): { jobs: JobRegistry; closed: string[] } {
  const all = new JobRegistry(silentLog);
  const closed: string[] = [];
  all.onChange(({ job, closesGroup }) => {
    if (closesGroup) closed.push(job.id);
  });
  for (const job of jobs) all.add(job);
  return { jobs: all, closed };
}

void describe("a group is open", () => {
  void it("until its last job has ended, and is closed by that change alone", () => {
    const { jobs, closed } = registry(
      subagent({ id: "bg_1", group: "a" }),
      process({ id: "proc_1", group: "a" }),
      process({ id: "proc_2" }),
      subagent({ id: "bg_2", group: "a", parentSessionID: "ses_other" }),
    );
    jobs.end("bg_1", { status: "failed", reason: "error", at: at(1) });
    assert.ok(jobs.isGroupOpen(SESSION, "a"));
    jobs.end("proc_2", { status: "failed", reason: "error", at: at(1) });
    jobs.end("proc_1", { status: "completed", reason: "finished", at: at(1) });
    assert.ok(!jobs.isGroupOpen(SESSION, "a"));
    assert.ok(jobs.isGroupOpen("ses_other", "a"), "a name belongs to its session");
    assert.deepEqual(closed, ["proc_1"]);
  });

  void it("for no server: a global one is done from its start, another when it is ready", () => {
    const server = process({ id: "proc_1", group: "a", readyPort: 80 });
    const { jobs, closed } = registry(server, process({ id: "proc_2", group: "b", global: true }));
    assert.ok(!jobs.isGroupOpen(SESSION, "b"));
    assert.ok(jobs.isGroupOpen(SESSION, "a"));
    jobs.updateProcess("proc_1", { readyAt: at(1) });
    assert.deepEqual(closed, ["proc_1"]);
    jobs.updateProcess("proc_1", { readyAt: at(2) });
    assert.deepEqual(closed, ["proc_1"], "once");
  });

  void it("again when one of it is continued or another one is added, and closed when that is forgotten", () => {
    const { jobs, closed } = registry(subagent({ id: "bg_1", group: "a", ...ended }));
    assert.ok(!jobs.isGroupOpen(SESSION, "a"));
    jobs.reopen("bg_1", {});
    assert.ok(jobs.isGroupOpen(SESSION, "a"));
    jobs.add(subagent({ id: "bg_2", group: "a" }));
    jobs.end("bg_1", { status: "cancelled", reason: "cancelled_by_user", at: at(1) });
    jobs.remove("bg_2");
    assert.deepEqual(closed, ["bg_2"]);
  });
});

void describe("the jobs of a group", () => {
  const one = subagent({ id: "bg_1", group: "a", ...ended });
  const two = subagent({ id: "bg_2", group: "a", ...ended });

  void it("are those since all earlier ones were told", () => {
    const told = () => false;
    assert.equal(roundAmong([], told), 0);
    assert.equal(roundAmong([one, two], told), 1);
    assert.equal(
      roundAmong([one, two], ({ id }) => id === "bg_2"),
      0,
      "one of them is owed",
    );
    assert.equal(roundAmong([one, subagent({ group: "a" })], told), 0, "one is open");
    const later = subagent({ id: "bg_3", group: "a", groupRound: 1 });
    assert.deepEqual(latestRound([one, two, later]), [later]);
    assert.equal(roundAmong([one, two, later], told), 1);
  });

  void it("are counted by what became of them", () => {
    const failed = subagent({ id: "bg_5", group: "a", status: "failed", endReason: "error" });
    const running = subagent({ id: "bg_6", group: "a" });
    const pending = subagent({ id: "bg_7", group: "a", status: "pending" });
    assert.equal(groupCounts([one, two]), "2/2 done");
    assert.equal(
      groupCounts([one, failed, running, pending]),
      "2/4 done, 1 running, 1 waiting, 1 failed",
    );
    const names = groupsOf([one, subagent({ group: "b" }), subagent()]).map(({ name }) => name);
    assert.deepEqual(names, ["a", "b"]);
  });
});
