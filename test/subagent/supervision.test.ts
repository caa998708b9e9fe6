import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { settle } from "../fakes/clock.js";
import { House } from "../fakes/house.js";

const MINUTE = 60_000;

async function working(options: ConstructorParameters<typeof House>[0] = {}) {
  const house = new House(options);
  house.host.onAbort = (sessionID) => house.idle(sessionID);
  const root = house.host.addRoot();
  const child = await house.child({ parentSessionID: root });
  // The parent waits for its user: what it is to be told stays in the outbox.
  const asked = { requestID: "que_1", kind: "question", what: "which?" } as const;
  house.event({ type: "asked", sessionID: root, ...asked });
  house.busy(child.sessionID);
  const kinds = () => house.notices.outbox.pending(root).map(({ kind }) => kind);
  return { house, root, kinds, ...child };
}

void describe("a child that gives no sign of life", () => {
  void it("is marked after stallMinutes, told once, and goes on", async () => {
    const { house, kinds, id } = await working();
    await house.clock.advance(10 * MINUTE - 10_000);
    assert.equal(house.job(id).stalledSince, undefined);
    await house.clock.advance(20_000);
    assert.ok(house.job(id).stalledSince);
    assert.deepEqual(kinds(), ["stalled"]);
    await house.clock.advance(60 * MINUTE);
    assert.deepEqual(kinds(), ["stalled"]);
    assert.equal(house.outcome(id), "running");
    assert.ok(house.host.toasts.some(({ message }) => message.includes("stalled")));
  });

  void it("is unmarked by the next sign of life, and what was not told yet is withdrawn", async () => {
    const { house, kinds, id, sessionID } = await working();
    await house.clock.advance(11 * MINUTE);
    house.event({ type: "activity", sessionID });
    assert.equal(house.job(id).stalledSince, undefined);
    assert.deepEqual(kinds(), []);
  });

  void it("is not stalled while a tool runs, however many updates the call has", async () => {
    const { house, id, sessionID } = await working();
    const call = { sessionID, messageID: house.host.newMessageID(), callID: "c1", tool: "bash" };
    house.event({ type: "tool", ...call, status: "pending" });
    house.event({ type: "tool", ...call, status: "running" });
    await house.clock.advance(30 * MINUTE);
    assert.equal(house.job(id).stalledSince, undefined);
    assert.equal(house.job(id).progress.runningTool, "bash");
    house.event({ type: "tool", ...call, status: "completed" });
    assert.equal(house.job(id).progress.runningTool, undefined);
    house.event({ type: "tool", ...call, status: "running" });
    await house.clock.advance(9 * MINUTE);
    assert.equal(house.job(id).stalledSince, undefined);
    await house.clock.advance(2 * MINUTE);
    assert.ok(house.job(id).stalledSince);
    assert.equal(house.job(id).progress.toolCalls, 1);
  });

  void it("is stalled while it writes a call without end: no tool runs yet", async () => {
    const { house, id, sessionID } = await working();
    const call = { sessionID, messageID: house.host.newMessageID(), callID: "c1", tool: "write" };
    house.event({ type: "tool", ...call, status: "pending" });
    assert.equal(house.job(id).progress.toolCalls, 1);
    assert.equal(house.job(id).progress.runningTool, undefined);
    await house.clock.advance(11 * MINUTE);
    assert.ok(house.job(id).stalledSince);
    house.event({ type: "tool", ...call, status: "running" });
    house.event({ type: "tool", ...call, status: "pending" });
    assert.equal(house.job(id).stalledSince, undefined);
    assert.equal(house.job(id).progress.runningTool, "write");
    assert.equal(house.job(id).progress.toolCalls, 1);
  });

  void it("is not stalled while it waits for an answer, and has its full time after it", async () => {
    const { house, kinds, id, sessionID } = await working();
    const request = { sessionID, requestID: "per_1" };
    house.host.asked.push({ ...request, kind: "permission", what: "bash: rm x" });
    house.event({ type: "asked", ...request, kind: "permission", what: "bash: rm x" });
    await house.clock.advance(60 * MINUTE);
    assert.equal(house.job(id).stalledSince, undefined);
    assert.deepEqual(kinds(), ["blocked"]);
    house.host.asked.splice(0);
    house.event({ type: "answered", ...request });
    await house.clock.advance(9 * MINUTE);
    assert.equal(house.job(id).stalledSince, undefined);
    await house.clock.advance(2 * MINUTE);
    assert.ok(house.job(id).stalledSince);
  });

  void it("is not stalled while the host waits to try again", async () => {
    const { house, id, sessionID } = await working();
    const nextAt = new Date(house.clock.now() + 30 * MINUTE);
    house.event({ type: "retry", sessionID, attempt: 3, message: "overloaded", nextAt });
    await house.clock.advance(29 * MINUTE);
    assert.equal(house.job(id).stalledSince, undefined);
    assert.equal(house.job(id).blockedOn?.kind, "retry");
  });

  void it("is stalled when nothing is heard after the time at which the host tries again", async () => {
    const { house, kinds, id, sessionID } = await working();
    const nextAt = new Date(house.clock.now() + 5 * MINUTE);
    house.event({ type: "retry", sessionID, attempt: 3, message: "overloaded", nextAt });
    await house.clock.advance(14 * MINUTE);
    assert.equal(house.job(id).stalledSince, undefined);
    await house.clock.advance(2 * MINUTE);
    assert.equal(house.job(id).stalledSince?.getTime(), nextAt.getTime());
    assert.deepEqual(kinds(), ["stalled"]);
  });

  for (const what of ["a retry", "a question"]) {
    void it(`is no longer stalled when ${what} is heard of`, async () => {
      const { house, kinds, id, sessionID } = await working();
      await house.clock.advance(11 * MINUTE);
      assert.deepEqual(kinds(), ["stalled"]);
      if (what === "a retry") {
        const nextAt = new Date(house.clock.now() + MINUTE);
        house.event({ type: "retry", sessionID, attempt: 1, message: "timeout", nextAt });
      } else {
        const asked = { sessionID, requestID: "per_1", kind: "permission", what: "x" } as const;
        house.event({ type: "asked", ...asked });
      }
      await settle();
      assert.equal(house.job(id).stalledSince, undefined);
      assert.equal(kinds().includes("stalled"), false);
      assert.ok(house.job(id).blockedOn);
    });
  }

  void it('is ended with stallAction "cancel", its text kept', async () => {
    const { house, id, sessionID, kinds } = await working({ options: { stallAction: "cancel" } });
    house.host.addAssistant(sessionID, { text: "So far", completed: false });
    await house.clock.advance(11 * MINUTE);
    assert.equal(house.outcome(id), "failed · stalled");
    assert.equal(house.job(id).partial, true);
    assert.equal(house.job(id).resultLength, "So far".length);
    assert.deepEqual(house.host.aborted, [sessionID]);
    assert.deepEqual(kinds(), ["ended"]);
  });
});

