// The terminal part attached to a server: jobs are seen on the same machine, whatever the terminal's own
// folders are; what runs elsewhere is said to be out of sight; and parts that are broken on purpose
// leave the host's screen alone.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { callTool, PACKAGE_ROOT, startHost, type Host } from "../../fixtures/host/index.js";
import { ScriptedModel } from "../../fixtures/model/index.js";
import { buildPart } from "../../fixtures/tui/build-part.js";
import { noTerminalReason, type Terminal } from "../../fixtures/tui/terminal.js";
import { startTui, type Tui } from "../../fixtures/tui/tui.js";

const skip = (await noTerminalReason()) ?? false;
const options = { timeout: 180_000 };

void describe("a terminal attached to a server", { skip }, () => {
  let model: ScriptedModel | undefined;
  let host: Host | undefined;
  let tui: Tui | undefined;

  before(async () => {
    model = await ScriptedModel.start();
    host = await startHost({ model });
    const session = await host.createSession({ title: "Attached" });
    const command = "echo listening; sleep 1000";
    const ready = { readyPattern: "listening", name: "far server" };
    await callTool(host, model, session.id, "createBackgroundProcess", { command, ...ready });
    tui = await startTui({
      model,
      project: host.project,
      plugins: [],
      moreParts: [
        await buildPart(join(PACKAGE_ROOT, "fixtures/tui/odd-parts.ts"), host.folders.scratch),
      ],
      args: ["attach", host.url, "--dir", host.project, "--session", session.id],
    });
  }, options);
  after(async () => {
    try {
      await tui?.end();
      await host?.dispose();
    } finally {
      await model?.close();
    }
  }, options);

  const terminal = (): Terminal => {
    if (!tui) throw new Error("there is no terminal");
    return tui.terminal;
  };

  test("shows the server's jobs, read from the server's folder", options, async () => {
    await terminal().waitFor(/● far server +\d+s *\n.*pid \d+ · ready/);
  });

  test("a broken part says so and nothing else happens", options, async () => {
    await terminal().waitFor(/Background: cannot be shown/);
    await terminal().waitFor(/● far server/);
  });

  test("jobs of a server on another machine are said to be out of sight", options, async () => {
    await terminal().waitFor(/Jobs run on another machine/);
    await command("remotejobs", /The jobs of far\.example\.com cannot be shown/);
    await terminal().press("Escape");
    await terminal().waitGone(/far\.example\.com/);
  });

  test("a broken list says so, and can be left", options, async () => {
    await command("brokenjobs", /This cannot be shown\./);
    await terminal().press("Escape");
    await terminal().waitGone(/This cannot be shown/);
  });

  test("a broken log view says so, and can be left", options, async () => {
    await command("brokenlog", /The log cannot be shown\./);
    await terminal().press("C-p");
    await terminal().waitFor(/Commands/);
    await terminal().press("Escape");
    await terminal().waitGone(/Commands/);
    assert.ok(await terminal().running());
  });

  const command = async (name: string, expected: RegExp): Promise<void> => {
    await terminal().type(`/${name}`);
    await terminal().waitFor((screen) => screen.includes(`/${name} `));
    await terminal().press("Enter");
    await terminal().waitFor(expected);
  };
});
