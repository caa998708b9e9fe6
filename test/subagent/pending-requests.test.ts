import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { settle } from "../fakes/clock.js";
import { House } from "../fakes/house.js";
import { Replay } from "../fakes/replay.js";

async function working(options: ConstructorParameters<typeof House>[0] = {}) {
  const house = new House(options);
  const root = house.host.addRoot();
  const child = await house.child({ parentSessionID: root });
  house.busy(child.sessionID);
  return { house, root, ...child };
}

function asked(house: House, sessionID: string, requestID: string, what = "bash: rm x"): void {
  house.host.asked.push({ kind: "permission", sessionID, requestID, what });
  house.event({ type: "asked", kind: "permission", sessionID, requestID, what });
}

function told(house: House, sessionID: string, wanted = "blocked"): string[] {
  return house.notices.outbox
    .pending(sessionID)
    .filter(({ kind }) => kind === wanted)
    .map(({ text = "" }) => text);
}

void describe("a child that asks", () => {
  void it("is shown as blocked on what it asks, its parent is told once and the user by a toast", async () => {
    const { house, root, id, sessionID } = await working();
    for (let time = 0; time < 3; time++) asked(house, sessionID, "per_1");
    await house.clock.advance(400);
    const { blockedOn } = house.job(id);
    assert.equal(blockedOn?.kind, "permission");
    assert.equal(blockedOn?.what, "bash: rm x");
    assert.equal(blockedOn?.requestID, "per_1");
    assert.deepEqual(told(house, root), ["permission bash: rm x"]);
    assert.equal(house.host.toasts.length, 1);
    assert.deepEqual(house.host.answered, []);
  });

  void it("is free again when answered, and an untold question is withdrawn", async () => {
    const { house, root, id, sessionID } = await working();
    asked(house, sessionID, "per_1");
    await settle();
    house.event({ type: "answered", sessionID, requestID: "per_1" });
    assert.equal(house.job(id).blockedOn, undefined);
    assert.deepEqual(told(house, root), []);
  });

  void it("shows the oldest of several questions until each is answered", async () => {
    const { house, id, sessionID } = await working();
    for (const number of [1, 2, 3]) asked(house, sessionID, `per_${number}`, `question ${number}`);
    await settle();
    const shown: (string | undefined)[] = [];
    for (const number of [2, 1, 3]) {
      shown.push(house.job(id).blockedOn?.what);
      house.event({ type: "answered", sessionID, requestID: `per_${number}` });
    }
    shown.push(house.job(id).blockedOn?.what);
    assert.deepEqual(shown, ["question 1", "question 1", "question 3", undefined]);
  });

  void it("by a session below it is blocked, too; only the nearest parent is told", async () => {
    const { house, root, id, sessionID } = await working({ options: { maxDepth: 2 } });
    const nested = await house.child({ parentSessionID: sessionID });
    const hosts = house.host.addSession({ parentID: nested.sessionID });
    asked(house, hosts, "per_1");
    await settle();
    assert.equal(house.job(nested.id).blockedOn?.sessionID, hosts);
    assert.equal(house.job(id).blockedOn?.requestID, "per_1");
    assert.deepEqual(told(house, sessionID), ["permission bash: rm x"]);
    assert.deepEqual(told(house, root), []);
    house.event({ type: "answered", sessionID: hosts, requestID: "per_1" });
    assert.equal(house.job(nested.id).blockedOn, undefined);
    assert.equal(house.job(id).blockedOn, undefined);
  });

  void it("is not blocked by a question that was answered while its parents were looked up", async () => {
    const { house, id, sessionID } = await working();
    const below = house.host.addSession({ parentID: sessionID });
    const gate = house.host.block("session");
    asked(house, below, "per_1");
    await settle();
    house.event({ type: "answered", sessionID: below, requestID: "per_1" });
    gate.resolve();
    await settle();
    assert.equal(house.job(id).blockedOn, undefined);
  });

  void it("is free when the host no longer knows the question, although no event told", async () => {
    const { house, id, sessionID } = await working();
    asked(house, sessionID, "per_1");
    await house.clock.advance(60_000);
    assert.ok(house.job(id).blockedOn);
    house.host.asked.splice(0);
    await house.clock.advance(30_000);
    assert.equal(house.job(id).blockedOn, undefined);
  });

  void it("that ended while the host was asked whether it still waits stays as it ended", async () => {
    const { house, id, sessionID } = await working();
    for (const number of [1, 2]) asked(house, sessionID, `per_${number}`);
    await settle();
    house.host.asked.shift();
    const gate = house.host.block("pendingRequests");
    await house.clock.advance(60_000);
    await house.answer(sessionID, "without it");
    gate.resolve();
    await settle();
    assert.equal(house.outcome(id), "completed · finished");
    assert.equal(house.job(id).blockedOn, undefined);
  });

  void it("stays blocked while the host cannot say whether it still waits", async () => {
    const { house, id, sessionID } = await working();
    asked(house, sessionID, "per_1");
    house.host.fail("pendingRequests");
    await house.clock.advance(60_000);
    assert.ok(house.job(id).blockedOn);
  });

  void it("that is no child of ours is no business of ours", async () => {
    const { house, root } = await working();
    asked(house, root, "per_1");
    asked(house, "ses_unknown", "per_2");
    await settle();
    assert.deepEqual(house.notices.outbox.all(), []);
  });

  void it("is no longer blocked when its run has ended", async () => {
    const { house, id, sessionID } = await working();
    asked(house, sessionID, "per_1");
    await settle();
    await house.answer(sessionID, "without it");
    assert.equal(house.outcome(id), "completed · finished");
    assert.equal(house.job(id).blockedOn, undefined);
  });
});

