/** The completions, in the shells themselves, with the program as they call it. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, it } from "node:test";
import { completion } from "../../src/cli/completion.js";
import { useFolders } from "../fakes/folders.js";
import { processJob, subagent } from "../store/records.js";
import { owner } from "./support.js";

const folder = useFolders();
const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const tsx = fileURLToPath(import.meta.resolve("tsx"));
const NAME = "opencode-background-manager";

/** Why a shell is not tried here. */
function without(shell: string): string | false {
  return spawnSync(shell, ["-c", "true"]).status === 0 ? false : `${shell} is not installed`;
}

/** An environment in which the program is found, with two jobs. */
async function prepare() {
  const state = folder();
  const root = join(state, "opencode", "background");
  const made = await owner(1, root, subagent("bg_aaaaaaaaaa"), processJob("proc_bbbbbbbbbb"));
  await made.store.close();
  const bin = folder();
  const program = `#!/bin/sh\nexec ${process.execPath} --import ${tsx} ${main} "$@"\n`;
  writeFileSync(join(bin, NAME), program, { mode: 0o755 });
  const path = `${bin}${delimiter}${process.env["PATH"]}`;
  return { env: { PATH: path, HOME: folder(), XDG_STATE_HOME: state, TERM: "dumb" } };
}

/** The words that are offered after these. */
const SHELLS = {
  bash: (words: readonly string[]) => `
    ${completion("bash")}
    COMP_WORDS=(${NAME} ${words.map((word) => `'${word}'`).join(" ")})
    COMP_CWORD=${words.length}
    _opencode_background_manager
    printf '%s\\n' "\${COMPREPLY[@]}"`,
  // What zsh's own functions would do with the words is zsh's: here they are printed.
  zsh: (words: readonly string[]) => `
    compdef() { : }
    _describe() { print -l -- \${\${(P)2}%%:*} }
    compadd() { shift; print -l -- "$@" }
    ${completion("zsh")}
    words=(${NAME} ${words.map((word) => `'${word}'`).join(" ")})
    CURRENT=${words.length + 1}
    PREFIX='${words.at(-1) ?? ""}'
    _opencode_background_manager`,
  fish: (words: readonly string[]) => `
    ${completion("fish")}
    complete -C '${[NAME, ...words].join(" ")}' | string replace -r '\\t.*' ''; true`,
} as const;

for (const [shell, script] of Object.entries(SHELLS)) {
  void describe(`in ${shell}`, { skip: without(shell) }, () => {
    void it("commands, options, jobs and shells are completed", async () => {
      const { env } = await prepare();
      const offered = (...words: string[]) =>
        execFileSync(shell, ["-c", script(words)], { env, encoding: "utf8" })
          .split("\n")
          .filter(Boolean);
      const all = ["doctor", "ls", "show", "logs", "kill", "clean", "completion"];
      for (const command of all) assert.ok(offered("").includes(command), command);
      assert.ok(offered("logs", "--").includes("--follow"));
      assert.ok(!offered("ls", "--").includes("--follow"));
      for (const command of ["ls", "show", "logs", "kill", "cancel", "clean"]) {
        const jobs = offered(command, "").filter((word) => /^(?:bg|proc)_/.test(word));
        assert.deepEqual(jobs.toSorted(), ["bg_aaaaaaaaaa", "proc_bbbbbbbbbb"], command);
      }
      assert.ok(offered("completion", "").includes("fish"));
    });
  });
}
