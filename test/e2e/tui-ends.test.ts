// The terminal ends with processes running: however it ends, no process is left, the records say by whom, and a person
// who leaves is told.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { forever, ScriptedModel, text, toolCall } from "../../fixtures/model/index.js";
import type { Terminal } from "../../fixtures/tui/terminal.js";
import { startTui } from "../../fixtures/tui/tui.js";
import { LIMIT as options, skip } from "./use-terminal.js";

const COMMANDS = [
  "sleep 400 & sleep 401",
  "trap '' TERM HUP INT; echo stubborn; sleep 402; sleep 403",
  "(setsid sleep 404 &) ; exec sleep 405",
];

const ENDINGS: Record<string, (terminal: Terminal) => Promise<unknown>> = {
  SIGTERM: async (terminal) => process.kill(await terminal.pid(), "SIGTERM"),
  SIGHUP: async (terminal) => process.kill(await terminal.pid(), "SIGHUP"),
  "a closed window": (terminal) => terminal.close(),
  "the user's own exit": async (terminal) => {
    await terminal.type("/exit");
    await terminal.waitFor(/\/exit/);
    await terminal.press("Enter");
  },
};

void describe("a terminal with running processes", { skip }, () => {
  let model: ScriptedModel | undefined;
  before(async () => {
    model = await ScriptedModel.start();
    const calls = COMMANDS.map((command) => toolCall("createBackgroundProcess", { command }));
    model.scriptEvery("start them", [calls, text("All run."), forever(text("Noted."))]);
  });
  after(() => model?.close());

  for (const [name, end] of Object.entries(ENDINGS)) {
    test(`leaves no process when it ends by ${name}`, options, async () => {
      assert.ok(model);
      // Two wrong options, which the terminal says in one toast before anything else is done.
      const tui = await startTui({ model, tuiOptions: { fadeMinutes: -1, sidebarJobs: "many" } });
      try {
        await tui.terminal.waitFor(
          (screen) => /fadeMinutes/u.test(screen) && /sidebarJobs/u.test(screen),
          { what: "one toast for both options" },
        );
        await tui.say("start them");
        await tui.terminal.waitFor(/All run\./);
        assert.ok((await tui.survivors()).length > COMMANDS.length);
        await end(tui.terminal);
        assert.deepEqual(await tui.survivors(15_000), []);
        const ends = (await tui.jobs()).map(({ status, endReason }) => `${status} ${endReason}`);
        // The host speaks only when its user leaves: so do we.
        if (name === "the user's own exit") {
          await tui.terminal.waitFor(/ended with OpenCode: 3 processes \(sleep 400[^]*Continue/);
        }
        assert.deepEqual(
          ends,
          COMMANDS.map(() => "cancelled host_exit"),
        );
      } finally {
        await tui.end();
      }
    });
  }
});
