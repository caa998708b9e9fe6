// One terminal alone, where no port listens, first narrow: the counts where no sidebar is, on the home screen, beside
// the prompt, and in a subagent's own session, which has no prompt. Then wide: a worktree's branch is on the screen, and
// the dialog removes the folder.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { forever, gate, text, toolCall } from "../../fixtures/model/index.js";
import { aProcess } from "../../fixtures/jobs.js";
import { writeStateFolder } from "../../fixtures/tui/jobs.js";
import { chooseAction, searchDialog } from "../../fixtures/tui/keys.js";
import { launch } from "./support.js";
import { endsBy } from "./tui-ends.js";
import { LIMIT as options, skip, useTui } from "./use-terminal.js";
import { home } from "./web-support.js";

void describe("a terminal of its own, narrow and wide", { skip }, () => {
  const user = home();
  const bed = useTui(() => ({
    columns: 90,
    rows: 28,
    config: { snapshot: false, permission: { bash: { "*": "allow", "rm *": "ask" } } },
    env: { PATH: user.env.PATH },
  }));
  after(() => user.remove());

  test("the counts stand on the home screen, for the whole directory", options, async () => {
    const { tui, terminal } = bed;
    const { folders, stateRoot: root } = tui;
    assert.doesNotMatch(await terminal.screen(), /●/);
    const projectID = await tui.projectID();
    const jobs = [
      aProcess({ id: "proc_aaaaaaaaaa", name: "of another session" }),
      aProcess({ id: "proc_bbbbbbbbbb", name: "waits", status: "pending" }),
    ];
    writeStateFolder({ root, projectID, directory: folders.project }, jobs);
    await terminal.waitFor(/●1 ○1/);
  });

  test("the counts stand beside the prompt, and in a subagent's session", options, async () => {
    const { tui, model, terminal } = bed;
    model.script("look around", [[text("I look. "), gate("look")]]);
    model.script("begin", [
      [
        launch("look around", { description: "Look" }),
        toolCall("createBackgroundProcess", {
          command: "echo now on http://localhost:4321/here.; sleep 600",
          name: "sleeper",
        }),
      ],
      text("Both run."),
      forever(text("Noted.")),
    ]);
    await tui.say("begin");
    await terminal.waitFor(/Both run\./);
    // Those of this session, without the other ones of the directory.
    await terminal.waitFor((screen) => /●2/.test(screen) && !/○1/.test(screen), { what: "●2" });
    await chooseAction(terminal, "Look", "Open its session");
    await terminal.waitFor(/look around[^]*I look\./);
    await terminal.waitFor((screen) => /●2/.test(screen) && !/Both run/.test(screen), {
      what: "the counts in the subagent's session",
    });
  });

  test("the address that a process has printed is opened from its details", options, async () => {
    const { terminal } = bed;
    await chooseAction(terminal, "sleeper", "details");
    await searchDialog(terminal, "Search in the details", "address");
    await terminal.waitFor(/address +http:\/\/localhost:4321\/here \(enter opens it\)/);
    await terminal.press("Enter");
    await terminal.waitFor(/Opened http:\/\/localhost:4321\/here/);
    await terminal.press("Escape");
    await terminal.waitGone(/Search in the details|address +http/);
    const called = join(user.folder, "xdg-open.called");
    // The program that stands for the browser was started; it writes some time after that.
    while (!existsSync(called)) await terminal.screen();
    assert.equal(readFileSync(called, "utf8"), "http://localhost:4321/here\n");
  });

  test("a process that has ended runs again from the list", options, async () => {
    const { tui, terminal } = bed;
    const sleeper = async () => {
      const job = (await tui.jobs()).find(({ name }) => name === "sleeper");
      return job?.kind === "process" ? job.identity?.pid : undefined;
    };
    const first = await sleeper();
    await chooseAction(terminal, "sleeper", "Kill");
    await terminal.waitFor(/Kill this process\?/);
    await terminal.press("Enter");
    await terminal.waitFor((screen) => /●1(?!\d)/.test(screen), { what: "one less" });
    await terminal.press("C-x", "j");
    await searchDialog(terminal, "Search", "cancelled");
    await terminal.waitFor(/■ sleeper/);
    await terminal.press("Enter");
    await searchDialog(terminal, "What to do", "Run it again");
    await terminal.press("Enter");
    await terminal.waitFor(/sleeper: runs again/);
    await terminal.waitFor(/●2/);
    const second = await sleeper();
    assert.ok(first !== undefined && second !== undefined && first !== second);
  });

  const folderOf = async (task: string): Promise<string> => {
    const job = (await bed.tui.jobs()).find(({ name }) => name === task);
    const folder = job?.kind === "subagent" ? job.worktree?.folder : undefined;
    return folder ?? assert.fail(JSON.stringify(job));
  };

  test(
    "the branch of a worktree is in the list, and its folder is removed from there",
    options,
    async () => {
      const { tui, model, terminal } = bed;
      // Out of the subagent's session, which has no prompt, and into a session of its own.
      await terminal.press("Up");
      await terminal.waitFor(/Both run\./);
      await terminal.type("/new");
      await terminal.waitFor(/\/new +New session/);
      await terminal.press("Enter");
      await terminal.waitGone(/Both run\./);
      await terminal.resize(160, 45);
      await terminal.waitFor(/ {60}.*ctrl\+p commands/);
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
      await terminal.waitFor(/✓ Parser +done.*\n.* opencode\/parser-[0-9a-z]{10}/);

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
    },
  );

  test(
    "a permission that is asked for in a worktree is answered from the list",
    options,
    async () => {
      const { tui, model, terminal } = bed;
      const remove = {
        command: "rm -f nothing.txt && echo gone > gone.txt",
        description: "remove",
      };
      model.script("clean up apart", [toolCall("bash", remove), text("removed")]);
      await tui.say("ask there");
      await terminal.waitFor(/▲ Cleaner[^]*permission: bash: rm -f/);
      await chooseAction(terminal, "Cleaner", "Answer");
      await terminal.waitFor(/Permission: bash: rm -f/);
      await terminal.press("Enter");
      await terminal.waitFor(/✓ Cleaner +done/);
      const folder = await folderOf("Cleaner");
      assert.ok(existsSync(join(folder, "gone.txt")), folder);
    },
  );

  endsBy("SIGHUP", () => bed);
});
