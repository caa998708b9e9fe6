// The terminal part attached to a server: jobs are seen on the same machine, whatever the terminal's own
// folders are; what runs elsewhere is said to be out of sight; and parts that are broken on purpose
// leave the host's screen alone.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { callTool, PACKAGE_ROOT, startHost, type Host } from "../../fixtures/host/index.js";
import { ScriptedModel, text, toolCall } from "../../fixtures/model/index.js";
import { buildPart } from "../../fixtures/tui/build-part.js";
import { aSubagent } from "../../fixtures/jobs.js";
import { writeStateFolder } from "../../fixtures/tui/jobs.js";
import { noTerminalReason, type Terminal } from "../../fixtures/tui/terminal.js";
import { startTui, type Tui } from "../../fixtures/tui/tui.js";

const skip = (await noTerminalReason()) ?? false;
const options = { timeout: 240_000 };

void describe("a terminal attached to a server", { skip }, () => {
  let model: ScriptedModel | undefined;
  let host: Host | undefined;
  let tui: Tui | undefined;
  let session = "";

  before(async () => {
    model = await ScriptedModel.start();
    host = await startHost({ model });
    session = (await host.createSession({ title: "Attached" })).id;
    const command = "echo listening; sleep 1000";
    const ready = { readyPattern: "listening", name: "far server" };
    await callTool(host, model, session, "createBackgroundProcess", { command, ...ready });
    tui = await startTui({
      model,
      project: host.project,
      plugins: [],
      moreParts: [
        await buildPart(join(PACKAGE_ROOT, "fixtures/tui/odd-parts.ts"), host.folders.scratch),
      ],
      args: ["attach", host.url, "--dir", host.project, "--session", session],
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

  const bed = (): { host: Host; model: ScriptedModel } => {
    if (!host || !model) throw new Error("there is no host");
    return { host, model };
  };
  const terminal = (): Terminal => {
    if (!tui) throw new Error("there is no terminal");
    return tui.terminal;
  };

  test("shows the server's jobs, read from the server's folder", options, async () => {
    await terminal().waitFor(/● far server +\d+s *\n.*pid \d+ · ready/);
  });

  test("a question is answered from the list", options, async () => {
    const { host, model } = bed();
    const asks = {
      questions: [
        {
          question: "Which colour?",
          header: "Colour",
          options: [
            { label: "Red", description: "warm" },
            { label: "Blue", description: "cold" },
          ],
        },
      ],
    };
    // No subagent of ours may ask, so a session asks that a record names as its own.
    const asking = await host.createSession({ title: "Asking" });
    model.scriptSession(asking.id, [toolCall("question", asks), text("Thanks.")]);
    const prompt = await host.prompt(asking.id, "ask me");
    const { properties } = await host.waitFor("question.asked");
    const project = await host.client.project.current({}, { throwOnError: true });
    const root = join(host.state, "state", "opencode", "background");
    writeStateFolder({ root, projectID: project.data.id, directory: host.project }, [
      aSubagent({
        name: "Paint it",
        parentSessionID: session,
        rootSessionID: session,
        blockedOn: {
          kind: "question",
          what: "Which colour?",
          since: new Date(),
          sessionID: asking.id,
          requestID: properties.id,
        },
      }),
    ]);
    await terminal().waitFor(/▲ Paint it[^]*question: Which colour\?/);
    await terminal().press("C-x", "j");
    await terminal().waitFor(/Blocked \(1\)/);
    await terminal().press("Enter");
    await terminal().waitFor(/Answer the question/);
    await terminal().press("Enter");
    await terminal().waitFor(/Red warm *\n.*Blue cold/);
    await terminal().press("Down");
    await terminal().press("Enter");
    await host.waitRunEnd(asking.id, prompt);
    const [turn] = model.turns(asking.id).slice(-1);
    assert.match(String(turn?.toolResults.at(-1)), /Blue/);
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
