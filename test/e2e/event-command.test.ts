/** Option onEvent on a real host: the user's command reads how a process and a subagent ended. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe } from "node:test";
import { fileURLToPath } from "node:url";
import { callTool } from "../../fixtures/host/index.js";
import { text } from "../../fixtures/model/index.js";
import { seenIn } from "../fakes/file-events.js";
import { firstJob, launch, noticeTo } from "./support.js";
import { shareServer, useProject } from "./use-host.js";

shareServer();

const APPEND = fileURLToPath(new URL("../../fixtures/programs/append-stdin.mjs", import.meta.url));

describe("onEvent on a real host", () => {
  const folder = mkdtempSync(join(tmpdir(), "obm-event-e2e-"));
  const file = join(folder, "events");
  after(() => rmSync(folder, { recursive: true, force: true }));
  const bed = useProject({ pluginOptions: { onEvent: [process.execPath, APPEND, file] } });

  const eventOf = async (id: string): Promise<Record<string, unknown>> => {
    const isOf = (line: string) => line.includes(`"id":"${id}"`);
    return JSON.parse(await seenIn(folder, () => readLines(file).find(isOf)));
  };

  bed.test(
    "a failed process and a subagent: one line each, without command and result",
    async () => {
      const { host, model } = bed;
      const session = await host.createSession({ title: "outside word" });
      model.script("child: outside", [text("THE RESULT")]);
      model.scriptSession(session.id, [launch("child: outside"), text("started"), text("noted")]);
      await host.run(session.id, "go");
      const child = firstJob(bed, session.id);
      await noticeTo(bed, session.id);
      const started = await callTool(host, model, session.id, "createBackgroundProcess", {
        command: "sleep 0.1; exit 3 # SECRET",
        name: "breaks",
      });
      const id = /proc_\w{10}/u.exec(started)?.[0] ?? "";
      const ended = await eventOf(id);
      assert.equal(ended["event"], "ended");
      assert.equal(ended["status"], "failed");
      assert.equal(ended["exitCode"], 3);
      assert.equal(ended["name"], "breaks");
      assert.equal(ended["folder"], host.project);
      assert.equal(ended["sessionID"], session.id);
      assert.equal(ended["sessionTitle"], "outside word");
      const answered = await eventOf(child);
      assert.equal(answered["status"], "completed");
      assert.equal(answered["kind"], "subagent");
      assert.doesNotMatch(readLines(file).join("\n"), /SECRET|THE RESULT/u);
    },
  );
});

function readLines(file: string): string[] {
  try {
    return readFileSync(file, "utf8").split("\n").slice(0, -1);
  } catch {
    return [];
  }
}