void describe("a run with a limit", () => {
  void it("ends after maxRunMinutes with reason timeout, however busy it is", async () => {
    const { house, id, sessionID } = await working({ options: { maxRunMinutes: 5 } });
    house.host.addAssistant(sessionID, { text: "So far", completed: false });
    for (let second = 0; second < 299; second++) {
      await house.clock.advance(1_000);
      house.event({ type: "activity", sessionID });
    }
    assert.equal(house.outcome(id), "running");
    await house.clock.advance(10_000);
    assert.equal(house.outcome(id), "failed · timeout");
    assert.match(house.job(id).error ?? "", /5 minutes.*maxRunMinutes/u);
    assert.equal((await house.tasks.result(house.job(id))).text, "So far");
  });

  void it("ends at the first tool call beyond maxToolCalls, counting each call once", async () => {
    const { house, id, sessionID } = await working({ options: { maxToolCalls: 2 } });
    const call = (callID: string, status: string) =>
      house.event({
        type: "tool",
        sessionID,
        messageID: house.host.newMessageID(),
        callID,
        tool: "bash",
        status,
      });
    for (const callID of ["one", "two"]) {
      for (const status of ["pending", "running", "running", "completed"]) call(callID, status);
    }
    await settle();
    assert.equal(house.outcome(id), "running");
    call("three", "pending");
    await settle();
    assert.equal(house.outcome(id), "failed · tool_limit");
    assert.match(house.job(id).error ?? "", /more than 2 tool calls.*maxToolCalls/u);
    assert.equal(house.ends.get(id), 1);
  });

  void it("gives a continued task its full number of tool calls again", async () => {
    const { house, id, sessionID } = await working({ options: { maxToolCalls: 1 } });
    const tools = [{ callID: "one", tool: "bash", status: "completed" as const }];
    await house.answer(sessionID, { text: "First.", tools });
    await house.tasks.resume(id, "again", {});
    await house.answer(sessionID, {
      text: "Second.",
      tools: [{ ...tools[0], callID: "two", tool: "bash", status: "completed" }],
    });
    assert.equal(house.outcome(id), "completed · finished");
    assert.equal(house.job(id).progress.toolCalls, 2);
  });
});

