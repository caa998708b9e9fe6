/** A state is read back as it was written; what is broken, bad, old or newer costs no more than itself. */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import { job } from "../../src/jobs/job.js";
import { notice } from "../../src/notices/notice.js";
import {
  readStateFile,
  formatState,
  parseState,
  STATE_VERSION,
  type State,
} from "../../src/store/state-file.js";
import { arbitraryOf, jobID } from "./arbitrary.js";
import { useFolders } from "../fakes/folders.js";
import { noticeOf, processJob, subagent, WHEN } from "./records.js";

const folder = useFolders();
const savedAt = WHEN;
const state = (changes: Partial<State> = {}): State => ({
  savedAt,
  jobs: [],
  notices: [],
  adopted: [],
  ...changes,
});

/** A whole state as JSON that a test may spoil. */
function spoiled(change: (contents: ReturnType<typeof plain>) => void): string {
  const contents = plain();
  change(contents);
  return JSON.stringify(contents);
}

function plain() {
  const jobs: Record<string, unknown>[] = [{ ...subagent("bg_1") }, { ...processJob("proc_1") }];
  const notices: Record<string, unknown>[] = [{ ...noticeOf(subagent("bg_1")) }];
  const contents: Record<string, unknown> = { version: STATE_VERSION, savedAt, jobs, notices };
  return Object.assign(contents, { jobs, notices });
}

void describe("a state that was written", () => {
  void it("is read back equal, whatever the jobs and notices", () => {
    const whole = fc.record({
      jobs: fc.uniqueArray(
        fc.tuple(arbitraryOf(job), jobID).map(([each, id]) => job.parse({ ...Object(each), id })),
        { selector: (each) => each.id, maxLength: 4 },
      ),
      notices: fc.uniqueArray(
        fc
          .tuple(arbitraryOf(notice), jobID)
          .map(([each, id]) => notice.parse({ ...Object(each), id })),
        { selector: (each) => each.id, maxLength: 4 },
      ),
      adopted: fc.array(fc.string()),
    });
    fc.assert(
      fc.property(whole, ({ jobs, notices, adopted }) => {
        const reading = parseState(formatState(state({ jobs, notices, adopted })));
        assert.deepEqual(reading, {
          kind: "read",
          savedAt,
          jobs,
          notices,
          adopted,
          rejected: [],
        });
      }),
      { numRuns: 500 },
    );
  });

  void it("has its times as Dates", () => {
    const reading = parseState(formatState(state({ jobs: [subagent("bg_1")] })));
    assert.ok(reading.kind === "read");
    const [first] = reading.jobs;
    assert.ok(first?.createdAt instanceof Date && first.kind === "subagent");
    assert.ok(first.runs[0]?.startedAt instanceof Date);
    assert.ok(first.progress.lastUpdate instanceof Date);
  });
});

void describe("a broken state", () => {
  const whole = formatState(state({ jobs: [subagent("bg_1"), processJob("proc_1")] }));
  const broken: Record<string, string> = {
    empty: "",
    "wrong JSON": "{ jobs: }",
    "of zeros, as after a power cut": "\0".repeat(100),
    "a list": "[]",
    null: "null",
    "a text": '"jobs"',
    "without a version": "{}",
    "of a version that is no number": '{"version":"1","jobs":[],"notices":[]}',
    "of a version that never was":
      '{"version":0,"savedAt":"2026-11-21T10:00:00.000Z","jobs":[],"notices":[]}',
    "without jobs": '{"version":1,"savedAt":"2026-11-21T10:00:00.000Z","notices":[]}',
    "with jobs as an object": spoiled((contents) => Object.assign(contents, { jobs: {} })),
  };
  for (const [name, text] of Object.entries(broken)) {
    void it(`that is ${name} is named broken`, () => {
      const reading = parseState(text);
      assert.equal(reading.kind, "broken");
      assert.ok(reading.kind === "broken" && reading.problem.length > 0);
    });
  }

  void it("that was cut anywhere is named broken", () => {
    for (let length = 0; length < whole.length; length += 1) {
      assert.equal(parseState(whole.slice(0, length)).kind, "broken", `${length}`);
    }
  });

  void it("of a newer version is named and not read", () => {
    const reading = parseState('{"version":2,"future":true}');
    assert.deepEqual(reading, { kind: "newer", version: 2 });
  });
});

void describe("a state with bad records", () => {
  const bad: Record<string, Parameters<typeof spoiled>[0]> = {
    "an unknown status": ({ jobs }) => Object.assign(jobs[0] ?? {}, { status: "paused" }),
    "one bad field": ({ jobs }) => Object.assign(jobs[0] ?? {}, { cost: "free" }),
    "a bad date": ({ jobs }) => Object.assign(jobs[0] ?? {}, { createdAt: "yesterday" }),
    "an unknown kind": ({ jobs }) => Object.assign(jobs[0] ?? {}, { kind: "daemon" }),
    "an id that leads out of the folder": ({ jobs }) =>
      Object.assign(jobs[0] ?? {}, { id: "../x" }),
    "a null": ({ jobs }) => jobs.splice(0, 1, JSON.parse("null")),
  };
  for (const [name, change] of Object.entries(bad)) {
    void it(`keeps the good ones beside ${name} and hands the bad one over`, () => {
      const reading = parseState(spoiled(change));
      assert.ok(reading.kind === "read");
      assert.deepEqual(
        reading.jobs.map((each) => each.id),
        ["proc_1"],
      );
      assert.equal(reading.notices.length, 1);
      assert.equal(reading.rejected.length, 1);
      assert.equal(reading.rejected[0]?.list, "jobs");
      assert.ok(reading.rejected[0]?.problem);
    });
  }

  void it("keeps the first of two with one id", () => {
    const reading = parseState(spoiled(({ jobs }) => jobs.push({ ...subagent("bg_1"), cost: 9 })));
    assert.ok(reading.kind === "read");
    assert.equal(reading.jobs.length, 2);
    assert.equal(reading.rejected.length, 1);
  });

  void it("hands a bad notice over", () => {
    const reading = parseState(spoiled(({ notices }) => notices.push({ id: "note_2" })));
    assert.ok(reading.kind === "read");
    assert.equal(reading.notices.length, 1);
    assert.deepEqual(reading.rejected[0]?.record, { id: "note_2" });
  });
});

void it("an old version is named broken, as there has been none", () => {
  const old = JSON.stringify({ version: 0, savedAt, jobs: [], notices: [] });
  assert.deepEqual(parseState(old), { kind: "broken", problem: "version 0 is unknown" });
});

void describe("reading the file", () => {
  void it("finds a link, a folder and no file, without following the link", async () => {
    const base = folder();
    writeFileSync(join(base, "good"), formatState(state()));
    symlinkSync(join(base, "good"), join(base, "link"));
    mkdirSync(join(base, "folder"));
    const kindOf = async (name: string) => (await readStateFile(join(base, name))).kind;
    assert.equal(await kindOf("good"), "read");
    assert.equal(await kindOf("link"), "misplaced");
    assert.equal(await kindOf("folder"), "misplaced");
    assert.equal(await kindOf("none"), "missing");
  });

  for (const name of readdirSync(new URL("../../fixtures/state/", import.meta.url))) {
    void it(`reads the fixture ${name} as its name says`, async () => {
      const path = new URL(`../../fixtures/state/${name}`, import.meta.url).pathname;
      const reading = await readStateFile(path);
      assert.equal(reading.kind, name.split(".")[0], readFileSync(path, "utf8").slice(0, 80));
    });
  }
});