void describe('with permissionInBackground "reject"', () => {
  const options = { options: { permissionInBackground: "reject" as const } };

  void it("a permission question is rejected with a reason, and no session is told", async () => {
    const { house, root, id, sessionID } = await working(options);
    asked(house, sessionID, "per_1");
    await settle();
    const [{ requestID, answer } = assert.fail("not answered")] = house.host.answered;
    assert.equal(requestID, "per_1");
    assert.ok(answer.kind === "permission" && answer.reply === "reject");
    assert.match(answer.message ?? "", /runs in the background/u);
    assert.equal(house.job(id).blockedOn, undefined);
    assert.deepEqual(told(house, root), []);
  });

  void it("a question of a session that is not ours is left alone", async () => {
    const { house, root } = await working(options);
    asked(house, root, "per_1");
    await settle();
    assert.deepEqual(house.host.answered, []);
  });

  void it("a child that ended while its question was being rejected in vain is not blocked", async () => {
    const { house, root, id, sessionID } = await working(options);
    house.host.fail("answerRequest");
    const gate = house.host.block("answerRequest");
    asked(house, sessionID, "per_1");
    await settle();
    await house.answer(sessionID, "without it");
    gate.resolve();
    await settle();
    assert.equal(house.outcome(id), "completed · finished");
    assert.equal(house.job(id).blockedOn, undefined);
    assert.deepEqual(told(house, root), []);
  });

  void it("a child whose question could not be rejected is shown as blocked", async () => {
    const { house, root, id, sessionID } = await working(options);
    house.host.fail("answerRequest");
    asked(house, sessionID, "per_1");
    await settle();
    assert.equal(house.job(id).blockedOn?.requestID, "per_1");
    assert.equal(told(house, root).length, 1);
  });
});

void describe("a child that waits to ask its provider again", () => {
  void it("is blocked on the retry with attempt and time, until it works again", async () => {
    const { house, root, id, sessionID } = await working();
    const nextAt = new Date(house.clock.now() + 5_000);
    house.event({ type: "retry", sessionID, attempt: 1, message: "overloaded", nextAt });
    house.event({ type: "retry", sessionID, attempt: 2, message: "overloaded", nextAt });
    const { blockedOn } = house.job(id);
    assert.deepEqual(
      { ...blockedOn, since: undefined },
      { kind: "retry", what: "overloaded", sessionID, attempt: 2, nextAt, since: undefined },
    );
    assert.deepEqual(told(house, root), [], "the host goes on by itself");
    house.busy(sessionID);
    assert.equal(house.job(id).blockedOn, undefined);
  });

  void it("is told once when the next try is further away than a stall, and not after it", async () => {
    const { house, root, id, sessionID } = await working({ options: { wake: "none" } });
    const later = new Date(house.clock.now() + 5 * 3_600_000);
    const retry = { type: "retry", sessionID, message: "usage limit", nextAt: later } as const;
    for (let time = 0; time < 3; time++) house.event({ ...retry, attempt: 1 });
    const waits = "it waits to ask the provider again (attempt 1, next in 5 h): usage limit";
    assert.deepEqual(told(house, root, "stalled"), [waits]);
    assert.equal(house.job(id).stalledSince, undefined);
    house.busy(sessionID);
    assert.deepEqual(told(house, root, "stalled"), [], "what is over is not told any more");
    house.event({ ...retry, attempt: 2 });
    assert.equal(told(house, root, "stalled").length, 1);
  });

  void it("still shows what it asks when the retry is over", async () => {
    const { house, id, sessionID } = await working();
    asked(house, sessionID, "per_1");
    await settle();
    const nextAt = new Date(house.clock.now() + 5_000);
    house.event({ type: "retry", sessionID, attempt: 1, message: "overloaded", nextAt });
    house.busy(sessionID);
    assert.equal(house.job(id).blockedOn?.requestID, "per_1");
  });
});

void describe("as recorded", () => {
  for (const [name, kind] of [
    ["permission-once", "permission"],
    ["permission-rejected", "permission"],
    ["question-answered", "question"],
    ["question-rejected", "question"],
    ["error-429-retried", "retry"],
    ["error-500-given-up", "retry"],
  ] as const) {
    void it(`${name}: blocked on ${kind}, and free at the end`, async () => {
      const replay = new Replay(name);
      const seen = new Set<string | undefined>();
      replay.house.jobs.onChange(({ job }) => seen.add(job.blockedOn?.kind));
      await replay.launch();
      await replay.play();
      assert.deepEqual(seen, new Set([undefined, kind]));
      assert.equal(replay.house.job(replay.id).blockedOn, undefined);
    });
  }
});
