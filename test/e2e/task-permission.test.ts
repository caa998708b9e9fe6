/** The user's rules about subagents hold for ours as for the host's own task tool, on a real host. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { text, toolCall } from "../../fixtures/model/index.js";
import { shareServer, useProject, type Bed } from "./use-host.js";

shareServer();

const agent = (permission: object) => ({ mode: "primary", description: "a caller", permission });

/** What the model was answered, called by an agent of the project. */
async function start(bed: Bed, caller: string, wanted: string): Promise<() => Promise<string>> {
  const { host, model } = bed;
  const session = await host.createSession({ title: `${caller} starts ${wanted}` });
  const id = `call_${session.id}`;
  const args = { description: "work", prompt: "a small task", agent: wanted };
  let answer = "";
  model.scriptSession(session.id, [
    toolCall("createBackgroundTask", args, id),
    (request) => {
      answer = request.toolResult(id);
      return text("seen");
    },
    text("noted"),
  ]);
  const run = host.run(session.id, "start it", { agent: caller });
  return async () => {
    await run;
    const children = await host.children(session.id);
    return `${children.length} started: ${answer}`;
  };
}

describe("the permission task", () => {
  const bed = useProject({
    config: {
      agent: {
        never: agent({ task: "deny" }),
        narrow: agent({ task: { "*": "deny", explore: "allow" } }),
        asks: agent({ task: "ask" }),
        ours: agent({ createBackgroundTask: { general: "deny" } }),
      },
    },
  });

  bed.test("deny: nothing is started, and the model is told of the rule", async () => {
    const answered = await start(bed, "never", "general");
    assert.match(await answered(), /^0 started: .*rule/su);
  });

  bed.test("of one agent only: that one is started in any case, another is not", async () => {
    assert.match(await (await start(bed, "narrow", "general"))(), /^0 started: .*rule/su);
    assert.match(await (await start(bed, "narrow", "Explore"))(), /^1 started: bg_\w+ running/u);
  });

  bed.test("plan's built-in denial of general holds", async () => {
    assert.match(await (await start(bed, "plan", "general"))(), /^0 started: .*rule/su);
  });

  bed.test("a rule about createBackgroundTask is by the agent", async () => {
    assert.match(await (await start(bed, "ours", "general"))(), /^0 started: .*rule/su);
    assert.match(await (await start(bed, "ours", "explore"))(), /^1 started: bg_\w+ running/u);
  });

  bed.test(
    "ask: the question names the agent, and a rejection's words reach the model",
    async () => {
      const answered = await start(bed, "asks", "General");
      const { properties } = await bed.host.waitFor("permission.asked", () => true);
      assert.equal(properties.permission, "task");
      assert.deepEqual(properties.patterns, ["general"]);
      assert.deepEqual(properties.always, ["*"]);
      await bed.host.answerPermission(properties.id, "reject", "take explore for this");
      assert.match(await answered(), /^0 started: .*take explore for this/su);
    },
  );
});
