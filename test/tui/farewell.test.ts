// What is said when the terminal closes with work running.
import assert from "node:assert/strict";
import { test } from "node:test";
import { aProcess, aSubagent } from "../../fixtures/jobs.js";
import { farewell } from "../../src/tui/attention.js";
import { shown } from "./shown.js";

const own = { ownerPID: 7 };

test("the live jobs of this OpenCode are counted and named", () => {
  const jobs = [
    shown(aProcess({ name: "dev\u001b[2J server" }), own),
    shown(aSubagent({ name: "Look" }), own),
    // Ended by the same exit, and read again since.
    shown(aProcess({ name: "tests", status: "cancelled", endReason: "host_exit" }), own),
    shown(aProcess({ name: "over", status: "completed", endReason: "finished" }), own),
    shown(aProcess({ name: "of another one" }), { ownerPID: 8 }),
    shown(aProcess({ name: "of one that is gone" }), { ...own, ownerAlive: false }),
  ];
  assert.equal(
    farewell(jobs, 7),
    "Background: ended with OpenCode: 2 processes and 1 subagent (dev server, Look, tests)",
  );
  assert.equal(
    farewell([shown(aSubagent({ name: "" }), own)], 7),
    "Background: ended with OpenCode: 1 subagent (bg_aaaaaaaaaa)",
  );
});

test("many are five names and a number, and nothing is said of none", () => {
  const many = Array.from({ length: 12 }, (_, at) => shown(aProcess({ name: `p${at}` }), own));
  assert.equal(
    farewell(many, 7),
    "Background: ended with OpenCode: 12 processes (p0, p1, p2, p3, p4 and 7 more)",
  );
  assert.equal(farewell(many, 8), undefined);
  assert.equal(farewell([], 7), undefined);
});
