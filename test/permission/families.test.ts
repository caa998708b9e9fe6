/** What real shells do with the known attacks: whatever ran was asked by its name, or the whole was opaque. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { askForCommand } from "../../src/permission/ask.js";
import { FAMILIES } from "./families.js";
import { ShellBed, SHELLS, skipMissingShells } from "./shells.js";

const bed = new ShellBed(["zz"]);
const counts = { attacks: 0, ran: 0, opaque: 0, asked: 0 };

async function judged(command: string, shell: string) {
  const asked = await askForCommand({
    command,
    shell,
    cwd: "/project",
    directory: "/project",
    worktree: "/project",
    ask: async () => undefined,
  });
  return {
    opaque: asked.opaque !== undefined,
    asks: asked.patterns.some((it) => /^zz(?: |$)/.test(it)),
  };
}

void describe("the known attacks, run for real", { skip: process.platform === "win32" }, () => {
  skipMissingShells();
  before(() => bed.open());
  after(async () => {
    await bed.close();
    console.log(JSON.stringify(counts));
  });
  for (const [family, commands] of Object.entries(FAMILIES)) {
    void it(family, async () => {
      for (const command of commands) {
        counts.attacks++;
        for (const shell of SHELLS) {
          const text = command.replaceAll("$BIN", bed.bin);
          const ran = (await bed.run(text, shell)).includes("zz");
          const { opaque, asks } = await judged(text, shell);
          assert.ok(!ran || opaque || asks, `${shell} ran zz unasked: ${JSON.stringify(command)}`);
          if (ran) counts.ran++;
          if (ran && opaque) counts.opaque++;
          else if (ran) counts.asked++;
        }
      }
    });
  }
});
