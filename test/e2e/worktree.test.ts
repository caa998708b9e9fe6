/** Subagents in git worktrees of their own, on a real host with the real git. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe } from "node:test";
import { gate, text, toolCall } from "../../fixtures/model/index.js";
import { jobIds, launch, noticeTo } from "./support.js";
import { useHost, type Bed } from "./use-host.js";

function git(cwd: string, ...args: string[]): string {
  return execFileSync("git", args, { cwd, encoding: "utf8", stdio: "pipe" });
}

const IDENTITY = ["-c", "user.name=test", "-c", "user.email=test@example.invalid"];

function command(line: string) {
  return toolCall("bash", { command: line, description: "a command" });
}

describe("subagents in worktrees", () => {
  const bed = useHost();

  bed.test("two edit the same file at the same time, and both results can be merged", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "two" });
    for (const [name, line] of [
      ["one", "at the top"],
      ["two", "at the end"],
    ] as const) {
      const edit = name === "one" ? `sed -i '1i ${line}' README.md` : `echo '${line}' >> README.md`;
      model.script(`child: ${name}`, [
        command(`pwd > where-${name}; ${edit}`),
        [gate(`both ${name}`), text(`did ${name}`)],
      ]);
    }
    model.scriptSession(parent.id, [
      [launch("child: one", { worktree: true }), launch("child: two", { worktree: true })],
      text("started"),
      { forever: text("noted") },
    ]);
    await host.run(parent.id, "go");
    console.log(model.turns(parent.id).at(-1)?.toolResults);
    const ids = jobIds(bed, parent.id);
    model.open("both one");
    model.open("both two");
    for (const id of ids) console.log(await noticeTo(bed, parent.id, new RegExp(id)));
    console.log(git(host.project, "worktree", "list"), git(host.project, "status", "--porcelain"));
  });
});
