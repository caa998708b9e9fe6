/** Going on with another model, where the host fails, is late, or something else happens at the same time. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AssistantMessage, RunError } from "../../src/host/host.js";
import type { Options } from "../../src/options.js";
import { settle } from "../fakes/clock.js";
import { House } from "../fakes/house.js";

const NO_KEY: RunError = { name: "APIError", message: "no key", status: 401 };
const failed = (more: Partial<AssistantMessage> = {}): Partial<AssistantMessage> => ({
  error: NO_KEY,
  finish: undefined,
  ...more,
});

async function begun(options: Partial<Options> = {}) {
  const fallbackModels = { "scripted/m1": ["other/m1", "scripted/m2"] };
  const house = new House({ options: { fallbackModels, ...options } });
  const root = house.host.addRoot();
  house.busy(root);
  house.idle(root);
  const child = await house.child({ parentSessionID: root, model: "scripted/m1" });
  /** What was sent to the child: the model, and whether it was text or the stored message. */
  const sent = () =>
    house.host.prompts
      .filter(({ sessionID }) => sessionID === child.sessionID)
      .map(({ model, text, messageID }) => ({
        model: `${model?.providerID}/${model?.modelID}`,
        again: text === undefined,
        messageID,
      }));
  return { house, root, sent, ...child };
}

void describe("a run whose provider fails", () => {
  void it("sends the stored message again in the next model, and ends with its answer", async () => {
    const { house, id, sessionID, sent } = await begun();
    await house.answer(sessionID, failed());
    assert.equal(house.outcome(id), "running");
    const [first, second, ...more] = sent();
    assert.deepEqual(more, []);
    assert.deepEqual([first?.model, first?.again], ["scripted/m1", false]);
    assert.deepEqual(second, { model: "other/m1", again: true, messageID: first?.messageID });
    // Its error is stored and told as before; another look finds nothing new.
    house.event({ type: "error", sessionID, error: NO_KEY });
    house.idle(sessionID);
    await settle();
    assert.equal(house.outcome(id), "running");
    await house.answer(sessionID, "the answer");
    assert.equal(house.outcome(id), "completed · finished");
    assert.equal(house.ends.get(id), 1);
    assert.equal(sent().length, 2);
    assert.deepEqual(
      house
        .job(id)
        .runs.at(-1)
        ?.models?.map(({ model, error }) => [model, error]),
      [
        ["scripted/m1", "scripted: HTTP 401: no key"],
        ["other/m1", undefined],
      ],
    );
  });

  void it("is looked at no less for it: an event of the old error ends nothing", async () => {
    const { house, id, sessionID } = await begun();
    await house.answer(sessionID, failed());
    house.event({ type: "error", sessionID, error: NO_KEY });
    await house.clock.advance(5_000);
    house.idle(sessionID);
    await settle();
    assert.equal(house.outcome(id), "running");
  });

  void it("has the newest stored message sent again, which may not be the prompt", async () => {
    const { house, sessionID, sent } = await begun();
    house.step(sessionID, { finish: "tool-calls" });
    const notice = house.host.addUser(sessionID, { real: false, text: "a notice" });
    await house.answer(sessionID, failed());
    assert.equal(sent().at(-1)?.messageID, notice.id);
  });

  void it("is prompted once more when the host does not take the message, in the next model", async () => {
    const { house, id, sessionID, sent } = await begun();
    house.host.fail("prompt", 1);
    house.host.onPrompt = () => house.busy(sessionID);
    await house.answer(sessionID, failed());
    assert.equal(house.outcome(id), "running");
    await house.clock.advance(30_000);
    assert.deepEqual(
      sent().map(({ model, again }) => [model, again]),
      [
        ["scripted/m1", false],
        ["other/m1", true],
      ],
    );
    await house.answer(sessionID, "the answer");
    assert.equal(house.outcome(id), "completed · finished");
  });

  void it("goes on once the host can say which models it has", async () => {
    const { house, id, sessionID, sent } = await begun();
    house.host.fail("models", 2);
    house.host.onPrompt = () => house.busy(sessionID);
    await house.answer(sessionID, failed());
    assert.equal(house.outcome(id), "running");
    await house.clock.advance(20_000);
    assert.deepEqual(
      sent().map(({ model }) => model),
      ["scripted/m1", "other/m1"],
    );
    await house.answer(sessionID, "the answer");
    assert.equal(house.outcome(id), "completed · finished");
  });

  void it("is cancelled, and not gone on with, when it is being cancelled", async () => {
    const { house, id, sessionID, sent } = await begun();
    house.busy(sessionID);
    const cancelling = house.tasks.cancel([id], "cancelled_by_agent");
    await house.answer(sessionID, failed());
    await cancelling;
    assert.equal(house.outcome(id), "cancelled · cancelled_by_agent");
    assert.equal(sent().length, 1);
  });

  void it("is cancelled when that comes while the models are looked up", async () => {
    const { house, id, sessionID, sent } = await begun();
    const gate = house.host.block("models");
    house.host.onAbort = () => house.idle(sessionID);
    await house.answer(sessionID, failed());
    const cancelling = house.tasks.cancel([id], "cancelled_by_agent");
    gate.resolve();
    await cancelling;
    assert.equal(house.outcome(id), "cancelled · cancelled_by_agent");
    assert.equal(sent().length, 1);
  });

  void it("counts what each model has cost, and all of it for the task", async () => {
    const { house, id, sessionID } = await begun();
    const usage = (cost: number) => ({ input: 5, output: 5, reasoning: 0, cacheRead: 0, cost });
    await house.answer(sessionID, { text: "earlier", usage: usage(4) });
    await house.tasks.resume(id, "go on", { parentAgent: "build" });
    house.step(sessionID, { finish: "tool-calls", usage: usage(0.5) });
    await house.answer(sessionID, failed());
    house.step(sessionID, { finish: "tool-calls", usage: usage(0.25) });
    await house.answer(sessionID, { text: "later", usage: usage(0.25) });
    const models = house.job(id).runs.at(-1)?.models ?? [];
    assert.deepEqual(
      models.map(({ cost, tokens }) => [cost, tokens]),
      [
        [0.5, 10],
        [0.5, 20],
      ],
    );
    assert.equal(house.job(id).cost, 5);
    assert.equal(house.job(id).runs[0]?.models, undefined);
  });

  void it("keeps its models when it is told more", async () => {
    const { house, id, sessionID, sent } = await begun();
    await house.answer(sessionID, failed());
    house.busy(sessionID);
    await house.tasks.resume(id, "and this", { parentAgent: "build" });
    assert.deepEqual([sent().at(-1)?.model, sent().at(-1)?.again], ["other/m1", false]);
    assert.equal(house.job(id).runs.at(-1)?.models?.length, 2);
    await house.answer(sessionID, "both");
    assert.equal(house.outcome(id), "completed · finished");
  });
});

