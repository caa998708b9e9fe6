// The order of jobs and what a short list has room for.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { aProcess, aSubagent } from "../../fixtures/jobs.js";
import type { BlockedOn } from "../../src/jobs/job.js";
import { arrange, jobsFor, nextChange, shorten } from "../../src/tui/describe.js";
import { ago, names, NOW, shown } from "./shown.js";

function blocked(seconds: number): BlockedOn {
  return { kind: "permission", what: "bash", since: ago(seconds), sessionID: "s", requestID: "r" };
}

const limits = { now: NOW, live: 8, ended: 4, fadeMilliseconds: 300_000 };
const done = { status: "completed", endReason: "finished" } as const;

void describe("the order of jobs", () => {
  test("blocked ones first, the longest waiting before the others; queued ones last", () => {
    const jobs = [
      shown(aSubagent({ id: "1", name: "queued", status: "pending" })),
      shown(aSubagent({ id: "2", name: "older", createdAt: ago(60) })),
      shown(aProcess({ id: "3", name: "newer", createdAt: ago(5) })),
      shown(aSubagent({ id: "4", name: "stalled", stalledSince: ago(700) })),
      shown(aSubagent({ id: "5", name: "blocked now", blockedOn: blocked(1) })),
      shown(aSubagent({ id: "6", name: "blocked long", blockedOn: blocked(90) })),
    ];
    const { blocked: waiting, running, ended } = arrange(jobs);
    assert.deepEqual(names(waiting), ["blocked long", "blocked now"]);
    assert.deepEqual(names(running), ["stalled", "newer", "older", "queued"]);
    assert.deepEqual(ended, []);
  });

  test("the newest end first; a running record whose OpenCode is gone counts as ended", () => {
    const jobs = [
      shown(aProcess({ id: "1", name: "long ago", ...done, completedAt: ago(90) })),
      shown(aProcess({ id: "2", name: "just now", ...done, completedAt: ago(1) })),
      shown(aProcess({ id: "3", name: "lost", startedAt: ago(30) }), { ownerAlive: false }),
    ];
    const { running, ended } = arrange(jobs);
    assert.deepEqual(running, []);
    assert.deepEqual(names(ended), ["just now", "lost", "long ago"]);
  });
});

void describe("the short list", () => {
  const many = Array.from({ length: 50 }, (_, index) =>
    shown(aSubagent({ id: `bg_${index}`, name: `job ${index}`, createdAt: ago(index) })),
  );

  test("of 50 jobs shows the first eight and counts the rest", () => {
    const list = shorten(many, limits);
    assert.equal(list.live.length, 8);
    assert.equal(list.moreLive, 42);
    assert.equal(list.live[0]?.job.name, "job 0");
  });

  test("lets go of ended jobs after some minutes, and of the older ones when there are many", () => {
    const ended = [10, 20, 30, 40, 50, 299, 301, 9000].map((seconds) =>
      shown(
        aProcess({ id: `p${seconds}`, name: `${seconds}`, ...done, completedAt: ago(seconds) }),
      ),
    );
    const list = shorten(ended, limits);
    assert.deepEqual(names(list.ended), ["10", "20", "30", "40"]);
    assert.equal(list.moreEnded, 2);
  });

  test("needs a timer for a live job each second, for an ended one when it fades, else none", () => {
    assert.equal(nextChange(shorten(many, limits)), 1000);
    const one = [shown(aProcess({ ...done, completedAt: ago(290) }))];
    assert.equal(nextChange(shorten(one, limits)), 10_000);
    const two = [...one, shown(aProcess({ ...done, completedAt: ago(295) }))];
    assert.equal(nextChange(shorten(two, limits)), 5_000);
    const old = [shown(aProcess({ ...done, completedAt: ago(301) }))];
    assert.equal(nextChange(shorten(old, limits)), undefined);
    assert.equal(nextChange(shorten([], limits)), undefined);
  });

  test("counts an ended one that it has no room for no longer than one that it shows", () => {
    const jobs = [shown(aProcess({ id: "new", ...done, completedAt: ago(10) }))];
    jobs.push(shown(aProcess({ id: "old", ...done, completedAt: ago(290) })));
    const list = shorten(jobs, { ...limits, ended: 1 });
    assert.equal(list.moreEnded, 1);
    assert.equal(nextChange(list), 10_000);
  });
});

void describe("whose jobs are shown", () => {
  const jobs = [
    shown(aSubagent({ id: "1", name: "own", rootSessionID: "ses_a" })),
    shown(aSubagent({ id: "2", name: "other session", rootSessionID: "ses_b" })),
    shown(aProcess({ id: "3", name: "global", rootSessionID: "ses_b", global: true })),
    shown(aProcess({ id: "4", name: "global elsewhere", rootSessionID: "ses_b", global: true }), {
      directory: "/other",
    }),
  ];

  test("in a session those of its tree and the directory's global processes", () => {
    assert.deepEqual(names(jobsFor(jobs, "/project", "ses_a")), ["own", "global"]);
  });

  test("outside of a session those of the directory", () => {
    const found = jobsFor(jobs, "/project", undefined);
    assert.deepEqual(names(found), ["own", "other session", "global"]);
  });
});
