/** The first promise: a subagent runs in the background on a real host, and its parent hears how it ended. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { callTool } from "../../fixtures/host/index.js";
import { gate, httpError, text, toolCall } from "../../fixtures/model/index.js";
import { firstJob, launch, noticeTo } from "./support.js";
import { shareServer, useProject } from "./use-host.js";

shareServer();

describe("a subagent on a real host", () => {
  const bed = useProject({ config: { snapshot: true } });

  bed.test("counts two tool calls, completes, and its parent answers the notice", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "two calls" });
    model.script("child: two calls", [
      toolCall("bash", { command: "echo one", description: "one" }),
      toolCall("bash", { command: "echo two", description: "two" }),
      [gate("two calls"), text("I looked twice.")],
    ]);
    model.scriptSession(parent.id, [
      launch("child: two calls"),
      text("I started it."),
      text("Thank you, child."),
    ]);
    await host.run(parent.id, "please research");
    const id = firstJob(bed, parent.id);
    const [child] = await host.children(parent.id);
    assert.equal(child?.title, "child: two calls (@general in the background)");
    model.open("two calls");
    const notice = await noticeTo(bed, parent.id);
    assert.match(
      notice,
      new RegExp(`<background_job id="${id}" kind="subagent" status="completed"`),
    );
    assert.match(notice, /tool calls: 2/u);
    assert.match(notice, /^\| I looked twice\.$/mu);
    await host.waitFor(
      "message.part.updated",
      ({ part }) => part.type === "text" && part.text === "Thank you, child.",
    );
    const answer = await callTool(host, model, parent.id, "getBackgroundTask", { taskId: id });
    assert.match(answer, new RegExp(`^${id} completed · .*2 tool calls`, "u"));
    assert.match(answer, /I looked twice\.$/u);
  });

  bed.test("fails with the provider's name, status and message", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "provider error" });
    model.script("child: refused", [httpError(401)]);
    model.scriptSession(parent.id, [launch("child: refused"), text("started"), text("noted")]);
    await host.run(parent.id, "please fail");
    const notice = await noticeTo(bed, parent.id);
    assert.match(notice, /status="failed"/u);
    assert.match(notice, /error: scripted: HTTP 401: .*scripted 401/u);
  });

  bed.test("refuses an unknown agent and names the valid ones", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "unknown agent" });
    const answer = await callTool(host, model, parent.id, "createBackgroundTask", {
      description: "x",
      prompt: "y",
      agent: "unknown",
    });
    assert.match(answer, /agent: expected one of explore, general, got "unknown"/u);
    assert.deepEqual(await host.children(parent.id), []);
  });

  bed.test("is offered with the names of the project's agents in the definition", async () => {
    const { host, model } = bed;
    const session = await host.createSession({ title: "agents" });
    await host.run(session.id, "what can you do?");
    const shown = model.turns(session.id)[0]?.tools ?? [];
    const ours = shown.find((tool) => tool.function.name === "createBackgroundTask");
    assert.match(JSON.stringify(ours), / Agents: explore, general\./u);
  });

  bed.test("costs the model at most 6,000 characters of JSON for all its tools", async () => {
    const { host, model } = bed;
    const session = await host.createSession({ title: "size" });
    await host.run(session.id, "what can you do?");
    const shown = model.turns(session.id)[0]?.tools ?? [];
    const ours = shown.filter((tool) => /Background|killProcesses/u.test(tool.function.name));
    assert.equal(ours.length, 9);
    // The agents' names are the project's, and counted apart: at most 600.
    const size = JSON.stringify(ours).replace(/ Agents: [^"]*/u, "").length;
    assert.ok(size <= 6_000, `${size} characters`);
  });

  bed.test("keeps a parent in plan when its notice comes", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "plan" });
    model.script("child: plan", [[gate("plan"), text("planned")]]);
    model.scriptSession(parent.id, [
      launch("child: plan"),
      text("started"),
      text("still planning"),
      text("after"),
    ]);
    await host.run(parent.id, "start in build");
    await host.run(parent.id, "now plan", { agent: "plan", model: "m2" });
    model.open("plan");
    await noticeTo(bed, parent.id);
    const last = (await host.userMessages(parent.id)).at(-1);
    assert.equal(last?.agent, "plan");
    assert.equal(last?.model.modelID, "m2");
  });
});
