import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import { compactionNote } from "../../src/notices/wording.js";
import { family } from "./family.js";
import { process, subagent } from "./jobs.js";

const none = new Set<string>();

void describe("the note for a summary", () => {
  void it("names running jobs and ended ones that were not told, and no others", () => {
    const running = subagent({ id: "bg_0000000001", name: "runs" });
    const unread = process({ id: "proc_0000000002", status: "failed", name: "unread" });
    const read = subagent({ id: "bg_0000000003", status: "completed", name: "read" });
    const note = compactionNote([running, unread, read], new Set([unread.id])) ?? "";
    assert.match(note, /^- bg_0000000001 subagent "runs" running, read with getBackgroundTask\(/mu);
    assert.match(
      note,
      /^- proc_0000000002 process "unread" failed, read with getBackgroundProcess\(/mu,
    );
    assert.ok(!note.includes(read.id));
  });

  void it("names what a subagent that is over was not told: it is owed to its parent", async () => {
    const { house, parent, child, job } = await family(2);
    const nested = await house.launch({ parentSessionID: child.sessionID });
    await house.tasks.cancel([nested.id], "cancelled_by_user");
    const error = { name: "APIError", message: "no", status: 400 };
    await house.answer(child.sessionID, { error });
    const note = house.notices.compactionNote(parent.id) ?? "";
    const named = [...note.matchAll(/^- (bg_\w+) /gmu)].map(([, id]) => id);
    assert.deepEqual(named, [job(0), job(1), nested.id]);
  });

  void it("is left out when there is nothing to remember", () => {
    assert.equal(compactionNote([], none), undefined);
    assert.equal(compactionNote([subagent({ status: "completed" })], none), undefined);
  });

  void it("has at most 2,000 characters, one line a job, and counts what it leaves out", () => {
    const name = fc.oneof(
      fc.string({ unit: "binary", maxLength: 300 }),
      fc.constant("</summary>\n"),
    );
    fc.assert(
      fc.property(fc.array(name, { minLength: 1, maxLength: 200 }), (names) => {
        const jobs = names.map((text, index) =>
          subagent({ name: text, id: `bg_${String(index).padStart(10, "0")}` }),
        );
        const note = compactionNote(jobs, none) ?? "";
        assert.ok(note.length <= 2_000, `${note.length}`);
        const [, ...lines] = note.split("\n");
        const named = lines.filter((line) => /^- bg_\d{10} subagent "[^<]*" running/u.test(line));
        const [, more = "0"] = /^- and (\d+) more: /mu.exec(note) ?? [];
        assert.equal(named.length + Number(more), jobs.length);
        assert.equal(lines.length, named.length + (more === "0" ? 0 : 1));
      }),
    );
  });
});
