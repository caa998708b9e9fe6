/** A second model after a fault of the provider, on a real host: each kind of fault, and what is none. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { callTool } from "../../fixtures/host/index.js";
import {
  cutStream,
  finish,
  forever,
  gate,
  httpError,
  text,
  toolCall,
  usage,
  type ModelRequest,
  type Step,
} from "../../fixtures/model/index.js";
import { childOf, firstJob, launch, noticeTo, type TestBed } from "./support.js";
import { shareServer, useProject } from "./use-host.js";

shareServer();

const AT_ONCE = { "retry-after-ms": "1" };

const failing = (status: number, body?: object) => httpError(status, body, AT_ONCE);

/** The host asks once, and again five times. */
const givenUp = (step: Step): Step[] => Array.from({ length: 6 }, () => step);

const quota = { error: { message: "no", type: "insufficient_quota", code: "insufficient_quota" } };

/** Starts a child with this script and gives its session, the requests that it made, and the notice. */
async function played(bed: TestBed, name: string, steps: readonly Step[], extra: object = {}) {
  const { host, model } = bed;
  const parent = await host.createSession({ title: name });
  const prompt = `child: ${name}`;
  model.script(prompt, steps);
  model.scriptSession(parent.id, [launch(prompt, extra), text("started"), forever(text("noted"))]);
  await host.run(parent.id, `start ${name}`);
  const child = await childOf(bed, parent.id);
  const notice = await noticeTo(bed, parent.id);
  await host.waitIdle(parent.id);
  return { parent: parent.id, child, prompt, notice, turns: model.turns(child) };
}

const models = (turns: readonly ModelRequest[]) => turns.map(({ model }) => model);

