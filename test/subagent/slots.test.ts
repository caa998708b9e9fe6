import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import { settle } from "../fakes/clock.js";
import { House } from "../fakes/house.js";

/** One task runs, the second was cancelled while it waited, the third waits. */
async function cancelledInBetween() {
  const house = new House({ options: { maxRunning: 1 } });
  const parentSessionID = house.host.addRoot();
  const first = await house.child({ parentSessionID });
  const second = await house.launch({ parentSessionID });
  const third = await house.launch({ parentSessionID });
  await house.tasks.cancel([second.id], "cancelled_by_agent");
  return { house, first, second, third };
}

void describe("slots", () => {
  void it("hold back what is above the overall limit, first in, first out, and show the place", async () => {
    const house = new House({ options: { maxRunning: 2, concurrency: 100 } });
    const parentSessionID = house.host.addRoot();
    const launched = [];
    for (let number = 0; number < 5; number++) {
      const input = { description: "t", prompt: `${number}`, agent: "general", parentSessionID };
      launched.push(await house.tasks.launch(input));
    }
    assert.deepEqual(
      launched.map(({ position }) => position),
      [0, 0, 1, 2, 3],
    );
    const ids = launched.map(({ task }) => task.id);
    const waiting = () => ids.map((id) => house.tasks.position(id));
    for (const [index, expected] of [
      [0, [0, 0, 0, 1, 2]],
      [2, [0, 0, 0, 0, 1]],
      [1, [0, 0, 0, 0, 0]],
    ] as const) {
      await house.answer(house.job(ids[index] ?? "").sessionID ?? "", "done");
      assert.deepEqual(waiting(), expected);
    }
    assert.deepEqual(
      house.host.prompts.map(({ text }) => text),
      ["0", "1", "2", "3", "4"],
    );
  });

  for (const [what, options, expected] of [
    ["per model", { concurrency: 1 }, [1, 1, 1]],
    ["per provider", { concurrencyByModel: { scripted: 2 } }, [2, 2, 4]],
    ["for one model", { concurrencyByModel: { "scripted/m1": 1, scripted: 3 } }, [1, 3, 4]],
    ["over all", { maxRunning: 4 }, [2, 1, 1]],
  ] as const) {
    void it(`hold ${what}`, async () => {
      const house = new House({ options });
      const parentSessionID = house.host.addRoot();
      const running = () =>
        house.tasks
          .list({ status: "running" })
          .map(({ model }) => `${model?.providerID}/${model?.modelID}`);
      for (let round = 0; round < 4; round++) {
        for (const model of ["scripted/m1", "scripted/m2", "other/m1"]) {
          await house.launch({ parentSessionID, model });
        }
      }
      const models = running();
      assert.deepEqual(
        ["scripted/m1", "scripted/m2", "other/m1"].map(
          (name) => models.filter((model) => model === name).length,
        ),
        expected,
      );
    });
  }

  void it("a launch that has to wait answers at once, also when two come together", async () => {
    const house = new House({ options: { maxRunning: 1 } });
    const parentSessionID = house.host.addRoot();
    const both = await Promise.all([
      house.launch({ parentSessionID, model: "scripted/m1" }),
      house.launch({ parentSessionID, model: "other/m1" }),
    ]);
    assert.deepEqual(both.map(({ status }) => status).toSorted(), ["pending", "running"]);
  });

  void it("a continued task waits behind those that came before", async () => {
    const house = new House({ options: { maxRunning: 1 } });
    const parentSessionID = house.host.addRoot();
    const old = await house.child({ parentSessionID });
    await house.answer(old.sessionID, "done");
    await house.child({ parentSessionID });
    const waiting = await house.launch({ parentSessionID });
    const { position } = await house.tasks.resume(old.id, "more", {});
    assert.equal(house.tasks.position(waiting.id), 1);
    assert.equal(position, 2);
  });

  void it("a cancelled task leaves its place to those behind it", async () => {
    const { house, first, third } = await cancelledInBetween();
    assert.equal(house.tasks.position(third.id), 1);
    await house.answer(first.sessionID, "done");
    assert.equal(house.outcome(third.id), "running");
  });

  void it("a task that was cancelled while it waited and is continued waits anew, behind the others", async () => {
    const { house, first, second, third } = await cancelledInBetween();
    const { position } = await house.tasks.resume(second.id, "again", {});
    assert.equal(position, 2);
    assert.equal(house.tasks.position(third.id), 1);
    await house.answer(first.sessionID, "done");
    assert.equal(house.outcome(third.id), "running");
    assert.equal(house.tasks.position(second.id), 1);
  });
});

