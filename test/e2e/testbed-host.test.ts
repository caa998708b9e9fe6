// Shows that a host which cannot be believed is noticed: one that leaves processes behind, and one
// that started without its plugin.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { PACKAGE_ROOT, startHost, type Host } from "../../fixtures/host/index.js";
import { ScriptedModel, text, toolCall } from "../../fixtures/model/index.js";

void test("a host that is disposed of leaves nothing, and says when something was left", async () => {
  const model = await ScriptedModel.start();
  try {
    const host = await startHost({ model, plugins: [] });
    const session = await host.createSession({ title: "leaves something" });
    const command = "setsid sleep 1000 >/dev/null 2>&1 & echo started";
    model.script("leave it", [toolCall("bash", { command, description: "x" }), text("left")]);
    await host.run(session.id, "leave it");
    await assertLeft(host, /sleep 1000/);
    assert.equal(existsSync(host.folders.scratch), false);
    assert.deepEqual(await host.survivors(1_000), []);
    await assert.rejects(fetch(host.url));
  } finally {
    await model.close();
  }
});

void test("a host does not start without its plugin", async () => {
  const model = await ScriptedModel.start();
  try {
    const missing = startHost({ model, plugins: ["/nowhere/plugin.js"] });
    await assert.rejects(missing, /cannot be imported/);
    const broken = join(PACKAGE_ROOT, "fixtures/plugins/broken.js");
    await assert.rejects(
      startHost({ model, plugins: [broken] }),
      /failed to load plugin.*on purpose/,
    );
  } finally {
    await model.close();
  }
});

async function assertLeft(host: Host, command: RegExp): Promise<void> {
  if (process.platform === "linux") await assert.rejects(host.dispose(200), command);
  else await host.dispose(200);
}