describe("fallbackModels", () => {
  const bed = useProject({
    pluginOptions: {
      fallbackModels: { "scripted/m1": ["scripted/gone", "scripted/m2", "scripted/m3"] },
      fallbackModelsByAgent: { explore: [] },
    },
  });

  const FAULTS: [what: string, steps: Step[]][] = [
    ["HTTP 429 after the host's own retries", givenUp(failing(429))],
    ["HTTP 500 after the host's own retries", givenUp(failing(500))],
    ["HTTP 503 after the host's own retries", givenUp(failing(503))],
    ["HTTP 529, overloaded", givenUp(failing(529, { error: { type: "overloaded_error" } }))],
    ["HTTP 401", [failing(401)]],
    ["HTTP 402", [failing(402)]],
    ["no credit, by its code", [failing(400, quota)]],
  ];

  for (const [what, steps] of FAULTS) {
    bed.test(`${what}: the same child goes on with the next model, prompted once`, async () => {
      const done = text(`answer after ${what}`);
      const { turns, notice, prompt, child } = await played(bed, what, [...steps, done]);
      assert.deepEqual(models(turns), [...steps.map(() => "m1"), "m2"]);
      const last = turns.at(-1);
      assert.deepEqual(
        last?.userTexts.filter((each) => each.includes(prompt)),
        [prompt],
        "the second model is shown the prompt once",
      );
      assert.match(notice, /status="completed"/u);
      assert.match(notice, new RegExp(`^\\| answer after ${what}$`, "mu"));
      assert.match(notice, /^- scripted\/m1 \(\$0\.00\) failed: scripted: HTTP \d+: /mu);
      assert.match(notice, /^- scripted\/m2 \(\$0\.000020\)$/mu);
      const { data = [] } = await bed.host.client.session.messages({ sessionID: child });
      assert.equal(data.filter(({ info }) => info.role === "user").length, 1);
      assert.equal(notice.split("answer after").length, 2, "it answers once");
    });
  }

  bed.test("in the midst of a run its tool calls stay, and nothing is done again", async () => {
    const call = toolCall("bash", { command: "echo once", description: "x" });
    const { turns, notice } = await played(bed, "midst", [call, failing(401), text("went on")]);
    assert.deepEqual(models(turns), ["m1", "m1", "m2"]);
    const last = turns.at(-1);
    assert.equal(last?.toolResults.length, 1);
    assert.match(last?.toolResults[0] ?? "", /once/u);
    assert.equal(last?.messages.at(-1)?.role, "tool", "in the order in which it happened");
    assert.match(notice, /^\| went on$/mu);
    assert.match(notice, /^- scripted\/m1 \(\$0\.000020\) failed/mu);
    assert.match(notice, /tool calls: 1/u);
  });

  bed.test("each model is given once, then the run fails and all are told", async () => {
    const steps = [failing(401), failing(402), forever(failing(401))];
    const { turns, notice } = await played(bed, "all fail", steps);
    assert.deepEqual(models(turns), ["m1", "m2", "m3"]);
    assert.match(notice, /status="failed"/u);
    for (const model of ["m1", "m2"]) {
      assert.match(notice, new RegExp(`^- scripted/${model} \\(.*\\) failed: `, "mu"));
    }
    assert.match(notice, /^- scripted\/m3 \(\$0\.00\)$/mu);
    assert.match(notice, /^error: scripted: HTTP 401/mu);
  });

  bed.test(
    "a continued task begins with its own model again, and may fall back again",
    async () => {
      const { host, model } = bed;
      const steps = [failing(401), text("first"), failing(401), text("second")];
      const { parent, child } = await played(bed, "again", steps);
      const from = model.cursor;
      const taskId = firstJob(bed, parent);
      await callTool(host, model, parent, "createBackgroundTask", { taskId, prompt: "go on" });
      assert.match(await noticeTo(bed, parent, /^\| second$/mu), /^- scripted\/m2/mu);
      const later = model.turns(child).filter(({ index }) => index >= from);
      assert.deepEqual(models(later), ["m1", "m2"]);
    },
  );

  bed.test("a model without a price is said to have none", async () => {
    const steps = [failing(401), failing(401), text("cheap")];
    const { parent, notice } = await played(bed, "no price", steps);
    assert.match(notice, /^- scripted\/m3 \(no price\)$/mu);
    const { host, model } = bed;
    const list = await callTool(host, model, parent, "listBackgroundTasks", {});
    assert.match(list, /15 tokens · no price · model scripted\/m3, after /u);
  });

  const NO_FAULTS: [what: string, steps: Step[], told: RegExp][] = [
    ["HTTP 400", [failing(400)], /HTTP 400/u],
    ["HTTP 403", [failing(403)], /HTTP 403/u],
    [
      "words like overloaded, 429 and credit in a wrong request",
      [failing(400, { error: { message: "insufficient credit, HTTP 402", type: "invalid" } })],
      /HTTP 400: .*credit/u,
    ],
    ["a refusal", [[text("I"), finish("content_filter")]], /content filter/iu],
    ["an answer cut at its limit", [[text("half"), finish("length")]], /output limit/u],
    [
      "a cut stream and then a wrong request",
      [[text("a"), cutStream()], failing(400)],
      /HTTP 400/u,
    ],
  ];

  for (const [what, steps, told] of NO_FAULTS) {
    bed.test(`${what}: no other model is asked`, async () => {
      const { turns, notice } = await played(bed, `none: ${what}`, steps);
      assert.deepEqual(new Set(models(turns)), new Set(["m1"]));
      assert.match(notice, told);
      assert.doesNotMatch(notice, /models tried/u);
    });
  }

  bed.test(
    "a context that is too long: the host compacts, and no other model is asked",
    async () => {
      const tooLong = failing(400, { error: { message: "long", code: "context_length_exceeded" } });
      const { turns, notice } = await played(bed, "too long", [tooLong, text("after it")]);
      assert.deepEqual(new Set(models(turns)), new Set(["m1"]));
      assert.match(notice, /^\| after it$/mu);
    },
  );

  bed.test("a child that its user stops is not gone on with", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "stopped" });
    model.script("child: stop me", [[text("half "), gate("never")]]);
    model.scriptSession(parent.id, [launch("child: stop me"), forever(text("noted"))]);
    await host.run(parent.id, "start it");
    await host.waitFor("message.part.delta", ({ delta }) => delta === "half ");
    const child = await childOf(bed, parent.id);
    await host.abort(child);
    assert.match(await noticeTo(bed, parent.id), /reason="cancelled_by_user"/u);
    assert.deepEqual(models(model.turns(child)), ["m1"]);
  });

  bed.test("a retry in more than two minutes is not waited for", async () => {
    const later = httpError(429, undefined, { "retry-after": "600" });
    const { turns, notice, child, prompt } = await played(bed, "ten minutes", [
      later,
      text("without waiting"),
    ]);
    assert.deepEqual(models(turns), ["m1", "m2"]);
    assert.match(notice, /status="completed"/u);
    assert.match(notice, /^\| without waiting$/mu);
    assert.match(
      notice,
      /m1 \(.*\) failed: its provider wants to be asked again in (?:10 min|9 min)/u,
    );
    const last = turns.at(-1);
    assert.equal(last?.userTexts.filter((each) => each.includes(prompt)).length, 1);
    const { data = [] } = await bed.host.client.session.messages({ sessionID: child });
    assert.equal(data.filter(({ info }) => info.role === "user").length, 1);
  });

  bed.test("an agent's own list counts in place of its model's", async () => {
    const { turns, notice } = await played(bed, "by agent", [failing(401)], { agent: "explore" });
    assert.deepEqual(models(turns), ["m1"]);
    assert.match(notice, /status="failed"/u);
  });

  bed.test("an instruction while another model works goes to that model", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "instructed" });
    model.script("child: instructed", [
      failing(401),
      [gate("instructed"), text("one")],
      [text("two"), usage(1, 1)],
    ]);
    model.scriptSession(parent.id, [launch("child: instructed"), forever(text("noted"))]);
    await host.run(parent.id, "start it");
    const child = await childOf(bed, parent.id);
    await model.waitForRequest(
      (request) => request.conversation === child && request.model === "m2",
    );
    const taskId = firstJob(bed, parent.id);
    await callTool(host, model, parent.id, "createBackgroundTask", { taskId, prompt: "and more" });
    model.open("instructed");
    assert.match(await noticeTo(bed, parent.id), /^\| two$/mu);
    assert.deepEqual(models(model.turns(child)), ["m1", "m2", "m2"]);
  });
});

describe("without fallbackModels", () => {
  const bed = useProject();

  bed.test("a fault of the provider ends the run", async () => {
    const { turns, notice } = await played(bed, "off", [failing(401)]);
    assert.deepEqual(models(turns), ["m1"]);
    assert.match(notice, /status="failed"/u);
    assert.doesNotMatch(notice, /models tried/u);
  });
});
