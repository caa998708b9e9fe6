// The terminal part in a real OpenCode: keys are pressed in a terminal, and the screen is read. One
// terminal tells one story, test after test, because each start takes seconds.
import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { aSubagent } from "../../fixtures/jobs.js";
import { writeStateFolder } from "../../fixtures/tui/jobs.js";
import { chooseAction, searchDialog } from "../../fixtures/tui/keys.js";
import { scriptStory, SERVER, STORY, STORY_BEGINS, writeStory } from "../../fixtures/tui/story.js";
import type { Tui } from "../../fixtures/tui/tui.js";
import type { Job } from "../../src/jobs/job.js";
import { isAlive } from "../../src/system/identity.js";
import { LIMIT as options, skip, useTui } from "./use-terminal.js";

void describe("the terminal part", { skip }, () => {
  const bed = useTui((model) => {
    scriptStory(model);
    return STORY;
  });
  before(() => writeStory(bed.tui.folders.project));
  const job = async (name: string): Promise<Job> => {
    const found = (await bed.tui.jobs()).find((each) => each.name === name);
    assert.ok(found, `a job named ${name}`);
    return found;
  };
  const choose = (name: string, action: string) => chooseAction(bed.terminal, name, action);

  test("the sidebar shows one of each state, the blocked one first", options, async () => {
    const { tui, terminal } = bed;
    await tui.say(STORY_BEGINS);
    const expected = [
      /Background ▲1 ●2 ○1/,
      /▲ Clean up +\d+s *\n.*permission: bash: rm -f nothing\.txt/,
      /● dev server +\d+s *\n +tick \d+/,
      /● Find the usages +\d+s *\n.*general · 1 call · read/,
      /○ Wait in the queue +\d+s *\n.*general · queued/,
      /✗ lint +exit 3/,
      /✓ type check +done/,
    ];
    // All at once: a look may come while the screen is being drawn.
    const screen = await terminal.waitFor((each) => expected.every((one) => one.test(each)), {
      what: "one of each state",
    });
    const order = ["▲ Clean up", "● ", "○ Wait", "✗ lint"].map((sign) => screen.indexOf(sign));
    assert.deepEqual(
      order.toSorted((a, b) => a - b),
      order,
    );
  });

  test("the time of running jobs goes on", options, async () => {
    const { terminal } = bed;
    const seconds = (screen: string) => Number(/● dev server +(\d+)s/.exec(screen)?.[1] ?? NaN);
    const start = seconds(await terminal.screen());
    await terminal.waitFor((screen) => seconds(screen) > start, { what: "another second" });
  });

  test("the list is opened by its key, grouped and searched", options, async () => {
    const { terminal } = bed;
    await terminal.press("C-x", "j");
    const groups = [/Blocked \(1\)/, /Running \(3\)/, /Ended \(2\)/];
    await terminal.waitFor(
      (screen) =>
        /Background: 1 blocked, 2 running, 1 queued/.test(screen) &&
        groups.every((group) => group.test(screen)),
      { what: "the groups" },
    );
    await searchDialog(terminal, "Search", "lint");
    const onlyLint = (each: string) =>
      !/Blocked \(1\)/.test(each) && /✗ lint process · exit 3 +just now/.test(each);
    await terminal.waitFor(onlyLint, { what: "lint alone" });
    // By its state, by what it runs, and by a word of each.
    for (const query of ["failed", "exit 3", "echo no", "lint process"]) {
      await terminal.press("C-u");
      await terminal.waitFor(/Blocked \(1\)/);
      await terminal.type(query);
      await terminal.waitFor(onlyLint, { what: `lint alone by ${query}` });
    }
    await terminal.press("Escape");
    await terminal.waitGone(/Background: 1 blocked/);
  });

  test("a permission is answered from the list, and the subagent goes on", options, async () => {
    const { terminal } = bed;
    await choose("Clean up", "Answer");
    await terminal.waitFor(/Permission: bash: rm -f nothing\.txt/);
    await terminal.waitFor(/Allow always +until OpenCode is restarted: rm \*/);
    await terminal.press("Enter");
    await terminal.waitFor(/✓ Clean up +done/);
    await terminal.waitFor(/✓ Wait in the queue +done/);
    assert.equal((await job("Clean up")).endReason, "finished");
  });

  test(
    "the log of a process is followed, stands still, is searched and left",
    options,
    async () => {
      const { terminal } = bed;
      const lastTick = (screen: string) =>
        Math.max(0, ...[...screen.matchAll(/tick (\d+)/g)].map((match) => Number(match[1])));
      await choose("dev server", "See the log");
      const first = lastTick(await terminal.waitFor(/follow on/));
      // So many that a page further up is still below what is searched for.
      const isFar = (screen: string) => lastTick(screen) > 2 * rowsOf(screen).split("\n").length;
      await terminal.waitFor((screen) => lastTick(screen) > first + 2 && isFar(screen), {
        what: "two screens of later ticks",
      });

      await terminal.press("PageUp");
      const still = await terminal.waitFor(/follow off/);
      const { output } = await processJob();
      const grown = async () => (await processJob()).output.bytes > output.bytes;
      while (!(await grown())) await terminal.waitFor(/follow off/);
      assert.equal(rowsOf(await terminal.screen()), rowsOf(still));

      await terminal.press("/");
      await terminal.waitFor(/search, then enter/);
      // Not on the screen: the nearest one above it is found.
      await terminal.type("boot 3");
      await terminal.waitFor(/\/ boot 3/);
      await terminal.press("Enter");
      await terminal.waitFor(/^ +boot 39 *$[^]*\/boot 3 11\/11/m);
      for (let hit = 0; hit < 9; hit += 1) await terminal.press("N");
      await terminal.waitFor(/^ +boot 20 *\n[^]*^ +boot 30 *$/m);
      await terminal.waitFor(/[1-9]\d? % +\/boot 3 2\/11/);
      await terminal.press("t", "s");
      await terminal.waitFor(/^ +\d\d:\d\d:\d\d out boot 30 *$[^]*times on +s source on/m);
      await terminal.press("t", "s");
      await terminal.press("G");
      await terminal.waitFor((screen) => /follow on/.test(screen) && lastTick(screen) > first);
      await terminal.press("q");
      await terminal.waitFor(/All of it is started\./);
    },
  );

  const processJob = async () => {
    const found = await job("dev server");
    assert.ok(found.kind === "process");
    return found;
  };
  /** The log's own rows: without the heading, whose time goes on, and the keys, which may be half drawn. */
  const rowsOf = (screen: string) => screen.split("\n").slice(3, -4).join("\n");

  test("the log of a subagent shows its calls and what it says, live", options, async () => {
    const { terminal, model } = bed;
    await choose("Find the usages", "See the log");
    await terminal.waitFor(
      /> find them all[^]*✓ read README.md[^]*I have looked at all the files\./,
    );
    model.open("find");
    await terminal.waitFor(/Found it\./);
    await terminal.press("Escape");
    await terminal.waitFor(/✓ Find the usages +done/);
  });

  test("the details have the command, what it takes, and lead back", options, async () => {
    const { terminal } = bed;
    await choose("dev server", "details");
    const expected = [
      /name +dev server/,
      /state +running/,
      /command +PORT=4000 sh dev-server\.sh [^]*\n.* info/,
      /memory +[\d.]+ MiB in [12] processes/,
      /processor +[\d.]+ %/,
      /output +[\d.]+ (?:KiB|B)/,
      /log +\/\S+/,
    ];
    await terminal.waitFor((screen) => expected.every((each) => each.test(screen)), {
      what: "the details",
    });
    await terminal.press("Enter");
    await terminal.waitFor(/What to do/);
    await terminal.press("Escape");
    await terminal.waitGone(/What to do/);
  });

  test("a subagent's session is opened", options, async () => {
    const { terminal } = bed;
    await choose("Find the usages", "Open its session");
    await terminal.waitFor(/find them all/);
    await terminal.press("Up");
    await terminal.waitFor(/All of it is started\./);
  });

  test(
    "a process is killed, after it was asked for, and its record says by whom",
    options,
    async () => {
      const { terminal } = bed;
      const { identity } = await processJob();
      assert.ok(identity && isAlive(identity));
      await choose("dev server", "Kill");
      const inOneLine = (screen: string) => screen.replaceAll(/[\s│]+/gu, " ");
      await terminal.waitFor(
        (screen) => /Kill this process\?/.test(screen) && inOneLine(screen).includes(SERVER),
        { what: "the whole command" },
      );
      await terminal.press("Escape");
      await terminal.waitGone(/Kill this process\?/);
      assert.ok(isAlive(identity));

      await choose("dev server", "Kill");
      await terminal.waitFor(/Kill this process\?/);
      await terminal.press("Enter");
      await terminal.waitFor(/■ dev server +cancelled/);
      assert.ok(!isAlive(identity));
      assert.equal((await processJob()).endReason, "cancelled_by_user");
    },
  );

  test("50 jobs are counted, in a wide and in a narrow terminal", options, async () => {
    const { tui, terminal } = bed;
    const { rootSessionID } = await job("dev server");
    const now = Date.now();
    const many = Array.from({ length: 50 }, (_, index) => {
      const createdAt = new Date(now - index * 1000);
      const name = `Job ${index} 查找所有的用法 in every file`;
      const ids = { parentSessionID: rootSessionID, rootSessionID };
      return aSubagent({ id: `bg_many${index}`, name, createdAt, startedAt: createdAt, ...ids });
    });
    writeStateFolder(await secondInstance(tui), many);
    await terminal.waitFor(/Background ●50[^]*● Job 0 查找所有的用法 in.*… +\d+s[^]*\+42 more/);

    await terminal.resize(80, 24);
    // Drawn anew, and not only cut off by the terminal.
    await terminal.waitFor(/ctrl\+p commands/);
    // Without the sidebar the counts stand beside the prompt.
    await terminal.waitFor((screen) => /●50/.test(screen) && !/Background/.test(screen), {
      what: "the counts beside the prompt",
    });
    await terminal.press("C-x", "b");
    await terminal.waitFor(/Background ●50[^]*● Job 0 查找所有的用法 in.*… +\d+s/);
    await terminal.press("C-x", "b");
    await terminal.waitGone(/Background ●50/);
  });

  test("the list fits into 80 columns and is searched among 50", options, async () => {
    const { terminal } = bed;
    await terminal.type("/background");
    await terminal.waitFor(/\/background +See, read and stop/);
    await terminal.press("Enter");
    await terminal.waitFor(
      /Running \(50\)[^]*● Job 0 查找所有的用法 in every.*… task · general · 3 calls.* \d+s/,
    );
    await searchDialog(terminal, "Search", "job 49");
    await terminal.waitFor(/● Job 49/);
    await terminal.press("Escape");
    await terminal.waitGone(/Background: 50 running/);
  });

  test("a half-written and a missing folder take only their own jobs away", options, async () => {
    const { tui, terminal } = bed;
    await terminal.resize(160, 45);
    // Closed in the narrow terminal, it stays closed in the wide one.
    await terminal.waitFor(/ {60}.*ctrl\+p commands/);
    await terminal.press("C-x", "b");
    await terminal.waitFor(/\+42 more/);
    const { root, projectID, instance } = await secondInstance(tui);
    writeFileSync(join(root, projectID, instance, "jobs.json"), '{"version":1,"jobs":[{"kind":');
    await terminal.waitGone(/\+42 more/);
    await terminal.waitFor(/■ dev server +cancelled/);
    // What OpenCode has still to write brings it back once more.
    await terminal.waitFor((screen) => {
      rmSync(root, { recursive: true, force: true });
      return !screen.includes("■ dev server") && !/\bBackground\b/.test(screen);
    });
    await tui.say("are you there?");
    await terminal.waitFor(/are you there\?[^]*Noted\./, { what: "the host goes on" });
  });
});

async function secondInstance(tui: Tui) {
  const { folders, stateRoot: root } = tui;
  const projectID = await tui.projectID();
  return { root, projectID, directory: folders.project, instance: "50505050505050505" };
}
