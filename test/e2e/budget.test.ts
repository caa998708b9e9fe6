/** What subagents may spend, on a real host. One step of the scripted model with usage(1000, 500) costs $0.0020. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { callTool, callTools } from "../../fixtures/host/index.js";
import { forever, gate, text, toolCall, usage, type Action } from "../../fixtures/model/index.js";
import { childOf, firstJob, jobIds, launch, noticeTo } from "./support.js";
import { shareServer, useProject } from "./use-host.js";

shareServer();

/** $0.0020 and 1,500 tokens. */
const STEP = usage(1_000, 500);
const working = (said: string): Action[] => [
  text(said),
  toolCall("bash", { command: `echo ${said}`, description: "x" }),
  STEP,
];

describe("maxCost and maxTokens", () => {
  const bed = useProject({
    pluginOptions: {
      maxCost: 0.005,
      maxCostByAgent: { explore: 0 },
      maxTokensByAgent: { explore: 2_000 },
    },
  });

  bed.test("a run ends in the step that spends the rest, and keeps its text", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "spends" });
    model.script("child: spends", [
      working("one"),
      [gate("spends"), ...working("two")],
      working("three"),
      forever(working("four")),
    ]);
    model.scriptSession(parent.id, [launch("child: spends"), forever(text("noted"))]);
    await host.run(parent.id, "start it");
    const child = await childOf(bed, parent.id);
    const taskId = firstJob(bed, parent.id);
    await model.waitForRequest(
      ({ conversation, toolResults }) => conversation === child && toolResults.length === 1,
    );
    const read = await callTool(host, model, parent.id, "getBackgroundTask", { taskId });
    assert.match(read, /running .* · 1,500 tokens · \$0\.0020 ·/u, "shown while it runs");
    model.open("spends");
    const notice = await noticeTo(bed, parent.id);
    assert.match(notice, /status="failed" reason="budget"/u);
    assert.match(notice, /^error: spent \$0\.0060 of \$0\.0050 \(plugin option "maxCost"\)/mu);
    assert.match(notice, /^partial result/mu);
    assert.match(notice, /^\| three$/mu);
    assert.doesNotMatch(notice, /can be continued/u);
    // The host may have asked for the next step before it was stopped, and no more than that.
    assert.ok(model.turns(child).length <= 4, `${model.turns(child).length} steps`);
    const refused = await callTool(host, model, parent.id, "createBackgroundTask", {
      taskId,
      prompt: "go on",
    });
    assert.match(refused, /taskId: bg_\w+ has spent \$0\.006\d? of \$0\.0050 \(.*"maxCost"\)/u);
    assert.doesNotMatch(refused, /running/u);
  });

  bed.test("an answer in the step that spends the rest is an answer", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "answers" });
    model.script("child: answers", [[text("the answer"), usage(5_000, 0)]]);
    model.scriptSession(parent.id, [launch("child: answers"), forever(text("noted"))]);
    await host.run(parent.id, "start it");
    const notice = await noticeTo(bed, parent.id);
    assert.match(notice, /status="completed"/u);
    assert.match(notice, /^\| the answer$/mu);
  });

  bed.test("from four fifths on the next notice says so, and nothing is woken for it", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "nearly" });
    model.script("child: nearly", [
      working("one"),
      working("two"),
      [gate("nearly"), text("the end"), usage(0, 0)],
    ]);
    model.script("child: beside", [[gate("beside"), text("beside it")]]);
    model.scriptSession(parent.id, [
      [launch("child: nearly"), launch("child: beside")],
      text("started"),
      forever(text("noted")),
    ]);
    await host.run(parent.id, "start them");
    const [nearly = ""] = jobIds(bed, parent.id);
    await model.waitForRequest(({ toolResults, firstUserText }) => {
      return firstUserText === "child: nearly" && toolResults.length === 2;
    });
    const from = model.cursor;
    model.open("beside");
    const notice = await noticeTo(bed, parent.id, /beside it/u);
    assert.match(
      notice,
      new RegExp(`^budget: ${nearly} "child: nearly": spent \\$0\\.0040 of \\$0\\.0050 `, "mu"),
    );
    assert.equal(model.turns(parent.id).filter(({ index }) => index >= from).length, 1);
    model.open("nearly");
    const last = await noticeTo(bed, parent.id, /^\| the end$/mu);
    assert.doesNotMatch(last, /^budget:/mu, "said once");
  });

  bed.test("maxTokens by agent counts input, output and reasoning", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "tokens" });
    model.script("child: tokens", [working("one"), working("two"), forever(working("more"))]);
    model.scriptSession(parent.id, [
      launch("child: tokens", { agent: "explore", model: "scripted/m3" }),
      forever(text("noted")),
    ]);
    await host.run(parent.id, "start it");
    const notice = await noticeTo(bed, parent.id);
    assert.match(notice, /reason="budget"/u);
    assert.match(
      notice,
      /error: spent 3,000 of 2,000 tokens \(plugin option "maxTokensByAgent"\)/u,
    );
    const list = await callTool(host, model, parent.id, "listBackgroundTasks", {});
    assert.match(list, /3,000 tokens · no price ·/u);
  });
});

describe("maxCostPerSession", () => {
  const bed = useProject({
    pluginOptions: { maxCostPerSession: 0.005, maxDepth: 2, concurrency: 2 },
  });

  bed.test("all subagents of a tree end, none is started, another tree goes on", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "tree" });
    model.script("child: first", [working("one"), [gate("first"), ...working("x")]]);
    model.script("child: second", [
      working("two"),
      [gate("second"), ...working("three")],
      forever(working("four")),
    ]);
    model.script("child: queued", [text("never")]);
    model.scriptSession(parent.id, [
      [launch("child: first"), launch("child: second")],
      launch("child: queued"),
      text("started"),
      forever(text("noted")),
    ]);
    await host.run(parent.id, "start them");
    const ids = jobIds(bed, parent.id);
    assert.equal(ids.length, 3);
    for (const name of ["child: first", "child: second"]) {
      await model.waitForRequest(({ firstUserText, toolResults }) => {
        return firstUserText === name && toolResults.length === 1;
      });
    }
    model.open("second");
    for (const id of ids) {
      const notice = await noticeTo(bed, parent.id, new RegExp(`id="${id}"`, "u"));
      const [block = ""] = notice.slice(notice.indexOf(`id="${id}"`)).split("</background_job>");
      assert.match(block, /status="failed" reason="budget"/u);
      assert.match(
        block,
        /error: the subagents of this session tree have spent \$0\.006\d? of \$0\.0050/u,
      );
    }
    await host.waitIdle(parent.id);
    assert.equal(model.turns(({ firstUserText }) => firstUserText === "child: queued").length, 0);
    const [launched = "", continued = ""] = await callTools(host, model, parent.id, [
      ["createBackgroundTask", { description: "x", prompt: "child: late", agent: "general" }],
      ["createBackgroundTask", { taskId: ids[2], prompt: "go on" }],
    ]);
    for (const answer of [launched, continued]) {
      assert.match(answer, /have spent \$0\.006\d? of \$0\.0050 .*"maxCostPerSession"/u);
    }
    const other = await host.createSession({ title: "other tree" });
    model.script("child: other", [text("fine")]);
    model.scriptSession(other.id, [launch("child: other"), forever(text("noted"))]);
    await host.run(other.id, "start it");
    assert.match(await noticeTo(bed, other.id), /^\| fine$/mu);
  });
});
