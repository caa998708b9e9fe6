/** The fast way through a schema accepts only what zod accepts, and leaves the rest to it. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import { job } from "../../src/jobs/job.js";
import { acceptor } from "../../src/store/accept.js";
import { parseState } from "../../src/store/state-file.js";
import { arbitraryOf } from "./arbitrary.js";
import { processJob, subagent, WHEN } from "./records.js";

const tokens = { input: 1, output: 2, reasoning: 3, cacheRead: 4 };

function asWritten(record: unknown): unknown {
  return JSON.parse(JSON.stringify(record));
}

function refuses(record: unknown): void {
  assert.equal(acceptor(job)(structuredClone(record)), false);
  assert.equal(job.safeParse(record).success, false);
}

/** Puts a value in the place of the n-th leaf of a JSON value. */
function spoilAt(contents: unknown, at: number, value: unknown): void {
  const places: [Record<string, unknown>, string][] = [];
  const visit = (node: unknown): void => {
    if (typeof node !== "object" || node === null) return;
    for (const key of Object.keys(node)) {
      const record: Record<string, unknown> = Object(node);
      places.push([record, key]);
      visit(record[key]);
    }
  };
  visit(contents);
  const [record, key] = places[at % places.length] ?? [];
  if (record && key !== undefined) record[key] = value;
}

void describe("the fast way through a schema", () => {
  void it("agrees with zod on every record, spoiled or not", () => {
    const accept = acceptor(job);
    const anything = fc.anything({ withDate: false, withObjectString: true });
    const spoil = fc.option(fc.tuple(fc.nat(), anything), { nil: undefined });
    let accepted = 0;
    fc.assert(
      fc.property(arbitraryOf(job), spoil, (record, change) => {
        const contents: unknown = JSON.parse(JSON.stringify(record));
        if (change) spoilAt(contents, ...change);
        const expected = job.safeParse(structuredClone(contents));
        if (!accept(contents)) return;
        accepted += 1;
        assert.ok(expected.success, expected.error?.message);
        assert.deepEqual(contents, expected.data);
      }),
      { numRuns: 3000 },
    );
    assert.ok(accepted > 500, `only ${accepted} were accepted: the way is not fast`);
  });

  for (const text of [
    "2026-02-30T10:00:00.000Z",
    "2026-13-01T10:00:00.000Z",
    "2026-01-01T24:00:00.000Z",
    "2026-01-01T10:60:00.000Z",
    "2026-01-01 10:00:00.000Z",
    "Sat Nov 21 2026 10:00:00",
    "",
  ]) {
    void it(`leaves the date "${text}" to zod, which refuses it`, () => {
      refuses(asWritten({ ...subagent("bg_1"), createdAt: text }));
    });
  }

  void it("leaves numbers out of their range to zod, which refuses them", () => {
    const good = asWritten(processJob("proc_1", { timeoutSeconds: 1, readyPort: 0 }));
    assert.equal(acceptor(job)(good), true);
    refuses(asWritten(processJob("proc_1", { timeoutSeconds: 0 })));
    refuses(asWritten(processJob("proc_1", { identity: { pid: 0, startTime: "", bootID: "" } })));
    refuses(asWritten(processJob("proc_1", { output: { bytes: -1, dropped: 0 } })));
    refuses(asWritten(processJob("proc_1", { output: { bytes: 0.5, dropped: 0 } })));
    refuses(asWritten(processJob("proc_1", { output: { bytes: 2 ** 53, dropped: 0 } })));
  });

  void it("leaves fields that are not known to zod, which takes them away", () => {
    const record = asWritten({
      ...subagent("bg_1"),
      secret: "key",
      tokens: { ...tokens, extra: 1 },
    });
    assert.equal(acceptor(job)(structuredClone(record)), false);
    const reading = parseState(
      JSON.stringify({ version: 1, savedAt: WHEN, jobs: [record], notices: [] }),
    );
    assert.ok(reading.kind === "read");
    assert.deepEqual(reading.jobs, [subagent("bg_1", { tokens })]);
  });
});
