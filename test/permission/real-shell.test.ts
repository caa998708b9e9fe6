// The shells themselves as the judge: random text is run where the only program is `zz`, and
// whenever `zz` ran, the parser must have seen it or have said that code is hidden.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, before, describe, it } from "node:test";
import * as fc from "fast-check";
import { askForCommand } from "../../src/permission/ask.js";

const RUNS = 500;
/** What chance does not find: Bash's tables of what its commands are, and builtins that run text. */
const RUN_BY_BASH = [
  "BASH_CMDS[a]=$PATH/zz; a",
  "shopt -s expand_aliases\nBASH_ALIASES[a]='zz x'\na",
  "shopt -s expand_aliases\nBASH_ALIASES=([a]=zz)\na",
  "compgen -C 'zz x' a",
  "compgen -W '$(zz x)'",
];
const PIECES = [
  ..."echo |echo a |zz|zz |zz x|z|'|\"|$(|)|`|;|; zz x ;|\\|#| # |${X:-|${X|}|$X|<<A|<<'A'|<<-A".split(
    "|",
  ),
  ..."{ @; }@$'@\\'@&@ & @|@ | @|&@<(@> f @&> f @((@))@[[ @ ]]@case a in @esac@a)@;;@if @then @fi".split(
    "@",
  ),
  ..."A=1 |X=zz |X=zz;|time |! |eval |coproc |<<<| - |*|(|$((|a|b|do |done|while |for i in |f() ".split(
    "|",
  ),
  ...'\\ @$"@${X//@/@&&@||@trap @EXIT@\\$(@$@!@set -- @"$@@"@exec @command @[ @ ]@~@+=@${@%@2>&1 '.split(
    "@",
  ),
  ..."'zz x'|\"$(zz x)\"|${X@P}|$[|declare |export |read |A[|]=|=(".split("|"),
  "\n",
  "\nzz x\n",
  "\nA\n",
  "\n\tA\n",
  " ",
  "\t",
  "\r",
  "\r\n",
  "\f",
  "\\\n",
  "\u00a0",
  "@",
];

void describe("what a shell runs is seen", { skip: process.platform === "win32" }, () => {
  let folder = "";
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "real-shell-"));
    await mkdir(join(folder, "bin"));
    await mkdir(join(folder, "work"));
    const program = '#!/bin/sh\n: > "$MARK"\n';
    await writeFile(join(folder, "bin", "zz"), program, { mode: 0o755 });
  });
  after(() => rm(folder, { recursive: true, force: true }));

  function runs(command: string, shell: string, mark: string): boolean {
    spawnSync(shell, ["-c", command], {
      cwd: join(folder, "work"),
      env: { PATH: join(folder, "bin"), MARK: mark },
      stdio: "ignore",
      timeout: 2000,
      killSignal: "SIGKILL",
    });
    return existsSync(mark);
  }

  async function assertSeen(command: string, shell: string): Promise<void> {
    const asked = await askForCommand({
      command,
      shell,
      cwd: folder,
      directory: folder,
      worktree: folder,
      ask: async () => undefined,
    });
    const seen = asked.opaque !== undefined || asked.patterns.some((it) => /^zz(?:\s|$)/.test(it));
    assert.ok(seen, `${JSON.stringify(command)} ran zz unseen: ${JSON.stringify(asked.patterns)}`);
  }

  for (const [index, command] of RUN_BY_BASH.entries()) {
    void it(command, async () => {
      assert.ok(runs(command, "/bin/bash", join(folder, `known-${index}`)), "it runs zz");
      await assertSeen(command, "/bin/bash");
    });
  }

  for (const shell of ["/bin/bash", "/bin/dash", "/bin/zsh"]) {
    const skip = existsSync(shell) ? false : `${shell} is not installed`;
    void it(shell, { skip }, async () => {
      let run = 0;
      const text = fc.array(fc.constantFrom(...PIECES), { minLength: 2, maxLength: 14 });
      const check = fc.asyncProperty(text, async (pieces) => {
        const command = pieces.join("");
        const mark = join(folder, `${basename(shell)}-${run++}`);
        if (runs(command, shell, mark)) await assertSeen(command, shell);
      });
      await fc.assert(check, { numRuns: RUNS, seed: 1 });
    });
  }
});
