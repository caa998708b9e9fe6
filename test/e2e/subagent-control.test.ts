/** What a parent can see and do while a subagent runs, and what limits it, on a real host. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { callTool } from "../../fixtures/host/index.js";
import { forever, gate, text, toolCall } from "../../fixtures/model/index.js";
import { childOf, firstJob, launch, noticeTo } from "./support.js";
import { shareServer, useProject } from "./use-host.js";

shareServer();

describe("a subagent under control", () => {
  const bed = useProject({
    pluginOptions: { concurrency: 3 },
    config: {
      agent: {
        asker: { mode: "subagent", description: "asks", permission: { bash: "ask" } },
        worker: { mode: "subagent", description: "works", prompt: "work" },
      },
    },
  });

  bed.test("is continued in its own session, on another model, and told of each run", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "continued" });
    model.script("first task", [text("first result"), text("second result")]);
    model.scriptSession(parent.id, [launch("first task"), text("started"), text("noted")]);
    await host.run(parent.id, "start it");
    await noticeTo(bed, parent.id, /first result/u);
    const taskId = firstJob(bed, parent.id);
    await host.waitIdle(parent.id);
    const answer = await callTool(host, model, parent.id, "createBackgroundTask", {
      taskId,
      description: "more",
      prompt: "and now more",
      agent: "general",
      model: "scripted/m2",
    });
    assert.match(answer, new RegExp(`^${taskId} running`, "u"));
    const notice = await noticeTo(bed, parent.id, /second result/u);
    assert.match(notice, new RegExp(`id="${taskId}"`, "u"));
    const child = await childOf(bed, parent.id);
    assert.equal((await host.children(parent.id)).length, 1);
    const last = model.turns(child).at(-1);
    assert.match(last?.lastUserText ?? "", /and now more/u);
    assert.equal(last?.model, "m2");
  });

  bed.test(
    "takes a further instruction while it runs, and ends with the answer to that",
    async () => {
      const { host, model } = bed;
      const parent = await host.createSession({ title: "instructed" });
      model.script("long task", [
        [gate("long task"), toolCall("bash", { command: "true", description: "x" })],
        text("with the instruction"),
      ]);
      model.scriptSession(parent.id, [launch("long task"), text("started")]);
      await host.run(parent.id, "start it");
      const taskId = firstJob(bed, parent.id);
      await callTool(host, model, parent.id, "createBackgroundTask", {
        taskId,
        description: "more",
        prompt: "mind the gap",
        agent: "general",
      });
      model.open("long task");
      const notice = await noticeTo(bed, parent.id, /with the instruction/u);
      assert.match(notice, /status="completed"/u);
      const child = await childOf(bed, parent.id);
      assert.ok(model.turns(child).at(-1)?.userTexts.includes("mind the gap"));
    },
  );

  bed.test("completes by an answer to a message that overtook its prompt", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "overtaken" });
    model.script("an overtaken prompt", [
      [text("so far "), gate("overtaken"), toolCall("glob", { pattern: "*" })],
      text("The answer to both."),
    ]);
    model.scriptSession(parent.id, [launch("an overtaken prompt"), forever(text("noted"))]);
    await host.run(parent.id, "start it");
    const child = await childOf(bed, parent.id);
    await host.waitFor(
      "message.part.delta",
      ({ sessionID, delta }) => sessionID === child && delta === "so far ",
    );
    // Made long before the prompt of the task, and stored after it.
    await host.prompt(child, "and this", { messageID: "msg_000000000001AAAAAAAAAAAAAA" });
    model.open("overtaken");
    const notice = await noticeTo(bed, parent.id);
    assert.match(notice, /status="completed"/u);
    assert.match(notice, /^\| The answer to both\.$/mu);
  });

  bed.test("may start no subagents and ask no questions at the depth limit", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "depth" });
    model.script("deep task", [text("done")]);
    model.scriptSession(parent.id, [launch("deep task"), text("started"), text("noted")]);
    await host.run(parent.id, "start it");
    const child = await childOf(bed, parent.id);
    const { toolNames } = await model.waitForRequest((each) => each.conversation === child);
    for (const denied of ["task", "createBackgroundTask", "question"]) {
      assert.ok(!toolNames.includes(denied), `${denied} in ${toolNames.join(", ")}`);
    }
    assert.ok(toolNames.includes("createBackgroundProcess"));
    const session = await host.client.session.get({ sessionID: child });
    const denials = session.data?.permission?.filter(({ action }) => action === "deny");
    assert.deepEqual(denials?.map(({ permission }) => permission).sort(), [
      "createBackgroundTask",
      "question",
      "task",
    ]);
  });

  bed.test("may not edit when its parent plans", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "planning" });
    model.script("planned task", [text("done")]);
    // OpenCode's own rules let a plan start no `general`.
    const worker = launch("planned task", { agent: "worker" });
    model.scriptSession(parent.id, [worker, text("started"), text("noted")]);
    await host.run(parent.id, "start it", { agent: "plan" });
    const child = await childOf(bed, parent.id);
    const { toolNames } = await model.waitForRequest((each) => each.conversation === child);
    assert.ok(!toolNames.includes("edit") && !toolNames.includes("write"), toolNames.join(", "));
  });

  bed.test("waits in the queue, shows its place, and is cancelled without a session", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "queue" });
    model.scriptEvery("queued task", [[gate("queue"), text("done")]]);
    const launches = [0, 1, 2, 3, 4].map((index) =>
      launch(`queued task ${index} ${"x".repeat(index * 9)}`),
    );
    model.scriptSession(parent.id, [launches, text("started")]);
    await host.run(parent.id, "start five");
    const list = await callTool(host, model, parent.id, "listBackgroundTasks", {
      status: "pending",
    });
    assert.match(list, /number 1 in the queue/u);
    assert.match(list, /number 2 in the queue/u);
    assert.equal((await host.children(parent.id)).length, 3);
    const cancelled = await callTool(host, model, parent.id, "cancelBackgroundTasks", {
      status: "pending",
    });
    assert.equal(cancelled.match(/cancelled \(cancelled_by_agent\)/gu)?.length, 2, cancelled);
    model.open("queue");
    const taskId = firstJob(bed, parent.id);
    await callTool(host, model, parent.id, "getBackgroundTask", { taskId, wait: 20 });
    assert.equal((await host.children(parent.id)).length, 3);
  });

  bed.test(
    "that waits for a permission says for what, tells once, and goes on when answered",
    async () => {
      const { host, model } = bed;
      const parent = await host.createSession({ title: "asking" });
      model.script("asking task", [
        toolCall("bash", { command: "echo asked", description: "x" }),
        text("went on"),
      ]);
      model.scriptSession(parent.id, [
        launch("asking task", { agent: "asker" }),
        text("started"),
        text("noted"),
        text("noted"),
      ]);
      await host.run(parent.id, "start it");
      const asked = await host.waitFor("permission.asked");
      const notice = await noticeTo(bed, parent.id, /it asks/u);
      assert.match(notice, /^\| permission bash: /mu);
      await host.answerPermission(asked.properties.id, "reject");
      await noticeTo(bed, parent.id, /status="completed"/u);
    },
  );

  bed.test("answers an unchanged look in one line, and pages a long result", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "reading" });
    const result = Array.from({ length: 2_000 }, (_, index) => `line ${index} ä€`).join("\n");
    model.script("long result", [[gate("long result"), text(result)]]);
    model.scriptSession(parent.id, [launch("long result"), text("started")]);
    await host.run(parent.id, "start it");
    const taskId = firstJob(bed, parent.id);
    // One after the other: of two in one message either may be answered first.
    const look = () => callTool(host, model, parent.id, "getBackgroundTask", { taskId });
    await look();
    assert.match(await look(), /^\S+ running · unchanged since your last look [^\n]*$/u);
    model.open("long result");
    let page = await callTool(host, model, parent.id, "getBackgroundTask", { taskId, wait: 20 });
    const pages: string[] = [];
    for (;;) {
      const lines = page.split("\n").filter((line) => line.startsWith("| "));
      pages.push(lines.map((line) => line.slice(2)).join("\n"));
      const [, cursor] = /\n… for the rest: .*"cursor":"(.*)"\}\)$/u.exec(page) ?? [];
      if (cursor === undefined) break;
      page = await callTool(host, model, parent.id, "getBackgroundTask", { taskId, cursor });
    }
    assert.ok(pages.length > 1);
    assert.equal(pages.join("\n"), result);
  });
});
