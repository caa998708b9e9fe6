/** A server that asks its clients for a password: the plugin works as without, and writes the password nowhere. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe } from "node:test";
import { gate, text, toolCall } from "../../fixtures/model/index.js";
import { firstJob, held, launch, noticeTo, timesTold } from "./support.js";
import { useHost } from "./use-host.js";

describe("on a server with a password", () => {
  const password = randomUUID();
  const bed = useHost({ password });

  bed.test("a stranger is refused; subagent and process run, and their ends are told", async () => {
    const { host, model } = bed;
    const stranger = await fetch(`${host.url}/session`);
    assert.equal(stranger.status, 401);
    const parent = await host.createSession({ title: "guarded" });
    const { command, go } = held(bed, "echo the guarded output");
    model.script("child of guarded", [[gate("guarded"), text("the guarded answer")]]);
    model.scriptSession(parent.id, [
      launch("child of guarded"),
      text("started"),
      text("noted"),
      toolCall("createBackgroundProcess", { command }),
      text("started"),
      text("noted"),
    ]);
    await host.run(parent.id, "start the child");
    model.open("guarded");
    assert.match(await noticeTo(bed, parent.id), /^\| the guarded answer$/mu);
    await host.waitIdle(parent.id);
    await host.run(parent.id, "start the process");
    go();
    assert.match(await noticeTo(bed, parent.id, /kind="process"/u), /^\| the guarded output$/mu);
    assert.equal(timesTold(bed, parent.id, firstJob(bed, parent.id)), 1);
    await host.stop();
    const files = readdirSync(host.state, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ path, name }) => join(path, name));
    assert.deepEqual(
      files.filter((file) => readFileSync(file).includes(password)),
      [],
    );
  });
});
