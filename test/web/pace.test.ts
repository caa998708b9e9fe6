/** What a page is sent of a fast output: how much at once, and how it shares that with other pages. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SharedRate, SteadyPace } from "../../src/web/pace.js";
import { FakeClock, settle } from "../fakes/clock.js";

const SECOND = 8 * 1_024 * 1_024;
const PIECE = 64 * 1_024;

/** Reads a log of 64 seconds' worth to its end, which stands still; what was sent so far is in `sent`. */
function reader(clock: FakeClock, rate: SharedRate) {
  const end = 64 * SECOND;
  const pace = new SteadyPace(clock, rate, 1_000_000, 0);
  const read = { sent: 0, left: 0, done: Promise.resolve() };
  const run = async (): Promise<void> => {
    for (let at = 0; at < end;) {
      const begin = await pace.next(at, end);
      read.left += begin - at;
      for (at = begin; at < end;) {
        at += PIECE;
        read.sent += PIECE;
        if (pace.isOver(at)) break;
      }
    }
  };
  read.done = run();
  return read;
}

void describe("the pace of what pages are sent", () => {
  void it("gives one page the newest of a log at once", async () => {
    const clock = new FakeClock();
    const one = reader(clock, new SharedRate(clock));
    await settle();
    assert.deepEqual([one.sent, one.left], [SECOND, 63 * SECOND]);
    await one.done;
  });

  void it("is shared by all of a server, in turn", async () => {
    const clock = new FakeClock();
    const rate = new SharedRate(clock);
    const all = [
      reader(clock, rate),
      reader(clock, rate),
      reader(clock, rate),
      reader(clock, rate),
    ];
    const sent = () => all.reduce((sum, each) => sum + each.sent, 0);
    await settle();
    assert.deepEqual(
      all.map((each) => each.sent),
      Array<number>(4).fill(SECOND / 4),
    );
    for (const seconds of [2, 3]) {
      await clock.advance(1_000);
      assert.equal(sent(), seconds * SECOND);
    }
    await clock.advance(1_000);
    await Promise.all(all.map(({ done }) => done));
    assert.ok(all.every(({ left }) => left === 63 * SECOND));
  });
});
