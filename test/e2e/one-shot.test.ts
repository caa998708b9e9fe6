/** `opencode run`: one turn, after which no session can be told anything. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { text, toolCall, type ModelRequest } from "../../fixtures/model/index.js";
import { launch, startRun } from "./support.js";
import { useHost } from "./use-host.js";

const ID = /bg_[0-9a-z]{10}/u;

describe("opencode run", () => {
  const bed = useHost({ config: { permission: { bash: { "*": "allow", "rm *": "ask" } } } });

  bed.test("is told to wait for its subagent, whose permission no user can give", async () => {
    const { model } = bed;
    const [said, task] = ["look around and say what you found", "look around and tidy up"];
    const wait = ({ toolResults }: ModelRequest) =>
      toolCall("getBackgroundTask", { taskId: ID.exec(toolResults.join())?.[0], wait: 60 });
    model.script(said, [launch(task), wait, text("That is all.")]);
    const tidy = { command: "rm -f nothing.txt", description: "Tidy up" };
    model.script(task, [toolCall("bash", tidy)]);
    const { ended } = startRun(bed, said);
    assert.equal(await ended, 0);
    const last = model.turns().findLast(({ allText }) => allText.includes(said));
    const [started = "", waited = ""] = last?.toolResults ?? [];
    assert.match(started, /ends with your turn.*"wait":600/u);
    assert.match(waited, /^bg_\w{10} completed[^]*bash: The user rejected permission/u);
  });
});
