/** A running subagent, on a real host: instructions that are refused, calls that wait for it, a run without an end. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { callTool, callTools, type HostRequest } from "../../fixtures/host/index.js";
import { finish, forever, gate, text, toolCall } from "../../fixtures/model/index.js";
import { carries, childTold, firstJob, launch, noticeTo, PROMPT_URL } from "./support.js";
import { shareServer, useFaultyProject, type FaultyBed } from "./use-host.js";

shareServer();

describe("a running subagent", () => {
  const bed = useFaultyProject({
    config: {
      agent: { asker: { mode: "subagent", description: "asks", permission: { bash: "ask" } } },
    },
  });

  for (const [which, refused] of [
    ["both", ["one", "two"]],
    ["the first", ["one"]],
    ["the second", ["two"]],
  ] as const) {
    bed.test(`that gets two instructions at once, ${which} refused by the host`, async () => {
      const { host, model, faults } = bed;
      const parent = await host.createSession({ title: `refused: ${which}` });
      const prompt = `task with two instructions, ${which} refused`;
      const child = childTold(bed, prompt);
      const words = (name: string) => `instruction ${name} of ${which}`;
      const isInstruction = ({ url, body }: HostRequest, name: string): boolean =>
        child() !== "" && url === `/session/${child()}${PROMPT_URL}` && carries(body, words(name));
      // Each is answered only when both were sent.
      const sent = (name: string) =>
        faults.requests.waitFor((request) => isInstruction(request, name), { what: words(name) });
      faults.onRequest((request) => {
        const name = ["one", "two"].find((each) => isInstruction(request, each));
        if (name === undefined) return undefined;
        const isRefused = refused.some((each) => each === name);
        return Promise.all([sent("one"), sent("two")]).then(() =>
          isRefused ? { send: { body: { ...request.body, parts: 5 } } } : undefined,
        );
      });
      model.script(prompt, [
        [gate(prompt), toolCall("bash", { command: "true", description: "x" })],
        text("the answer to all"),
      ]);
      model.scriptSession(parent.id, [launch(prompt), text("started"), forever(text("noted"))]);
      await host.run(parent.id, "start it");
      const taskId = firstJob(bed, parent.id);
      const answers = await callTools(
        host,
        model,
        parent.id,
        ["one", "two"].map((name) => [
          "createBackgroundTask",
          { taskId, description: "more", prompt: words(name), agent: "general" },
        ]),
      );
      for (const [index, name] of (["one", "two"] as const).entries()) {
        const isRefused = refused.some((each) => each === name);
        const expected = isRefused ? /could not prompt session.*HTTP 400/u : /^bg_\w+ running/u;
        assert.match(answers[index] ?? "", expected, name);
      }
      model.open(prompt);
      const notice = await noticeTo(bed, parent.id);
      assert.match(notice, /status="completed"/u);
      assert.match(notice, /^\| the answer to all$/mu);
      assert.equal((await host.userMessages(child())).length, 3 - refused.length);
      for (const name of ["one", "two"]) {
        const requests = faults.requests.items.filter((request) => isInstruction(request, name));
        assert.equal(requests.length, 1, `${name} was sent more than once`);
      }
    });
  }

  bed.test("that asks for a permission ends the call that waits for it", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "asking" });
    model.script("asking task", [
      [gate("ask"), toolCall("bash", { command: "echo asked", description: "x" })],
      text("went on"),
    ]);
    model.scriptSession(parent.id, [
      launch("asking task", { agent: "asker" }),
      text("started"),
      forever(text("noted")),
    ]);
    await host.run(parent.id, "start it");
    const taskId = firstJob(bed, parent.id);
    const waiting = callTool(host, model, parent.id, "getBackgroundTask", { taskId, wait: 600 });
    await callRuns(bed, parent.id);
    model.open("ask");
    const answer = await waiting;
    assert.match(answer, new RegExp(`^${taskId} running`, "u"));
    assert.match(answer, /permission.*bash: echo asked/u);
    const asked = await host.waitFor("permission.asked");
    await host.answerPermission(asked.properties.id, "once");
    assert.match(await noticeTo(bed, parent.id, /status="completed"/u), /^\| went on$/mu);
  });

  bed.test("whose parent is written to by its user ends the call that waits for it", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "written to" });
    model.script("unhurried task", [[gate("unhurried"), text("the answer")]]);
    model.scriptSession(parent.id, [
      launch("unhurried task"),
      text("started"),
      forever(text("noted")),
    ]);
    await host.run(parent.id, "start it");
    const taskId = firstJob(bed, parent.id);
    const waiting = callTool(host, model, parent.id, "getBackgroundTask", { taskId, wait: 600 });
    await callRuns(bed, parent.id);
    await host.prompt(parent.id, "are you there?");
    assert.match(await waiting, new RegExp(`^${taskId} running`, "u"));
    model.open("unhurried");
    assert.match(await noticeTo(bed, parent.id), /^\| the answer$/mu);
  });

  bed.test("whose provider never gives a finish reason is told once, as stalled", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "endless" });
    const steps = 14;
    let asked = 0;
    model.script("endless task", [
      forever(() => {
        asked += 1;
        return asked < steps
          ? [text(`step ${asked}`), finish(null)]
          : [gate("endless"), text("at last")];
      }),
    ]);
    model.scriptSession(parent.id, [
      launch("endless task"),
      text("started"),
      forever(text("noted")),
    ]);
    await host.run(parent.id, "start it");
    const taskId = firstJob(bed, parent.id);
    const notice = await noticeTo(bed, parent.id, /finish reason/u);
    assert.match(notice, /10 steps in a row without a finish reason from its provider/u);
    await model.waitForRequest(() => asked === steps);
    const look = await callTool(host, model, parent.id, "getBackgroundTask", { taskId });
    assert.match(look, /^bg_\w+ running/u);
    model.open("endless");
    const end = await noticeTo(bed, parent.id, /status="completed"/u);
    assert.match(end, /^\| at last$/mu);
    const all = model.turns(parent.id).at(-1)?.userTexts.join("\n") ?? "";
    assert.equal(all.match(/without a finish reason/gu)?.length, 1);
  });
});

/** Resolves when a call of getBackgroundTask runs in this session. */
async function callRuns({ host }: FaultyBed, sessionID: string): Promise<void> {
  await host.waitFor(
    "message.part.updated",
    ({ part }) =>
      part.sessionID === sessionID &&
      part.type === "tool" &&
      part.tool === "getBackgroundTask" &&
      part.state.status === "running",
  );
}