const ENDS = [
  "answer",
  "empty",
  "error",
  "abort",
  "delete",
  "cancel",
  "no session",
  "no prompt",
  "silence",
] as const;

type End = (typeof ENDS)[number];
const OUTCOMES: Record<End, string> = {
  answer: "completed · finished",
  empty: "completed · finished",
  error: "failed · error",
  abort: "cancelled · cancelled_by_user",
  delete: "cancelled · session_deleted",
  cancel: "cancelled · cancelled_by_agent",
  "no session": "failed · error",
  "no prompt": "failed · error",
  silence: "failed · never_started",
};

async function finish(house: House, id: string, end: End): Promise<void> {
  const { sessionID = "" } = house.job(id);
  if (end === "answer") await house.answer(sessionID, "The answer.");
  else if (end === "empty") await house.answer(sessionID);
  else if (end === "error" || end === "abort") {
    const name = end === "error" ? "APIError" : "MessageAbortedError";
    await house.answer(sessionID, { error: { name, message: "no" } });
  } else if (end === "delete") house.event({ type: "deleted", sessionID });
  else if (end === "cancel") await house.tasks.cancel([id], "cancelled_by_agent");
  else if (end === "silence") {
    house.host.busy.delete(sessionID);
    await house.clock.advanceUntil(() => house.outcome(id) !== "running", 120_000);
  }
}

void it("500 launches of mixed outcome add up, never exceed a limit, and free every slot", async () => {
  const seed = Date.now() % 1_000_000;
  console.log(`seed ${seed}`);
  const ends = fc.sample(fc.array(fc.constantFrom(...ENDS), { minLength: 500, maxLength: 500 }), {
    seed,
    numRuns: 1,
  })[0];
  assert.ok(ends);
  const limits = { maxRunning: 10, concurrency: 5, maxTasksPerSession: 1_000 };
  const house = new House({ options: { ...limits, toasts: false } });
  house.host.onAbort = (sessionID) => house.idle(sessionID);
  // A session that is prompted works, unless it is one that stays silent and is prompted again.
  house.host.onPrompt = ({ sessionID, text }) => {
    if (text !== undefined) house.busy(sessionID);
  };
  const parentSessionID = house.host.addRoot();
  const counts = new Map<string, number>();
  const planned = new Map<string, End>();
  for (let index = 0; index < ends.length; index++) {
    const end = ends[index] ?? "answer";
    await settle();
    // What is refused is refused to the task that comes next: only done when none waits.
    const alone = house.tasks.list({ status: "pending" }).length === 0;
    if (end === "no session" && alone) house.host.fail("createSession", 1);
    if (end === "no prompt" && alone) house.host.fail("prompt", 1);
    const model = index % 2 === 0 ? "scripted/m1" : "other/m1";
    const { id, status } = await house.launch({ parentSessionID, model });
    house.host.heal("createSession");
    house.host.heal("prompt");
    planned.set(id, end.startsWith("no ") && status !== "failed" ? "answer" : end);
    const running = house.tasks.list({ status: "running" });
    assert.ok(running.length <= 10, `${running.length} run`);
    const sameModel = running.filter((task) => task.model?.providerID === "other");
    assert.ok(sameModel.length <= 5, `${sameModel.length} run of one model`);
    if (running.length >= 10 || index % 7 === 0) {
      for (const task of running.slice(0, 3)) {
        await finish(house, task.id, planned.get(task.id) ?? "answer");
      }
    }
  }
  for (let live = house.tasks.list({ status: "running" }); live.length > 0;) {
    for (const task of live) await finish(house, task.id, planned.get(task.id) ?? "answer");
    await settle();
    live = house.tasks.list({ status: "running" });
  }
  for (const [id, end] of planned) {
    const outcome = house.outcome(id);
    assert.equal(outcome, OUTCOMES[end], id);
    assert.equal(house.ends.get(id), 1);
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  }
  console.log(Object.fromEntries(counts));
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  assert.equal(total, 500);
  assert.equal(house.tasks.list({ status: "pending" }).length, 0);
  for (const model of ["scripted/m1", "other/m1"]) {
    for (let number = 0; number < 5; number++) {
      assert.equal((await house.launch({ parentSessionID, model })).status, "running");
    }
  }
  assert.deepEqual(house.logs("error"), []);
});
