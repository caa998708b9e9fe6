/** How long jobs live, on a real host: nested ones, undone ones, stopped parents, loud processes. */
import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe } from "node:test";
import { callTool } from "../../fixtures/host/index.js";
import { forever, gate, text, toolCall } from "../../fixtures/model/index.js";
import { carries, childOf, firstJob, launch, noticesIn, noticeTo } from "./support.js";
import { shareServer, useFaultyProject, useProject } from "./use-host.js";

shareServer();

const bed = useFaultyProject({
  config: { snapshot: true },
  pluginOptions: { maxDepth: 2 },
});

describe("jobs of jobs", () => {
  bed.test(
    "a subagent is done when its own subagents are, with the answer after their notices",
    async () => {
      const { host, model } = bed;
      const parent = await host.createSession({ title: "nested" });
      model.script("grandchild of nested", [[gate("grandchild"), text("from below")]]);
      model.script("child of nested", [
        launch("grandchild of nested"),
        text("I wait for mine"),
        text("mine is done, too"),
      ]);
      model.scriptSession(parent.id, [launch("child of nested"), text("started")]);
      await host.run(parent.id, "start it");
      const child = await childOf(bed, parent.id);
      await host.waitIdle(child);
      const taskId = firstJob(bed, parent.id);
      const state = await callTool(host, model, parent.id, "getBackgroundTask", { taskId });
      assert.match(state, new RegExp(`^${taskId} running`, "u"));
      model.open("grandchild");
      const notice = await noticeTo(bed, parent.id);
      assert.match(notice, /^\| mine is done, too$/mu);
      assert.equal(notice.match(/<background_job /gu)?.length, 1);
    },
  );

  bed.test("a cancelled subagent takes its tasks and processes along", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "cancelled tree" });
    model.script("grandchild of cancelled", [[text("x"), gate("never")]]);
    model.script("child of cancelled", [
      [
        launch("grandchild of cancelled"),
        toolCall("createBackgroundProcess", { command: "sleep 320" }),
      ],
      [text("y"), gate("never")],
    ]);
    model.scriptSession(parent.id, [launch("child of cancelled"), text("started")]);
    await host.run(parent.id, "start it");
    const child = await childOf(bed, parent.id);
    await host.waitFor(
      "message.part.delta",
      ({ sessionID, delta }) => sessionID === child && delta === "y",
    );
    const taskId = firstJob(bed, parent.id);
    const answer = await callTool(host, model, parent.id, "cancelBackgroundTasks", { taskId });
    assert.match(answer, /cancelled_by_agent/u);
    const list = await callTool(host, model, parent.id, "listBackgroundTasks", {
      status: "running",
    });
    assert.equal(list, "none");
    assert.deepEqual(await host.survivors(0, "sleep 320"), []);
  });

  bed.test("a deleted session takes its own task along, and both say so", async () => {
    const { host, model } = bed;
    const root = await host.createSession({ title: "deleted parent" });
    model.script("grandchild of deleted", [[text("x"), gate("never")]]);
    model.script("child of deleted", [launch("grandchild of deleted"), text("I wait for mine")]);
    model.scriptSession(root.id, [launch("child of deleted"), text("started"), text("noted")]);
    await host.run(root.id, "start it");
    const parent = await childOf(bed, root.id);
    const child = await childOf(bed, parent);
    const run = await model.waitForRequest((request) => request.conversation === child);
    await host.deleteSession(parent);
    assert.equal(await run.ended, "aborted");
    await noticeTo(bed, root.id, /reason="session_deleted"/u);
    const list = await callTool(host, model, root.id, "listBackgroundTasks", {});
    assert.equal(list.match(/ cancelled \(session_deleted\) · /gu)?.length, 2, list);
  });

  bed.test(
    "ten thousand lines that ask for attention cost few turns, and all are counted",
    async () => {
      const { host, model } = bed;
      const parent = await host.createSession({ title: "loud" });
      const command =
        "i=0; while [ $i -lt 10000 ]; do echo OPENCODE_NOTIFY: line $i; i=$((i+1)); done";
      model.scriptSession(parent.id, [
        toolCall("createBackgroundProcess", { command, name: "loud" }),
        text("started"),
        forever(text("noted")),
      ]);
      await host.run(parent.id, "start it");
      await noticeTo(bed, parent.id, /status="completed"/u);
      await host.waitIdle(parent.id);
      const all = noticesIn(model.turns(parent.id).at(-1) ?? assert.fail()).join("\n");
      // The end's own excerpt of the output may begin in the middle of a line.
      const notices = all.replaceAll(/^output[^]*?^to read more/gmu, "");
      const quoted = notices.match(/^\| line \d+$/gmu)?.length ?? 0;
      const more = [...notices.matchAll(/\((\d+) earlier ones are only in the output\)/gu)];
      const counted = more.reduce((sum, [, count]) => sum + Number(count), 0);
      assert.equal(quoted + counted, 10_000);
      assert.ok(model.turns(parent.id).length <= 6, `${model.turns(parent.id).length} turns`);
    },
  );
});

