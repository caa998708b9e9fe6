// The counts where no sidebar is: on the home screen, beside the prompt of a narrow terminal, and in a subagent's own
// session, which has no prompt.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { forever, gate, text, toolCall } from "../../fixtures/model/index.js";
import { aProcess } from "../../fixtures/jobs.js";
import { writeStateFolder } from "../../fixtures/tui/jobs.js";
import { chooseAction, searchDialog } from "../../fixtures/tui/keys.js";
import { launch } from "./support.js";
import { LIMIT as options, skip, useTui } from "./use-terminal.js";
import { home } from "./web-support.js";

void describe("the counts in a narrow terminal", { skip }, () => {
  const user = home();
  const bed = useTui(() => ({
    columns: 90,
    rows: 28,
    config: { snapshot: false },
    env: { PATH: user.env.PATH },
  }));
  after(() => user.remove());

  test("stand on the home screen, for the whole directory", options, async () => {
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

  test("stand beside the prompt, and in a subagent's session", options, async () => {
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
});