void describe("the slow check", () => {
  void it("asks a quiet host a few times a minute, and none when nothing runs", async () => {
    const { house, sessionID } = await working();
    await house.clock.advance(MINUTE);
    const asked = house.host.calls.get("busySessions") ?? 0;
    assert.ok(asked >= 2 && asked <= 6, `${asked} requests in a minute`);
    await house.answer(sessionID, "done");
    await house.clock.advance(MINUTE);
    const after = house.host.calls.get("busySessions");
    await house.clock.advance(10 * MINUTE);
    assert.equal(house.host.calls.get("busySessions"), after);
    assert.equal(house.clock.pending, 0);
  });
});

void describe("a date that is set", () => {
  const HOUR = 60 * MINUTE;

  for (const [to, by] of [
    ["back", -HOUR],
    ["forward", HOUR],
  ] as const) {
    const setDate = ({ clock }: House) => clock.set(clock.now() + by);

    void it(`${to} makes no run longer or shorter`, async () => {
      const { house, id, sessionID } = await working({ options: { maxRunMinutes: 5 } });
      await house.clock.advance(4 * MINUTE);
      setDate(house);
      house.event({ type: "activity", sessionID });
      await house.clock.advance(50_000);
      assert.equal(house.outcome(id), "running");
      await house.clock.advance(20_000);
      assert.equal(house.outcome(id), "failed · timeout");
    });

    void it(`${to} makes no silence longer or shorter, and it is shown by the new date`, async () => {
      const { house, id } = await working();
      await house.clock.advance(5 * MINUTE);
      setDate(house);
      await house.clock.advance(5 * MINUTE - 10_000);
      assert.equal(house.job(id).stalledSince, undefined);
      await house.clock.advance(20_000);
      const since = house.job(id).stalledSince?.getTime() ?? 0;
      assert.equal(house.clock.now() - since, 10 * MINUTE + 10_000);
    });

    void it(`${to} makes no pause of the host longer or shorter`, async () => {
      const { house, id, sessionID } = await working();
      const nextAt = new Date(house.clock.now() + 5 * MINUTE);
      house.event({ type: "retry", sessionID, attempt: 3, message: "overloaded", nextAt });
      setDate(house);
      await house.clock.advance(15 * MINUTE - 10_000);
      assert.equal(house.job(id).stalledSince, undefined);
      await house.clock.advance(20_000);
      assert.ok(house.job(id).stalledSince);
    });

    void it(`${to} keeps neither the slow check nor a second prompt waiting`, async () => {
      const { house, id, sessionID } = await working();
      const before = house.host.prompts.length;
      house.host.sessions.get(sessionID)?.messages.splice(0);
      house.idle(sessionID);
      await settle();
      setDate(house);
      assert.equal(house.host.prompts.length, before);
      await house.clock.advance(25_000);
      assert.equal(house.host.prompts.length, before + 1);
      await house.clock.advance(25_000);
      assert.equal(house.outcome(id), "failed · never_started");
    });

    void it(`${to} gives an unfinished answer its full minute and no more`, async () => {
      const { house, id, sessionID } = await working();
      house.host.addAssistant(sessionID, { text: "So far", completed: false });
      house.idle(sessionID);
      await settle();
      setDate(house);
      await house.clock.advance(50_000);
      assert.equal(house.outcome(id), "running");
      await house.clock.advance(30_000);
      assert.equal(house.outcome(id), "failed · error");
    });

    void it(`${to} keeps no progress from the record`, async () => {
      const { house, id, sessionID } = await working();
      await house.clock.advance(MINUTE);
      setDate(house);
      house.event({ type: "activity", sessionID });
      assert.equal(house.job(id).progress.lastUpdate.getTime(), house.clock.now());
    });
  }
});
