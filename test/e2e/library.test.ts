/** The library entry as a program of its own uses it: a real OpenCode without the plugin, the SDK's client, no more. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe } from "node:test";
import { gate, text } from "../../fixtures/model/index.js";
import { openBackground } from "../../src/manager.js";
import { noticeTo } from "./support.js";
import { useHost } from "./use-host.js";

describe("the library", () => {
  const bed = useHost({ plugins: [] });
  const stateFolder = mkdtempSync(join(tmpdir(), "library-"));
  after(() => rmSync(stateFolder, { recursive: true }));

  bed.test("tells an idle session what became of what was started for it", async () => {
    const { host, model } = bed;
    const { client } = host;
    const parent = await host.createSession({ title: "idle since before the library was opened" });
    const parentSessionID = parent.id;
    model.scriptSession(parent.id, [text("hello"), text("noted"), text("noted, too")]);
    await host.run(parent.id, "hello");

    const directory = host.project;
    const background = openBackground({ client, directory, stateFolder });
    const { tasks, processes } = background;
    const { stream } = await client.event.subscribe();
    const listening = (async () => {
      for await (const event of stream) background.handleEvent(event);
    })();
    try {
      model.script("research it", [[gate("launched"), text("the answer")]]);
      const prompt = "research it";
      const { task } = await tasks.launch({
        description: "Research",
        prompt,
        agent: "general",
        parentSessionID,
      });
      assert.equal(task.status, "running");
      model.open("launched");
      await tasks.wait(task.id, 60_000);
      const ended = tasks.getTask(task.id) ?? assert.fail();
      assert.equal(ended.status, "completed");
      assert.equal((await tasks.result(ended)).text, "the answer");
      assert.match(await noticeTo(bed, parent.id, /Research/u), /^\| the answer$/mu);

      const sessions = { parentSessionID, rootSessionID: parentSessionID };
      const command = "echo printed; exit 3";
      const { job } = await processes.create({ command, cwd: directory, ...sessions });
      assert.match(await noticeTo(bed, parent.id, /exit code: 3/u), /^\| printed$/mu);
      assert.equal((await processes.read(job.id)).text, "printed");
    } finally {
      await background.dispose();
      await stream.return(undefined);
      await listening;
    }
  });
});
