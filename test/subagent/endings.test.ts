import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import { Replay } from "../fakes/replay.js";
import { settle } from "../fakes/clock.js";
import { rounds } from "../rounds.js";
import { ENDINGS, type Ending } from "./endings.js";

const RUNS = rounds(250);

async function start({ name, prompt = "first" }: Ending): Promise<Replay> {
  const replay = new Replay(name, { prompts: [prompt], options: { maxRunning: 1 } });
  await replay.launch();
  return replay;
}

/** What must hold at the end of every replay, in whatever order it was played. */
async function assertEnded(replay: Replay, expected: Ending): Promise<void> {
  const { house, id } = replay;
  const job = house.job(id);
  assert.equal(house.outcome(id), expected.outcome);
  assert.equal(house.ends.get(id), 1, "terminal transitions");
  assert.equal(job.progress.toolCalls, expected.toolCalls, "tool calls");
  assert.equal(job.runs.length, 1);
  assert.equal(job.runs[0]?.status, job.status);
  assert.equal(job.blockedOn, undefined);
  if (expected.error) assert.match(job.error ?? "", expected.error);
  else if (job.status === "completed") assert.equal(job.error, undefined);
  assert.equal(house.host.prompts.filter(({ sessionID }) => sessionID === replay.child).length, 1);
  if (replay.host.stored.exists(replay.child) && !expected.streamed) {
    const { text } = await house.tasks.result(job);
    assert.equal(text, expected.text);
    assert.equal(job.resultLength, text.length);
  }
  assert.deepEqual(house.logs("error"), []);
  // There is one slot in all: the next task gets it.
  const next = await house.launch({ parentSessionID: house.host.addRoot() });
  assert.equal(next.status, "running");
}

void describe("a child's run ends as recorded", () => {
  for (const ending of ENDINGS) {
    void it(`${ending.name}: ${ending.outcome}`, async () => {
      const replay = await start(ending);
      await replay.play();
      await replay.rest();
      const { house, id } = replay;
      if (ending.streamed) {
        assert.equal((await house.tasks.result(house.job(id))).text, ending.text);
      }
      await assertEnded(replay, ending);
    });
    void it(`${ending.name}, each event twice`, async () => {
      const replay = await start(ending);
      await replay.play(2);
      await replay.rest();
      await assertEnded(replay, ending);
    });
  }
});

void describe("a child's run ends the same when events are late, early, doubled or out of order", () => {
  for (const ending of ENDINGS) {
    void it(ending.name, async () => {
      const length = (await start(ending)).events.length;
      const order = fc.array(
        fc.record({ delay: fc.integer({ min: -8, max: 60 }), twice: fc.boolean() }),
        {
          minLength: length,
          maxLength: length,
        },
      );
      await fc.assert(
        fc.asyncProperty(order, async (delays) => {
          const replay = await start(ending);
          const arrivals = delays
            .flatMap(({ delay, twice }, index) => {
              const at = Math.max(0, index + delay);
              return twice
                ? [
                    { index, at },
                    { index, at: at + 3 },
                  ]
                : [{ index, at }];
            })
            .toSorted((one, other) => one.at - other.at);
          for (const { index, at } of arrivals) {
            replay.storeUpTo(at + 1);
            replay.deliver(index);
            if (at % 3 === 0) await settle();
          }
          await replay.rest();
          await assertEnded(replay, ending);
        }),
        { numRuns: RUNS },
      );
    });
  }
});

void describe("a child's run ends the same when all is stored and events come shuffled", () => {
  for (const ending of ENDINGS) {
    void it(ending.name, async () => {
      const { events } = await start(ending);
      const indexes = events.map((_, index) => index);
      const shuffled = fc.shuffledSubarray(indexes, { minLength: indexes.length });
      await fc.assert(
        fc.asyncProperty(shuffled, async (order) => {
          const replay = await start(ending);
          replay.storeUpTo(events.length);
          for (const index of order) replay.deliver(index);
          await replay.rest();
          await assertEnded(replay, ending);
        }),
        { numRuns: RUNS },
      );
    });
  }
});

void describe("a child's run ends the same when events stop and looks fail", () => {
  // Only session.error tells of an agent that does not exist, and only session.deleted of a cause.
  const stored = ENDINGS.filter(({ name }) => !/^(unknown-agent|deleted)/u.test(name));
  for (const ending of stored) {
    void it(`${ending.name}, without any event`, async () => {
      const replay = await start(ending);
      await replay.rest();
      await assertEnded(replay, ending);
    });
    void it(`${ending.name}, after so many events and with so many failed looks`, async () => {
      const { events } = await start(ending);
      const failures = fc.nat(3);
      await fc.assert(
        fc.asyncProperty(fc.nat(events.length), failures, failures, async (heard, ...times) => {
          const replay = await start(ending);
          await replay.play(1, 0, heard);
          replay.host.fail("busySessions", times[0]);
          replay.host.fail("messages", times[1]);
          await replay.rest();
          // A run that had ended by then was not looked at.
          replay.host.heal("messages");
          await assertEnded(replay, ending);
        }),
        { numRuns: RUNS },
      );
    });
  }
});

void it("of several errors of a run that never started, the first one is the reason", async () => {
  const replay = new Replay("unknown-agent");
  await replay.launch();
  await replay.play();
  await replay.rest();
  assert.match(replay.house.job(replay.id).error ?? "", /Agent not found: "nobody"/u);
});
