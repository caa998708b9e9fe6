/** Jobs that come after others, on a real host. */
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe } from "node:test";
import { forever, gate, httpError, text, toolCall } from "../../fixtures/model/index.js";
import { jobIds, launch, noticeTo, timesTold } from "./support.js";
import { shareServer, useProject } from "./use-host.js";

shareServer();

const process = (name: string, command: string, extra: object = {}) =>
  toolCall("createBackgroundProcess", { name, command, ...extra });

describe("jobs that come after others", () => {
  const bed = useProject({ pluginOptions: { concurrency: 1, maxRunning: 1 } });

  bed.test(
    "research, then implement, then review: each is given what the one before said",
    async () => {
      const { host, model } = bed;
      const parent = await host.createSession({ title: "chain" });
      model.script("chain: look", [[gate("research"), text("the cache is wrong")]]);
      const implement = model.script(
        ({ firstUserText }) => firstUserText.endsWith("chain: mend"),
        [text("mended in cache.ts")],
      );
      model.script(
        ({ firstUserText }) => firstUserText.endsWith("chain: check"),
        [text("looks good")],
      );
      model.scriptSession(parent.id, [
        launch("chain: look", { description: "chain research", group: "chain" }),
        launch("chain: mend", {
          description: "chain mend",
          after: ["chain research"],
          group: "chain",
        }),
        launch("chain: check", { after: "chain mend", group: "chain" }),
        text("started"),
        forever(text("noted")),
      ]);
      await host.run(parent.id, "start them");
      const from = model.cursor;
      assert.equal((await host.children(parent.id)).length, 1, "the others have not begun");
      model.open("research");
      const notice = await noticeTo(bed, parent.id, /group "chain": 3\/3 done/u);
      await host.waitIdle(parent.id);
      assert.match(notice, /^\| looks good$/mu);
      const [mend = "", check = ""] = ["chain: mend", "chain: check"].map(
        (end) => model.turns(({ firstUserText }) => firstUserText.endsWith(end))[0]?.firstUserText,
      );
      assert.match(mend, /^bg_\w+ "chain research" \(agent general\):\n\| the cache is wrong$/mu);
      assert.match(check, /^\| mended in cache\.ts$/mu);
      assert.deepEqual(implement.left, []);
      const turns = model.turns(parent.id).filter(({ index }) => index >= from);
      assert.equal(turns.length, 1, "no turn of the parent between");
    },
  );

  bed.test(
    "where the second of three fails the third never starts, and the parent is told why",
    async () => {
      const { host, model } = bed;
      const parent = await host.createSession({ title: "broken chain" });
      model.script("broken: one", [text("one is done")]);
      model.script(
        ({ firstUserText }) => firstUserText.endsWith("broken: two"),
        [[gate("two"), httpError(401)]],
      );
      model.scriptSession(parent.id, [
        launch("broken: one", { description: "b1" }),
        launch("broken: two", { description: "b2", after: ["b1"] }),
        launch("broken: three", { description: "b3", after: ["b2"] }),
        text("started"),
        forever(text("noted")),
      ]);
      await host.run(parent.id, "start them");
      model.open("two");
      const ids = jobIds(bed, parent.id);
      const notice = await noticeTo(bed, parent.id, /dependency_failed/u);
      await host.waitIdle(parent.id);
      assert.match(
        notice,
        new RegExp(`id="${ids[2]}".* status="cancelled" reason="dependency_failed"`, "u"),
      );
      assert.match(notice, new RegExp(`it was to come after ${ids[1]} "b2", which is failed`, "u"));
      assert.equal(timesTold(bed, parent.id, ids[2] ?? ""), 1);
      assert.equal((await host.children(parent.id)).length, 2);
    },
  );

  bed.test(
    "a server that becomes ready starts its tests; a diamond ends with its last",
    async () => {
      const { host, model } = bed;
      const parent = await host.createSession({ title: "diamond" });
      const log = join(host.project, "log");
      const go = join(host.project, "go");
      const line = (word: string) => `echo ${word} >> ${log}`;
      model.scriptSession(parent.id, [
        process(
          "server",
          `until [ -e ${go} ]; do sleep 0.1; done; ${line("server")}; echo listening; exec sleep 600`,
          {
            readyPattern: "listening",
            readyTimeoutSeconds: 1,
          },
        ),
        process("left", line("left"), { after: ["server"] }),
        process("right", line("right"), { after: ["server"] }),
        process("last", line("last"), { after: ["left", "right"] }),
        toolCall("listBackgroundProcesses", { status: "pending" }),
        text("started"),
        forever(text("noted")),
      ]);
      await host.run(parent.id, "start them");
      const listed = model.turns(parent.id).at(-1)?.toolResults.at(-1) ?? "";
      assert.equal(listed.match(/^proc_\w+ pending .*after proc_/gmu)?.length, 3);
      assert.ok(!existsSync(log));
      writeFileSync(go, "");
      const [, , , last = ""] = jobIds(bed, parent.id);
      await noticeTo(bed, parent.id, new RegExp(`id="${last}"[^>]*status="completed"`, "u"));
      const [first, ...rest] = readFileSync(log, "utf8").trim().split("\n");
      assert.equal(first, "server");
      assert.deepEqual(rest.slice(0, 2).toSorted(), ["left", "right"]);
      assert.deepEqual(rest.slice(2), ["last"]);
    },
  );
});
