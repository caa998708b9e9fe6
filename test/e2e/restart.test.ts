/** Processes that run again, on a real host: asked for by the agent with the user's permission, and by their policy. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { callTool } from "../../fixtures/host/index.js";
import { text, toolCall } from "../../fixtures/model/index.js";
import { firstJob, noticeTo } from "./support.js";
import { useHost } from "./use-host.js";

const bed = useHost({
  config: { permission: { bash: { "*": "allow", "*forbidden*": "deny" } } },
});

describe("a process that runs again", () => {
  bed.test("by its id, changed by what is given; a refusal leaves it running", async () => {
    const { host, model } = bed;
    const { id: session } = await host.createSession({ title: "again" });
    const call = (tool: string, args: object) => callTool(host, model, session, tool, args);
    const command = 'echo "hello $NAME"; exec sleep 300';
    const env = { NAME: "one" };
    await call("createBackgroundProcess", { command, env, readyPattern: "hello" });
    const processId = firstJob(bed, session);
    const refused = await call("createBackgroundProcess", { processId, command: "echo forbidden" });
    assert.match(refused, /denied/iu);
    assert.match(
      await call("listBackgroundProcesses", {}),
      new RegExp(`${processId} running`, "u"),
    );
    const again = await call("createBackgroundProcess", { processId });
    assert.match(
      again,
      new RegExp(`^${processId} running.* · run 2 · .*\n?Ready: hello one`, "mu"),
    );
    await call("createBackgroundProcess", { processId, env: { NAME: "two" } });
    const first = await call("getBackgroundProcess", { processId, run: 1 });
    assert.match(first, /^run 1: cancelled \(cancelled_by_agent\)[^]*^\| hello one$/mu);
    assert.match(await call("getBackgroundProcess", { processId }), /^\| hello two$/mu);
    const unknown = await call("getBackgroundProcess", { processId, run: 9 });
    assert.match(unknown, /run: expected one that is kept \(1, 2, 3\), got 9/u);
    const none = await call("createBackgroundProcess", {});
    assert.match(none, /command: expected a text, or processId/u);
    await call("killProcesses", { processId });
    assert.deepEqual(await host.survivors(0, "sleep 300"), []);
  });

  bed.test(
    "by its policy: a server that crashes twice recovers, and no notice tells of it",
    async () => {
      const { host, model } = bed;
      const { id: session } = await host.createSession({ title: "recovers" });
      const command =
        "if mkdir one; then exit 1; fi; if mkdir two; then exit 1; fi; echo listening; sleep 301";
      const started = await callTool(host, model, session, "createBackgroundProcess", {
        command,
        restart: "on-failure",
        readyPattern: "listening",
      });
      assert.match(started, /running.* · run 3 · restarted 2×, last exit 1 · /u);
      const processId = firstJob(bed, session);
      await callTool(host, model, session, "killProcesses", { processId });
      const turns = model.turns(session).flatMap(({ userTexts }) => userTexts);
      assert.ok(!turns.some((each) => each.includes("[Automatic event")));
    },
  );

  bed.test(
    "too often: one notice says how often, in what time, and quotes the last lines",
    async () => {
      const { host, model } = bed;
      const { id: session } = await host.createSession({ title: "loop" });
      model.scriptSession(session, [
        toolCall("createBackgroundProcess", {
          command: "echo no such config; exit 4",
          restart: "always",
        }),
        text("started"),
        text("noted"),
        text("noted"),
      ]);
      await host.run(session, "start it");
      const notice = await noticeTo(bed, session, /background_job/u, 120_000);
      assert.match(notice, /status="failed" reason="crash_loop"/u);
      assert.match(notice, /restarted 5×, last exit 4/u);
      assert.match(notice, /^error: it ended 6 times in .*, the last time with exit 4; /mu);
      assert.match(notice, /^\| no such config$/mu);
      const notices = model
        .turns(session)
        .flatMap(({ userTexts }) => userTexts.filter((each) => each.includes("[Automatic event")));
      assert.equal(new Set(notices).size, 1);
    },
  );

  bed.test("one that leaves something running with & is told how to start it", async () => {
    const { host, model } = bed;
    const { id: session } = await host.createSession({ title: "ampersand" });
    const answer = await callTool(host, model, session, "createBackgroundProcess", {
      command: "nohup sleep 302 &",
      readyPattern: "never printed",
      readyTimeoutSeconds: 60,
    });
    assert.match(answer, /^Its shell ended, so what it had left running was ended.*without &/mu);
    assert.deepEqual(await host.survivors(0, "sleep 302"), []);
  });
});
