/** Jobs that belong together, on a real host. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { forever, gate, httpError, text, toolCall } from "../../fixtures/model/index.js";
import { jobIds, launch, noticesIn, noticeTo, timesTold } from "./support.js";
import { shareServer, useProject } from "./use-host.js";

shareServer();

describe("a group", () => {
  const bed = useProject({ pluginOptions: { concurrency: 20, maxRunning: 20 } });

  bed.test("of twelve subagents wakes its parent once", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "twelve" });
    const name = "child: twelve";
    const launches = Array.from({ length: 12 }, (_, index) =>
      launch(`${name} ${index}`, { group: "audit" }),
    );
    for (const index of launches.keys()) {
      model.script(`${name} ${index}`, [[gate(`twelve ${index}`), text(`answer ${index}`)]]);
    }
    model.scriptSession(parent.id, [launches, text("started"), forever(text("noted"))]);
    await host.run(parent.id, "start them");
    const ids = jobIds(bed, parent.id);
    assert.equal(ids.length, 12);
    const from = model.cursor;
    // One after the other, each when the one before it has ended.
    const children = await host.children(parent.id);
    for (const index of launches.keys()) {
      const child = children.find(({ title }) => title.startsWith(`${name} ${index} `));
      assert.ok(child);
      model.open(`twelve ${index}`);
      await host.waitFor("session.idle", ({ sessionID }) => sessionID === child.id);
    }
    const notice = await noticeTo(bed, parent.id, /group "audit": 12\/12 done/u);
    await host.waitIdle(parent.id);
    for (const id of ids) assert.match(notice, new RegExp(`id="${id}"`, "u"));
    const turns = model.turns(parent.id).filter(({ index }) => index >= from);
    assert.equal(turns.length, 1, "one turn");
    for (const id of ids) assert.equal(timesTold(bed, parent.id, id), 1);
  });

  bed.test("tells of what fails at once, and is read as one", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "mixed" });
    model.script("child: mixed good", [[gate("good"), text("the good answer")]]);
    model.script("child: mixed bad", [[gate("bad"), httpError(401)]]);
    model.scriptSession(parent.id, [
      [
        launch("child: mixed good", { group: "mixed" }),
        launch("child: mixed bad", { group: "mixed" }),
        toolCall("createBackgroundProcess", { command: "echo printed", group: "mixed" }),
        toolCall("createBackgroundProcess", {
          command: "echo listening; exec sleep 600",
          name: "server",
          readyPattern: "listening",
          group: "mixed",
        }),
      ],
      text("started"),
      text("heard of the failure"),
      toolCall("getBackgroundTask", { group: "mixed", wait: 60 }),
      toolCall("listBackgroundTasks", { group: "mixed" }),
      toolCall("killProcesses", { group: "mixed" }),
      forever(text("noted")),
    ]);
    await host.run(parent.id, "start them");
    model.open("bad");
    const early = await noticeTo(bed, parent.id, /failed: .*401/u);
    assert.match(early, /^group "mixed": 3\/4 done, 1 running, 1 failed$/mu);
    assert.doesNotMatch(early, /<background_job/u);
    await host.waitIdle(parent.id);
    const waits = model.cursor;
    await host.prompt(parent.id, "wait for them");
    await model.waitForRequest(({ conversation }) => conversation === parent.id, { from: waits });
    model.open("good");
    const last = await model.waitForRequest(
      ({ conversation, toolResults }) =>
        conversation === parent.id && toolResults.some((each) => each.includes("no process of it")),
    );
    await host.waitIdle(parent.id);
    const answers = last.toolResults.slice(-3);
    const [waited = "", listed = "", killed = ""] = answers;
    assert.match(waited, /^group "mixed": 4\/4 done, 1 failed$/mu);
    assert.match(waited, /^\| the good answer$/mu);
    assert.match(waited, /^\| printed$/mu);
    assert.match(listed, /^group "mixed": 2\/2 done, 1 failed$/mu);
    assert.match(killed, /"server".*no process of it is left/u);
    assert.equal(killed.split("\n").length, 1, "only the server ran");
    const told = model.turns(parent.id).at(-1);
    assert.ok(told);
    const whole = noticesIn(told).filter((notice) => notice.includes("the good answer"));
    assert.deepEqual(whole, [], "the answer has said it");
  });
});
