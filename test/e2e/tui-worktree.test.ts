// A worktree in the terminal alone, where no port listens: the branch is on the screen, and the dialog removes the
// folder.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { gate, text, toolCall } from "../../fixtures/model/index.js";
import { chooseAction } from "../../fixtures/tui/keys.js";
import { launch } from "./support.js";
import { LIMIT as options, skip, useTui } from "./use-terminal.js";

void describe("a worktree in the terminal", { skip }, () => {
  const permission = { bash: { "*": "allow", "rm *": "ask" } };
  const bed = useTui(() => ({ config: { snapshot: false, permission } }));
  const folderOf = async (task: string): Promise<string> => {
    const job = (await bed.tui.jobs()).find(({ name }) => name === task);
    const folder = job?.kind === "subagent" ? job.worktree?.folder : undefined;
    return folder ?? assert.fail(JSON.stringify(job));
  };

  test("its branch is in the list, and its folder is removed from there", options, async () => {
    const { tui, model, terminal } = bed;
    const write = { command: "echo new > new.txt", description: "write" };
    model.script("work apart", [toolCall("bash", write), [gate("apart"), text("written")]]);
    model.script("please go", [
      launch("work apart", { worktree: true, description: "Parser" }),
      text("It works."),
      text("noted"),
      launch("clean up apart", { worktree: true, description: "Cleaner" }),
      text("It cleans."),
      { forever: text("noted") },
    ]);
    await tui.say("please go");
    await terminal.waitFor(/● Parser.*\n.*\n +opencode\/parser-[0-9a-z]{10}/);
    await terminal.press("C-x", "j");
    await terminal.waitFor(/● Parser .*branch opencode\/parser-[0-9a-z]{10}/);
    await terminal.press("Escape");
    model.open("apart");
    await terminal.waitFor(/✓ Parser +done.*\n +opencode\/parser-[0-9a-z]{10}/);

    const folder = await folderOf("Parser");
    assert.ok(existsSync(folder), folder);
    await chooseAction(terminal, "Parser", "Remove");
    await terminal.waitFor(/Remove its worktree\?/);
    await terminal.press("Enter");
    await terminal.waitFor(/its worktree was removed/);
    await terminal.waitGone(/^ +opencode\/parser-/m);
    assert.equal(existsSync(folder), false);
    const args = ["branch", "--list", "opencode/parser-*"];
    const left = execFileSync("git", args, { cwd: tui.folders.project, encoding: "utf8" });
    assert.match(left, /opencode\/parser-/u);
  });

  test("a permission that is asked for there is answered from the list", options, async () => {
    const { tui, model, terminal } = bed;
    const remove = { command: "rm -f nothing.txt && echo gone > gone.txt", description: "remove" };
    model.script("clean up apart", [toolCall("bash", remove), text("removed")]);
    await tui.say("ask there");
    await terminal.waitFor(/▲ Cleaner[^]*permission: bash: rm -f/);
    await chooseAction(terminal, "Cleaner", "Answer");
    await terminal.waitFor(/Permission: bash: rm -f/);
    await terminal.press("Enter");
    await terminal.waitFor(/✓ Cleaner +done/);
    const folder = await folderOf("Cleaner");
    assert.ok(existsSync(join(folder, "gone.txt")), folder);
  });
});
