// `bash` in the host's place as its user sees it: the same picture as the host's own, growing while it runs, and
// moved by a message. The server of this terminal runs in its worker thread.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { BUILT_PLUGIN } from "../../fixtures/host/index.js";
import { forever, ScriptedModel, text, toolCall } from "../../fixtures/model/index.js";
import { startTui, type Tui } from "../../fixtures/tui/tui.js";
import { LIMIT as options, skip } from "./use-terminal.js";

const until = (name: string) => `until [ -e ${name} ]; do sleep 0.05; done`;

async function withTui(
  bash: "host" | "continue",
  use: (tui: Tui, model: ScriptedModel, open: (name: string) => void) => Promise<void>,
): Promise<void> {
  const model = await ScriptedModel.start();
  try {
    const tui = await startTui({ model, plugins: [[BUILT_PLUGIN, { bash }]] });
    try {
      await use(tui, model, (name) => writeFileSync(join(tui.folders.project, name), ""));
    } finally {
      await tui.end();
    }
  } finally {
    await model.close();
  }
}

/** The drawn call: from its command to its last line, without the frame of the screen. */
function drawn(screen: string): string[] {
  const lines = screen.split("\n").map((line) => line.replace(/\s+(?:│|█|▀|▄)?\s*$/u, ""));
  const first = lines.findIndex((line) => line.includes("$ echo line-1"));
  const last = lines.findIndex((line) => line.includes("line-4"));
  return lines.slice(first, last + 1).map((line) => line.slice(0, 80).trimEnd());
}

void describe("bash in a terminal", { skip }, () => {
  test("is drawn as the host's own, growing and finished", options, async () => {
    const pictures = new Map<string, string[]>();
    for (const bash of ["host", "continue"] as const) {
      await withTui(bash, async (tui, model, open) => {
        const command = `echo line-1; ${until("a")}; echo line-$((1 + 1)); ${until("b")}; echo line-$((2 + 1)); echo line-$((2 + 2))`;
        model.script("run it", [toolCall("bash", { command }), forever(text("It has run."))]);
        await tui.say("run it");
        const { terminal } = tui;
        await terminal.waitFor(
          (screen) => /^\W*line-1/mu.test(screen) && !screen.includes("line-2"),
        );
        open("a");
        await terminal.waitFor((screen) => screen.includes("line-2") && !screen.includes("line-4"));
        open("b");
        await terminal.waitFor(/It has run\./u);
        pictures.set(bash, drawn(await terminal.screen()));
      });
    }
    assert.ok((pictures.get("host")?.length ?? 0) > 3, JSON.stringify(pictures.get("host")));
    assert.deepEqual(pictures.get("continue"), pictures.get("host"));
  });

  test("goes on in the background when its user types a message", options, async () => {
    await withTui("continue", async (tui, model, open) => {
      const command = `echo line-1; ${until("a")}; echo it is done`;
      model.script("build it", [
        toolCall("bash", { command }),
        text("It builds in the background."),
        forever(text("Noted.")),
      ]);
      await tui.say("build it");
      const { terminal } = tui;
      await terminal.waitFor(/^\W*line-1/mu);
      await tui.say("how far are you?");
      await terminal.waitFor(/It builds in the background\./u);
      await terminal.waitFor(/goes on in the background: proc_/u);
      open("a");
      await terminal.waitFor(/Noted\./u);
      const [job] = await tui.jobs();
      assert.equal(`${job?.kind} ${job?.status}`, "process completed");
    });
  });

  test("is ended by ESC with all that it started", options, async () => {
    await withTui("continue", async (tui, model) => {
      const command = "trap '' TERM; (setsid sleep 315 &) ; echo line-1; sleep 316";
      model.script("run it", [toolCall("bash", { command }), forever(text("never said"))]);
      await tui.say("run it");
      const { terminal } = tui;
      await terminal.waitFor(/^\W*line-1/mu);
      // The first asks whether it is meant.
      await terminal.press("Escape");
      await terminal.waitFor(/again to interrupt/u);
      await terminal.press("Escape");
      await terminal.waitGone(/interrupt/u);
      assert.match(await terminal.screen(), /^\W*line-1/mu);
      const left = await tui.survivors(15_000);
      assert.deepEqual(
        left.filter(({ command: each }) => each.includes("sleep 31")),
        [],
      );
      assert.deepEqual(await tui.jobs(), []);
    });
  });
});
