// How the terminal calls its user: toasts for what ends, fails, blocks and stalls, and the host's attention for
// those who look elsewhere. And what the options of the terminal part change: its key.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { BUILT_PLUGIN, OPENCODE_BINARY, PACKAGE_ROOT } from "../../fixtures/host/index.js";
import { forever, gate, text, toolCall } from "../../fixtures/model/index.js";
import { buildPart } from "../../fixtures/tui/build-part.js";
import { searchDialog } from "../../fixtures/tui/keys.js";
import { makeFolders, remove, type Folders } from "../../fixtures/host/folders.js";
import { endsBy } from "./tui-ends.js";
import { LIMIT as options, skip, useTui } from "./use-terminal.js";

test("the key of the list is none of the host's own", async () => {
  const host = await readFile(OPENCODE_BINARY, "latin1");
  assert.ok(host.includes('"<leader>b"'), "the host's keys are found in it");
  assert.ok(!host.includes('"<leader>j"'));
});

void describe("the user of a terminal", { skip }, () => {
  let folders: Folders | undefined;
  const bed = useTui(async () => {
    folders = await makeFolders({});
    const part = await buildPart(
      join(PACKAGE_ROOT, "fixtures/tui/attention-part.ts"),
      folders.scratch,
    );
    return {
      plugins: [[BUILT_PLUGIN, { stallMinutes: 0.05 }]],
      config: { permission: { bash: { "*": "allow", "rm *": "ask" } } },
      moreParts: [part],
      env: { OBM_CALLS: join(folders.scratch, "calls") },
      // Two of them wrong.
      tuiOptions: { key: "<leader>i", fadeMinutes: -1, sidebarJobs: "many" },
    };
  });
  after(() => folders && remove(folders));

  const calls = async () =>
    folders ? await readFile(join(folders.scratch, "calls"), "utf8").catch(() => "") : "";

  test("is told of two wrong options in one toast", options, async () => {
    await bed.terminal.waitFor(
      (screen) => /fadeMinutes/u.test(screen) && /sidebarJobs/u.test(screen),
      { what: "one toast for both options" },
    );
  });

  test("is told of an end, a failure, a question and a stall", options, async () => {
    const { tui, model, terminal } = bed;
    // Who ends within the start's own second is only said to the agent.
    const go = join(folders?.scratch ?? "", "go");
    const command = (line: string, name: string) =>
      toolCall("createBackgroundProcess", {
        command: `until [ -e ${go} ]; do sleep 0.05; done; ${line}`,
        name,
      });
    const task = (name: string) =>
      toolCall("createBackgroundTask", { description: name, prompt: name, agent: "general" });
    const rm = toolCall("bash", { command: "rm -f x", description: "Remove a file" });
    model.script("Clean up", [rm, text("ok")]);
    model.script("Think hard", [[text("Hm. "), gate("never")]]);
    model.script("start all", [
      [command("echo ok", "good one"), command("exit 3", "bad one")],
      [task("Clean up"), task("Think hard")],
      () => {
        writeFileSync(go, "");
        return text("Started.");
      },
      forever(text("Noted.")),
    ]);
    await tui.say("start all");
    const toasts = [
      /"good one" completed/,
      /"bad one" failed: exit 3/,
      /"Clean up" waits for you: permission/,
      /"Think hard" stalled/,
    ];
    const seen = new Set<RegExp>();
    // A toast goes after some seconds: each is looked for on every screen.
    await terminal.waitFor(
      (screen) => {
        for (const toast of toasts) if (toast.test(screen)) seen.add(toast);
        return seen.size === toasts.length;
      },
      { what: "four toasts" },
    );
    await terminal.waitFor(/◌ Think hard/);
    for (const message of [
      "good one is done",
      "bad one failed",
      "Clean up waits for you",
      "Think hard shows no sign of life",
    ]) {
      while (!(await calls()).includes(message)) await terminal.waitFor(/◌ Think hard/);
    }
    // Nothing of a command leaves the terminal.
    assert.doesNotMatch(await calls(), /rm -f/);
  });

  test("opens the list by the key of the options, and copies an id", options, async () => {
    const { tui, terminal } = bed;
    await terminal.press("C-x", "i");
    await searchDialog(terminal, "Search", "bad one");
    await terminal.press("Enter");
    await searchDialog(terminal, "What to do", "Copy");
    await terminal.press("Enter");
    const job = (await tui.jobs()).find(({ name }) => name === "bad one");
    assert.ok(job);
    // Said only when the host has sent it to the terminal; tmux passes it on and keeps nothing.
    await terminal.waitFor((screen) => screen.includes(`Copied ${job.id}`));
  });

  test(
    "wraps the long lines of a log or not, and comes back to where it was",
    options,
    async () => {
      const { terminal } = bed;
      await terminal.press("C-x", "i");
      await searchDialog(terminal, "Search", "Think hard");
      await terminal.press("Enter");
      await searchDialog(terminal, "What to do", "Open its session");
      await terminal.press("Enter");
      await terminal.waitFor(/Hm\./);
      await terminal.press("C-x", "i");
      await searchDialog(terminal, "Search", "Think hard");
      await terminal.press("Enter");
      await searchDialog(terminal, "What to do", "See the log");
      await terminal.press("Enter");
      await terminal.waitFor(/wrap on/);
      await terminal.press("w");
      await terminal.waitFor(/wrap off/);
      await terminal.press("Escape");
      // The subagent's session, not its parent's.
      await terminal.waitFor(
        (screen) => /Hm\./.test(screen) && !/wrap off|start all/.test(screen),
        {
          what: "the subagent's session",
        },
      );
    },
  );

  test("answers in the parent's session what its subagent asks", options, async () => {
    const { terminal } = bed;
    await terminal.press("Up");
    await terminal.waitFor(/start all[^]*Permission required/);
    await terminal.press("Enter");
    await terminal.waitFor(/✓ Clean up/);
    await terminal.waitGone(/Permission required/);
  });

  endsBy("a closed window", () => bed);
});