void describe("a retry that is announced", () => {
  const retry = (house: House, sessionID: string, milliseconds: number, attempt = 1): void => {
    const nextAt = new Date(house.clock.now() + milliseconds);
    house.event({ type: "retry", sessionID, attempt, message: "slow down", nextAt });
  };
  /** All that the host says of an abort between two tries. */
  const aborts = (house: House): void => {
    house.host.onAbort = (sessionID) => {
      house.event({
        type: "assistant",
        sessionID,
        message: house.host.addAssistant(sessionID, { finish: undefined }),
      });
      house.idle(sessionID);
    };
  };

  void it("for later than two minutes is not waited for", async () => {
    const { house, id, sessionID, sent } = await begun();
    aborts(house);
    house.busy(sessionID);
    retry(house, sessionID, 120_001);
    await settle();
    assert.deepEqual(house.host.aborted, [sessionID]);
    assert.deepEqual([sent().at(-1)?.model, sent().at(-1)?.again], ["other/m1", true]);
    assert.equal(house.job(id).blockedOn, undefined);
    await house.answer(sessionID, "the answer");
    assert.equal(house.outcome(id), "completed · finished");
    assert.match(
      house.job(id).runs.at(-1)?.models?.[0]?.error ?? "",
      /^its provider wants to be asked again in 2 min: slow down$/u,
    );
  });

  void it("stays announced when the host writes down something about the session meanwhile", async () => {
    const { house, id, sessionID, sent } = await begun();
    aborts(house);
    house.busy(sessionID);
    const models = house.host.block("models");
    retry(house, sessionID, 120_001);
    // Its title or its summary: no sign of its run.
    house.event({ type: "updated", sessionID, archived: false });
    assert.equal(house.job(id).blockedOn?.kind, "retry");
    models.resolve();
    await settle();
    assert.deepEqual(house.host.aborted, [sessionID]);
    assert.deepEqual([sent().at(-1)?.model, sent().at(-1)?.again], ["other/m1", true]);
  });

  const WAITED: [what: string, options: Partial<Options>, pause: number][] = [
    ["for within two minutes", {}, 120_000],
    ["without another model", { fallbackModels: {} }, 600_000],
    ["without one that is set up", { fallbackModels: { "scripted/m1": ["x/y"] } }, 600_000],
  ];
  for (const [what, options, pause] of WAITED) {
    void it(`${what} is waited for`, async () => {
      const { house, id, sessionID } = await begun(options);
      house.busy(sessionID);
      retry(house, sessionID, pause);
      await settle();
      assert.deepEqual(house.host.aborted, []);
      assert.equal(house.job(id).blockedOn?.kind, "retry");
    });
  }

  void it("is waited for when the abort fails, and tried again with the next one", async () => {
    const { house, id, sessionID, sent } = await begun();
    aborts(house);
    house.host.fail("abort", 1);
    house.busy(sessionID);
    retry(house, sessionID, 600_000);
    await settle();
    assert.equal(house.outcome(id), "running");
    assert.equal(sent().length, 1);
    retry(house, sessionID, 600_000, 2);
    await settle();
    assert.equal(sent().length, 2);
  });

  void it("of an answer that comes all the same counts for nothing", async () => {
    const { house, id, sessionID, sent } = await begun();
    house.busy(sessionID);
    retry(house, sessionID, 600_000);
    await settle();
    assert.deepEqual(house.host.aborted, [sessionID]);
    await house.answer(sessionID, "the answer");
    assert.equal(house.outcome(id), "completed · finished");
    assert.equal(sent().length, 1);
    assert.equal(house.job(id).runs.at(-1)?.models, undefined);
  });

  void it("is no stop of its user's for the subagent's own subagents", async () => {
    const { house, id, sessionID } = await begun({ maxDepth: 2, onParentAbort: "cancel" });
    house.busy(sessionID);
    const nested = await house.child({ parentSessionID: sessionID, prompt: "a part" });
    aborts(house);
    retry(house, sessionID, 600_000);
    await settle();
    assert.deepEqual(house.stoppedByUser, []);
    house.step(sessionID, { text: "I wait" });
    house.idle(sessionID);
    await house.answer(nested.sessionID, "the part");
    await house.clock.advance(1_000);
    assert.match(house.promptsTo(sessionID).at(-1) ?? "", /^\| the part$/mu);
    await house.answer(sessionID, "the whole");
    assert.equal(house.outcome(id), "completed · finished");
  });
});
