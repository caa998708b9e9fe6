// A terminal whose tui.json does not name the terminal part: the first job says so, once.
import { describe, test } from "node:test";
import { ScriptedModel, text, toolCall } from "../../fixtures/model/index.js";
import { startTui } from "../../fixtures/tui/tui.js";
import { LIMIT as options, skip } from "./use-terminal.js";

void describe("a terminal without the terminal part", { skip }, () => {
  test("says with the first job what to add where", options, async () => {
    const model = await ScriptedModel.start();
    const command = { command: "sleep 1000", name: "unseen" };
    model.script("start it", [toolCall("createBackgroundProcess", command), text("Started.")]);
    const tui = await startTui({ model, ownPart: false });
    try {
      await tui.say("start it");
      await tui.terminal.waitFor(/not\s+shown\s+here[^]*opencode\s+plugin/);
    } finally {
      await tui.end();
      await model.close();
    }
  });
});
