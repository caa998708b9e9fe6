/** Twenty thousand commands in three shells (one of forty without SOAK=1): no marker runs that was not asked for. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { askForCommand } from "../../src/permission/ask.js";
import { randomFrom, seed } from "../random.js";
import { rounds } from "../rounds.js";
import { MARKERS, oddCommand } from "./fuzz.js";
import { ShellBed, SHELLS } from "./shells.js";

const AT_ONCE = 12;
/** An endless loop, or an end of the process that runs it, tells nothing about markers. */
const NOT_RUN = /\b(?:kill|exec)\b|while true/;

test(
  `what a shell runs was asked for (seed ${seed})`,
  { skip: process.platform === "win32", timeout: 3_600_000 },
  async () => {
    const bed = new ShellBed(MARKERS);
    await bed.open();
    const random = randomFrom(seed);
    const counts = {
      commands: 0,
      runs: 0,
      plain: 0,
      opaque: 0,
      plainRanMarkers: 0,
      opaqueRanMarkers: 0,
    };
    const waiting = Array.from({ length: rounds(20_000, 40) }, () => {
      let command = oddCommand(random);
      while (NOT_RUN.test(command)) command = oddCommand(random);
      return command;
    });
    const unasked: string[] = [];

    async function check(command: string, shell: string): Promise<void> {
      const asked = await askForCommand({
        command,
        shell,
        cwd: "/project",
        directory: "/project",
        worktree: "/project",
        ask: async () => undefined,
      });
      const ran = await bed.run(command, shell, { a: "zz", b: "a[$(zz)]" });
      counts.runs++;
      counts[asked.opaque === undefined ? "plain" : "opaque"]++;
      if (asked.opaque !== undefined) {
        counts.opaqueRanMarkers += ran.length > 0 ? 1 : 0;
        return;
      }
      counts.plainRanMarkers += ran.length > 0 ? 1 : 0;
      const names = new Set(asked.patterns.map((it) => it.split(/\s/)[0]));
      for (const name of ran)
        if (!names.has(name)) unasked.push(`${shell} ran ${name}: ${JSON.stringify(command)}`);
    }

    async function work(): Promise<void> {
      for (let command = waiting.pop(); command !== undefined; command = waiting.pop()) {
        counts.commands++;
        for (const shell of SHELLS) await check(command, shell);
      }
    }

    try {
      await Promise.all(Array.from({ length: AT_ONCE }, work));
    } finally {
      await bed.close();
    }
    console.log(JSON.stringify(counts));
    assert.deepEqual(unasked.slice(0, 10), []);
    assert.ok(counts.plainRanMarkers > counts.runs / 20, "plain commands run markers, too");
  },
);
