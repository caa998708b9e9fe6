// The terminal part attached to a server: jobs are seen on the same machine, whatever the terminal's own
// folders are; what runs elsewhere is said to be out of sight; and parts that are broken on purpose
// leave the host's screen alone.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { callTool } from "../../fixtures/host/index.js";
import { text, toolCall } from "../../fixtures/model/index.js";
import { aSubagent } from "../../fixtures/jobs.js";
import { writeStateFolder } from "../../fixtures/tui/jobs.js";
import { chooseAction } from "../../fixtures/tui/keys.js";
import { LIMIT as options, skip, useAttached } from "./use-terminal.js";

void describe("a terminal attached to a server", { skip }, () => {
  const bed = useAttached({
    parts: ["fixtures/tui/odd-parts.ts"],
    prepare: ({ host, model, session }) =>
      callTool(host, model, session, "createBackgroundProcess", {
        command: "echo listening; sleep 1000",
        readyPattern: "listening",
        name: "far server",
      }),
  });

  test("shows the server's jobs, read from the server's folder", options, async () => {
    await bed.terminal.waitFor(/● far server +\w+ *\n.*listening/);
  });

  test("a question is answered from the list", options, async () => {
    const { host, model, session } = bed;
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
    writeStateFolder({ root: bed.root, projectID: project.data.id, directory: host.project }, [
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
    await bed.terminal.waitFor(/▲ Paint it[^]*question: Which colour\?/);
    await bed.terminal.press("C-x", "j");
    await bed.terminal.waitFor(/Blocked \(1\)/);
    await bed.terminal.press("Enter");
    await bed.terminal.waitFor(/Answer the question/);
    await bed.terminal.press("Enter");
    await bed.terminal.waitFor(/Red warm *\n.*Blue cold/);
    await bed.terminal.press("Down");
    await bed.terminal.press("Enter");
    await host.waitRunEnd(asking.id, prompt);
    const [turn] = model.turns(asking.id).slice(-1);
    assert.match(String(turn?.toolResults.at(-1)), /Blue/);
  });

  test("the log of a queued subagent goes on with its session", options, async () => {
    const { host, model, session, terminal } = bed;
    const child = await host.createSession({ title: "The work" });
    model.scriptSession(child.id, [text("It is done.")]);
    await host.run(child.id, "do it");
    const project = await host.client.project.current({}, { throwOnError: true });
    const { project: directory } = host;
    const where = { root: bed.root, projectID: project.data.id, directory, instance: "queue" };
    const ids = { id: "bg_queued0000", parentSessionID: session, rootSessionID: session };
    const record = aSubagent({ name: "Wait my turn", ...ids });
    writeStateFolder(where, [{ ...record, status: "pending", sessionID: undefined }]);
    await terminal.waitFor(/○ Wait my turn/);
    await chooseAction(terminal, "Wait my turn", "See the log");
    await terminal.waitFor(/It has not been started yet\./);
    writeStateFolder(where, [{ ...record, sessionID: child.id }]);
    await terminal.waitFor(/> do it[^]*It is done\./);
    await terminal.press("Escape");
    await terminal.waitFor(/● Wait my turn/);
  });

  test("a broken part says so and nothing else happens", options, async () => {
    await bed.terminal.waitFor(/Background: cannot be shown/);
    await bed.terminal.waitFor(/● far server/);
  });

  test("jobs of a server on another machine are said to be out of sight", options, async () => {
    await bed.terminal.waitFor(/Jobs run on another machine/);
    await command("remotejobs", /The jobs of far\.example\.com cannot be shown/);
    await bed.terminal.press("Escape");
    await bed.terminal.waitGone(/far\.example\.com/);
  });

  test("a broken list says so, and can be left", options, async () => {
    await command("brokenjobs", /This cannot be shown\./);
    await bed.terminal.press("Escape");
    await bed.terminal.waitGone(/This cannot be shown/);
  });

  test("a broken log view says so, and can be left", options, async () => {
    await command("brokenlog", /The log cannot be shown\./);
    await bed.terminal.press("C-p");
    await bed.terminal.waitFor(/Commands/);
    await bed.terminal.press("Escape");
    await bed.terminal.waitGone(/Commands/);
    assert.ok(await bed.terminal.running());
  });

  const command = async (name: string, expected: RegExp): Promise<void> => {
    await bed.terminal.type(`/${name}`);
    await bed.terminal.waitFor((screen) => screen.includes(`/${name} `));
    await bed.terminal.press("Enter");
    await bed.terminal.waitFor(expected);
  };
});
