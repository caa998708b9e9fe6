/** How a run ended, each row of the table on a real host: the parent is told what really happened. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { callTool, callTools } from "../../fixtures/host/index.js";
import {
  cutStream,
  empty,
  gate,
  httpError,
  text,
  toolCall,
  type Step,
} from "../../fixtures/model/index.js";
import { childOf, firstJob, jobIds, launch, noticeTo } from "./support.js";
import { shareServer, useProject } from "./use-host.js";

shareServer();

const AT_ONCE = { "retry-after-ms": "1" };
const serverError = (status: number): Step => httpError(status, undefined, AT_ONCE);

interface Row {
  what: string;
  child: Step[];
  told: RegExp[];
}

const ROWS: Row[] = [
  {
    what: "an answer with text is completed",
    child: [text("the answer")],
    told: [/status="completed"/u, /^\| the answer$/mu],
  },
  {
    what: "an empty answer is completed, without text",
    child: [empty()],
    told: [/status="completed"/u, /^no text output; its session: ses_/mu, /tool calls: 0/u],
  },
  {
    what: "tools only are completed, without text and with their number",
    child: [toolCall("bash", { command: "true", description: "x" }), empty()],
    told: [/status="completed"/u, /^no text output; its session: ses_/mu, /tool calls: 1/u],
  },
  ...[400, 401].map((status) => ({
    what: `HTTP ${status} is failed`,
    child: [httpError(status)],
    told: [/status="failed"/u, new RegExp(`error: scripted: HTTP ${status}: .*`, "u")],
  })),
  ...[429, 500].map((status) => ({
    what: `HTTP ${status} is failed when the host gives up`,
    child: Array.from({ length: 8 }, () => serverError(status)),
    told: [/status="failed"/u, new RegExp(`HTTP ${status}`, "u")],
  })),
  {
    what: "a cut stream that does not come back is failed, its text kept as partial",
    child: [[text("as far as I came"), cutStream()], httpError(400)],
    told: [/status="failed"/u, /^partial result/mu, /^\| as far as I came$/mu],
  },
];

describe("how a run ended", () => {
  const bed = useProject();

  for (const [index, { what, child, told }] of ROWS.entries()) {
    bed.test(what, async () => {
      const { host, model } = bed;
      const parent = await host.createSession({ title: what });
      const prompt = `row ${index}: ${what}`;
      model.script(prompt, child);
      model.scriptSession(parent.id, [launch(prompt), text("started"), text("noted")]);
      await host.run(parent.id, `start it ${index}`);
      const notice = await noticeTo(bed, parent.id);
      for (const pattern of told) assert.match(notice, pattern);
    });
  }

  bed.test("a child that its user stops is cancelled by the user", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "stopped" });
    model.script("child to be stopped", [[text("half "), gate("never")]]);
    model.scriptSession(parent.id, [launch("child to be stopped"), text("started"), text("noted")]);
    await host.run(parent.id, "start it");
    await host.waitFor("message.part.delta", ({ delta }) => delta === "half ");
    await host.abort(await childOf(bed, parent.id));
    const notice = await noticeTo(bed, parent.id);
    assert.match(notice, /status="cancelled" reason="cancelled_by_user"/u);
    assert.match(notice, /^\| half$/mu);
  });

  bed.test(
    "a task that the agent cancels says so, keeps its text, and is not announced",
    async () => {
      const { host, model } = bed;
      const parent = await host.createSession({ title: "cancelled" });
      model.script("child to be cancelled", [[text("so far "), gate("never")]]);
      model.scriptSession(parent.id, [launch("child to be cancelled"), text("started")]);
      await host.run(parent.id, "start it");
      await host.waitFor("message.part.delta", ({ delta }) => delta === "so far ");
      const taskId = firstJob(bed, parent.id);
      const answer = await callTool(host, model, parent.id, "cancelBackgroundTasks", { taskId });
      assert.match(answer, /cancelled \(cancelled_by_agent\)/u);
      const requests = model.turns(parent.id).length;
      const read = await callTool(host, model, parent.id, "getBackgroundTask", { taskId });
      assert.match(read, /partial result:\n\| so far/u);
      // The two turns of that call and nothing else: the parent was not told what it did itself.
      assert.equal(model.turns(parent.id).length, requests + 2);
      const child = await childOf(bed, parent.id);
      const { data } = await host.client.session.status();
      assert.equal(data?.[child], undefined);
    },
  );

  bed.test("a deleted child is cancelled and its run is aborted", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "deleted child" });
    model.script("child to be deleted", [[text("x"), gate("never")]]);
    model.scriptSession(parent.id, [launch("child to be deleted"), text("started"), text("noted")]);
    await host.run(parent.id, "start it");
    const child = await childOf(bed, parent.id);
    const run = await model.waitForRequest((request) => request.conversation === child);
    await host.deleteSession(child);
    assert.equal(await run.ended, "aborted");
    assert.match(await noticeTo(bed, parent.id), /status="cancelled" reason="session_deleted"/u);
  });

  bed.test("a deleted parent takes its busy child along", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "deleted parent" });
    model.script("child of a deleted parent", [[text("x"), gate("never")]]);
    model.scriptSession(parent.id, [launch("child of a deleted parent"), text("started")]);
    await host.run(parent.id, "start it");
    const child = await childOf(bed, parent.id);
    const run = await model.waitForRequest((request) => request.conversation === child);
    await host.deleteSession(parent.id);
    assert.equal(await run.ended, "aborted");
  });

  bed.test("processes that a child leaves running are named and not waited for", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "left running" });
    model.script("child that leaves a process", [
      toolCall("createBackgroundProcess", { command: "sleep 370", name: "left behind" }),
      text("it runs"),
    ]);
    model.scriptSession(parent.id, [
      launch("child that leaves a process"),
      text("started"),
      text("noted"),
    ]);
    await host.run(parent.id, "start it");
    const notice = await noticeTo(bed, parent.id);
    assert.match(notice, /status="completed"/u);
    assert.match(notice, /^\| it runs$/mu);
    assert.match(notice, /^still running, started by it: proc_\w+ "left behind"$/mu);
  });

  bed.test("ten children that answer at once are all completed", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "fast" });
    model.scriptEvery("fast child", [text("quick")]);
    const launches = Array.from({ length: 10 }, (_, index) => launch(`fast child ${index}`));
    model.scriptSession(parent.id, [launches, text("started")]);
    await host.run(parent.id, "start ten");
    const reads = jobIds(bed, parent.id).map(
      (taskId) => ["getBackgroundTask", { taskId, wait: 60 }] as const,
    );
    assert.equal(reads.length, 10);
    const answers = await callTools(host, model, parent.id, reads);
    for (const answer of answers) assert.match(answer, /^bg_\w+ completed/u);
    const list = await callTool(host, model, parent.id, "listBackgroundTasks", {});
    assert.equal(list.match(/ completed · /gu)?.length, 10, list);
  });
});
