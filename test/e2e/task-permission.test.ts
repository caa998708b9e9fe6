/** `permission.task` holds for our subagents as for the host's own `task`: denied, asked, allowed by name. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { callTool } from "../../fixtures/host/index.js";
import { gate, text, toolCall } from "../../fixtures/model/index.js";
import { jobIds, launch } from "./support.js";
import { useHost } from "./use-host.js";

const subagent = (prompt: string, agent: string) => ({ description: prompt, prompt, agent });

describe("permission.task on a real host", () => {
  const bed = useHost({
    config: {
      permission: { task: { "*": "deny", explore: "allow", general: "ask", shy: "allow" } },
      agent: {
        shy: { mode: "subagent", hidden: true, description: "hidden", prompt: "you are shy" },
        alone: { mode: "primary", description: "starts none", permission: { task: "deny" } },
      },
    },
  });

  bed.test("an agent that a rule allows is started, without a question", async () => {
    const { host, model } = bed;
    const session = await host.createSession({ title: "allowed" });
    model.script("child: allowed", [text("looked")]);
    const start = subagent("child: allowed", "Explore");
    const answer = await callTool(host, model, session.id, "createBackgroundTask", start);
    assert.match(answer, /^bg_\w{10} .*agent explore/u);
  });

  bed.test(
    "a question names the agent; a rejection's words reach the model, nothing is created",
    async () => {
      const { host, model } = bed;
      const session = await host.createSession({ title: "asked" });
      model.scriptSession(session.id, [launch("child: rejected"), text("so be it")]);
      const running = host.run(session.id, "start it");
      const asked = await host.waitFor(
        "permission.asked",
        ({ sessionID, permission }) => sessionID === session.id && permission === "task",
      );
      assert.deepEqual(asked.properties.patterns, ["general"]);
      assert.deepEqual(asked.properties.always, ["*"]);
      await host.answerPermission(asked.properties.id, "reject", "not this one");
      await running;
      const results = model.turns(session.id).flatMap((turn) => turn.toolResults);
      assert.match(results.join("\n"), /not this one/u);
      assert.deepEqual(jobIds(bed, session.id), []);
      assert.deepEqual(await host.children(session.id), []);
    },
  );

  bed.test("an agent that may start none starts none, nor continues one", async () => {
    const { host, model } = bed;
    const session = await host.createSession({ title: "denied" });
    model.script("child: kept open", [[gate("never"), text("x")]]);
    const start = subagent("child: kept open", "explore");
    const begun = await callTool(host, model, session.id, "createBackgroundTask", start);
    const taskId = /bg_\w{10}/u.exec(begun)?.[0];
    const denied = await host.createSession({ title: "denied agent" });
    model.scriptSession(denied.id, [
      toolCall("createBackgroundTask", subagent("child: denied", "explore")),
      text("no"),
    ]);
    await host.run(denied.id, "start it", { agent: "alone" });
    const results = model.turns(denied.id).flatMap((turn) => turn.toolResults);
    assert.match(results.join("\n"), /prevents you from using this specific tool call|denied/u);
    assert.deepEqual(await host.children(denied.id), []);
    model.scriptSession(session.id, [
      toolCall("createBackgroundTask", { ...start, prompt: "more", taskId }),
      text("no"),
    ]);
    await host.run(session.id, "continue it", { agent: "alone" });
    const later = model.turns(session.id).flatMap((turn) => turn.toolResults);
    assert.match(later.at(-1) ?? "", /prevents you from using this specific tool call|denied/u);
  });

  bed.test("a hidden subagent is started by its exact name, and listed nowhere", async () => {
    const { host, model } = bed;
    const session = await host.createSession({ title: "hidden" });
    model.script("child: hidden", [text("psst")]);
    const start = subagent("child: hidden", "shy");
    const answer = await callTool(host, model, session.id, "createBackgroundTask", start);
    assert.match(answer, /agent shy/u);
    const wrong = { ...start, agent: "Shy" };
    const refused = await callTool(host, model, session.id, "createBackgroundTask", wrong);
    assert.match(refused, /agent: expected one of explore, general, got "Shy"/u);
  });
});
