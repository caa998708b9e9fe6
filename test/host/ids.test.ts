import assert from "node:assert/strict";
import { it } from "node:test";
import * as fc from "fast-check";
import { IdSource } from "../../src/host/ids.js";
import { loadRecording } from "../../fixtures/recordings/format.js";

void it("ids have the host's form", () => {
  const ids = new IdSource(() => Date.UTC(2026, 10, 21));
  assert.match(ids.next("msg"), /^msg_[0-9a-f]{12}[0-9A-Za-z]{14}$/u);
  assert.match(ids.next("prt"), /^prt_[0-9a-f]{12}[0-9A-Za-z]{14}$/u);
});

void it("ids sort by time, whatever the clock does and however many are asked for", () => {
  const steps = fc.array(fc.integer({ min: -5_000, max: 5_000 }), { minLength: 2, maxLength: 300 });
  fc.assert(
    fc.property(steps, fc.nat(4_000), (moves, burst) => {
      let now = Date.UTC(2026, 0, 1);
      const ids = new IdSource(() => now);
      let last = "";
      for (const [index, move] of moves.entries()) {
        now += move;
        for (let count = index === 0 ? burst : 0; count >= 0; count--) {
          const id = ids.next("msg");
          assert.ok(id > last, `${id} after ${last}`);
          last = id;
        }
      }
    }),
    { numRuns: 50 },
  );
});

void it("ids of ours sort among the host's own by their time", () => {
  const { events } = loadRecording("text");
  const seen = new Set<string>();
  for (const { event } of events) {
    const [, id, created] =
      /"id":"(msg_\w+)".*?"created":(\d+)/u.exec(JSON.stringify(event)) ??
      /"created":(\d+).*?"id":"(msg_\w+)"/u.exec(JSON.stringify(event))?.toReversed() ??
      [];
    if (id === undefined || !id.startsWith("msg_")) continue;
    seen.add(id);
    const at = (time: number) => new IdSource(() => time).next("msg");
    assert.ok(at(Number(created) + 5) > id);
    assert.ok(at(Number(created) - 5) < id);
  }
  assert.equal(seen.size, 2);
});