describe("a process of a subagent of the host's own", () => {
  bed.test(
    "that outlives it: its end is told to the session that started that, and wakes no other",
    async () => {
      const { host, model } = bed;
      const parent = await host.createSession({ title: "native" });
      const prompt = "start the build and leave";
      const command = "until [ -e built ]; do sleep 0.1; done; echo built at last";
      model.script(prompt, [toolCall("createBackgroundProcess", { command }), text("it builds")]);
      model.scriptSession(parent.id, [
        toolCall("task", { description: "Builds", prompt, subagent_type: "general" }),
        text("it builds there"),
        text("noted"),
      ]);
      await host.run(parent.id, "have it built");
      const child = await childOf(bed, parent.id);
      const [before] = model.turns(child).slice(-1);
      assert.match(before?.toolResults.join("\n") ?? "", /told to the session that started you/u);
      writeFileSync(join(host.project, "built"), "");
      const notice = await noticeTo(bed, parent.id);
      assert.match(notice, /^\| built at last$/mu);
      await host.waitIdle(parent.id);
      assert.equal(model.turns(child).length, 2);
      rmSync(join(host.project, "built"));
    },
  );
});

describe("jobs of a user who undoes", () => {
  bed.test("an undone message takes its jobs along, and nothing is announced", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "undone" });
    model.script("child of undone", [[text("x"), gate("never")]]);
    model.scriptSession(parent.id, [
      [launch("child of undone"), toolCall("createBackgroundProcess", { command: "sleep 330" })],
      text("started"),
    ]);
    const answer = await host.run(parent.id, "start both");
    const child = await childOf(bed, parent.id);
    const run = await model.waitForRequest((request) => request.conversation === child);
    await host.client.session.revert({ sessionID: parent.id, messageID: answer.parentID });
    assert.equal(await run.ended, "aborted");
    assert.deepEqual(await host.survivors(15_000, "sleep 330"), []);
    await host.client.session.unrevert({ sessionID: parent.id });
    const list = await callTool(host, model, parent.id, "listBackgroundTasks", {});
    assert.match(list, /cancelled \(cancelled_by_user\)/u);
    assert.deepEqual(noticesIn(model.turns(parent.id).at(-1) ?? assert.fail()), []);
  });

  bed.test("what is undone is not lost by a notice of something else", async () => {
    const { host, model, faults } = bed;
    const { session } = host.client;
    const parent = await host.createSession({ title: "undone later" });
    model.script("child of before", [[gate("undone"), text("done meanwhile")]]);
    model.scriptSession(parent.id, [
      launch("child of before"),
      text("started"),
      text("an answer to take back"),
      text("noted"),
    ]);
    await host.run(parent.id, "start it");
    const { parentID: messageID } = await host.run(parent.id, "and this?");
    const before = await session.messages({ sessionID: parent.id });
    await session.revert({ sessionID: parent.id, messageID });
    model.open("undone");
    await faults.requests.waitFor(({ url, body }) => url === "/log" && carries(body, "are kept"));
    await session.unrevert({ sessionID: parent.id });
    await noticeTo(bed, parent.id, /done meanwhile/u);
    const after = await session.messages({ sessionID: parent.id });
    assert.deepEqual(
      after.data?.slice(0, before.data?.length).map(({ info }) => info.id),
      before.data?.map(({ info }) => info.id),
    );
  });
});

describe("jobs of a parent whose user stops it", () => {
  const strict = useProject({ pluginOptions: { onParentAbort: "cancel" } });

  strict.test("are ended when the user wants it so", async () => {
    const { host, model } = strict;
    const parent = await host.createSession({ title: "stopped" });
    model.script("child of stopped", [[text("x"), gate("never")]]);
    model.scriptSession(parent.id, [
      [launch("child of stopped"), toolCall("createBackgroundProcess", { command: "sleep 340" })],
      [text("working"), gate("never")],
    ]);
    await host.prompt(parent.id, "start both and work");
    await host.waitFor("message.part.delta", ({ delta }) => delta === "working");
    const child = await childOf(strict, parent.id);
    const run = await model.waitForRequest((request) => request.conversation === child);
    await host.abort(parent.id);
    assert.equal(await run.ended, "aborted");
    assert.deepEqual(await host.survivors(15_000, "sleep 340"), []);
  });
});
