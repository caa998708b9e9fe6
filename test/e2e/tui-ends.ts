// Owns: the last test of a terminal, which ends it with processes running. Promises: however it ends, no process is
// left, and the records say by whom; a person who leaves is told. The tests before it have used the terminal: each
// start takes seconds, so no terminal is started for its end alone.
import assert from "node:assert/strict";
import { test } from "node:test";
import { text, toolCall, type ScriptedModel, type Step } from "../../fixtures/model/index.js";
import type { Terminal } from "../../fixtures/tui/terminal.js";
import type { Tui } from "../../fixtures/tui/tui.js";
import { LIMIT as options } from "./use-terminal.js";

const COMMANDS = [
  "sleep 400 & sleep 401",
  "trap '' TERM HUP INT; echo stubborn; sleep 402; sleep 403",
  "(setsid sleep 404 &) ; exec sleep 405",
];

const ENDINGS = {
  SIGTERM: async (terminal: Terminal) => process.kill(await terminal.pid(), "SIGTERM"),
  SIGHUP: async (terminal: Terminal) => process.kill(await terminal.pid(), "SIGHUP"),
  "a closed window": (terminal: Terminal) => terminal.close(),
  "the user's own exit": async (terminal: Terminal) => {
    await terminal.type("/exit");
    await terminal.waitFor(/\/exit/);
    await terminal.press("Enter");
  },
};

export interface Stage {
  readonly tui: Tui;
  readonly model: ScriptedModel;
}

/** What the model does next in a conversation in which this is said, whatever else it was to do there. */
export function whenSaid(model: ScriptedModel, said: string, steps: readonly Step[]): void {
  model.scriptAhead(({ userTexts }) => userTexts.some((each) => each.includes(said)), steps);
}

export function endsBy(name: keyof typeof ENDINGS, stage: () => Stage): void {
  test(`leaves no process when it ends by ${name}`, options, async () => {
    const { tui, model } = stage();
    const said = "start what will not end";
    const calls = COMMANDS.map((command) => toolCall("createBackgroundProcess", { command }));
    whenSaid(model, said, [calls, text("None of it ends.")]);
    await tui.say(said);
    await tui.terminal.waitFor(/None of it ends\./);
    assert.ok((await tui.survivors()).length > COMMANDS.length);
    // What is said at the end is what was last shown.
    if (name === "the user's own exit") await tui.terminal.waitFor(/●\s?3/);
    await ENDINGS[name](tui.terminal);
    assert.deepEqual(await tui.survivors(15_000), []);
    // The host speaks only when its user leaves: so do we.
    if (name === "the user's own exit") {
      await tui.terminal.waitFor(/ended with OpenCode: 3 processes \(sleep 400[^]*Continue/);
    }
    const ends = (await tui.jobs()).flatMap((job) =>
      job.kind === "process" && COMMANDS.includes(job.command)
        ? [`${job.status} ${job.endReason}`]
        : [],
    );
    assert.deepEqual(
      ends,
      COMMANDS.map(() => "cancelled host_exit"),
    );
  });
}
