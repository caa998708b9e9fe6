// `bash` in the host's place as its user sees it: the same picture as the host's own, growing while it runs, and
// moved by a message. Two terminals: one of a user without our terminal part and with the host's own `bash`, one with
// both of ours. The servers of these terminals run in their worker threads.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { BUILT_PLUGIN } from "../../fixtures/host/index.js";
import { forever, ScriptedModel, text, toolCall } from "../../fixtures/model/index.js";
import { startTui, type Tui } from "../../fixtures/tui/tui.js";
import { endsBy, whenSaid, type Stage } from "./tui-ends.js";
import { LIMIT as options, skip } from "./use-terminal.js";

const until = (name: string) => `until [ -e ${name} ]; do sleep 0.05; done`;
const open = ({ folders }: Tui, name: string) => writeFileSync(join(folders.project, name), "");

/** The drawn call: from its command to its last line, without the frame of the screen. */
function drawn(screen: string): string[] {
  const lines = screen.split("\n").map((line) => line.replace(/\s+(?:│|█|▀|▄)?\s*$/u, ""));
  const first = lines.findIndex((line) => line.includes("$ echo line-1"));
  const last = lines.findIndex((line) => line.includes("line-4"));
  return lines.slice(first, last + 1).map((line) => line.slice(0, 80).trimEnd());
}

/** Runs a command in steps, and gives its picture. */
async function picture({ tui, model }: Stage): Promise<string[]> {
  const command = `echo line-1; ${until("a")}; echo line-$((1 + 1)); ${until("b")}; echo line-$((2 + 1)); echo line-$((2 + 2))`;
  whenSaid(model, "draw it", [toolCall("bash", { command }), text("It has run.")]);
  await tui.say("draw it");
  const { terminal } = tui;
  await terminal.waitFor((screen) => /^\W*line-1/mu.test(screen) && !screen.includes("line-2"));
  open(tui, "a");
  await terminal.waitFor((screen) => screen.includes("line-2") && !screen.includes("line-4"));
  open(tui, "b");
  return drawn(await terminal.waitFor(/It has run\./u));
}

void describe("bash in a terminal", { skip }, () => {
  let theirs: Stage | undefined;
  let ours: Stage | undefined;

  before(async () => {
    const model = await ScriptedModel.start();
    model.scriptEvery(() => true, [forever(text("Noted."))]);
    const [host, own] = await Promise.all([
      startTui({ model, ownPart: false }),
      startTui({ model, plugins: [[BUILT_PLUGIN, { bash: "continue" }]] }),
    ]);
    theirs = { model, tui: host };
    ours = { model, tui: own };
  }, options);
  after(async () => {
    try {
      await theirs?.tui.end();
    } finally {
      await ours?.tui.end();
      await ours?.model.close();
    }
  }, options);

  const host = (): Stage => theirs ?? assert.fail("there is no terminal");
  const own = (): Stage => ours ?? assert.fail("there is no terminal");
  const jobOf = async (words: string) =>
    (await own().tui.jobs()).find((job) => job.kind === "process" && job.command.includes(words));

  test("is drawn as the host's own, growing and finished", options, async () => {
    // One after the other: the model knows them by what is said.
    const expected = await picture(host());
    const got = await picture(own());
    assert.ok(expected.length > 3, JSON.stringify(expected));
    assert.deepEqual(got, expected);
  });

  test("goes on in the background when its user types a message", options, async () => {
    const { tui, model } = own();
    const command = `echo begun-1; ${until("c")}; echo it is done`;
    whenSaid(model, "build it", [
      toolCall("bash", { command }),
      text("It builds in the background."),
      text("It is built."),
    ]);
    await tui.say("build it");
    const { terminal } = tui;
    await terminal.waitFor(/^\W*begun-1/mu);
    await tui.say("how far are you?");
    await terminal.waitFor(/It builds in the background\./u);
    await terminal.waitFor(/goes on in the background: proc_/u);
    open(tui, "c");
    await terminal.waitFor(/It is built\./u);
    const job = await jobOf("begun-1");
    assert.equal(`${job?.kind} ${job?.status}`, "process completed");
  });

  test("is ended by ESC with all that it started", options, async () => {
    const { tui, model } = own();
    const command = "trap '' TERM; (setsid sleep 315 &) ; echo begun-2; sleep 316";
    whenSaid(model, "stop it", [toolCall("bash", { command })]);
    await tui.say("stop it");
    const { terminal } = tui;
    await terminal.waitFor(/^\W*begun-2/mu);
    // The first asks whether it is meant.
    await terminal.press("Escape");
    await terminal.waitFor(/again to interrupt/u);
    await terminal.press("Escape");
    // What has ended says "interrupted".
    await terminal.waitGone(/\besc\b.*\binterrupt\b/u);
    assert.match(await terminal.screen(), /^\W*begun-2/mu);
    const left = await tui.survivors(15_000, "sleep 31");
    assert.deepEqual(left, []);
    assert.equal(await jobOf("begun-2"), undefined);
  });

  test("without the terminal part the first job says what to add where", options, async () => {
    const { tui, model } = host();
    const command = { command: "sleep 1000", name: "unseen" };
    whenSaid(model, "start it", [toolCall("createBackgroundProcess", command), text("Started.")]);
    await tui.say("start it");
    await tui.terminal.waitFor(/not\s+shown\s+here[^]*opencode\s+plugin/);
    await tui.terminal.waitFor(/Started\./);
  });

  endsBy("SIGTERM", host);
  endsBy("the user's own exit", own);
});
