/** Worktrees of subagents whose OpenCode is gone, with the real git: doctor shows them, clean removes them. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import { useFolders } from "../fakes/folders.js";
import { ended, processJob, subagent } from "../store/records.js";
import { call, owner } from "./support.js";

const folder = useFolders();

function git(cwd: string, ...args: string[]): string {
  const identity = ["-c", "user.name=t", "-c", "user.email=t@localhost"];
  return execFileSync("git", [...identity, ...args], { cwd, encoding: "utf8", stdio: "pipe" });
}

void it("a worktree with work is shown, listed with what would be lost, and removed with --yes", async () => {
  const root = folder();
  const place = realpathSync(folder());
  const source = join(place, "project");
  mkdirSync(source);
  git(source, "init", "-q", "-b", "main");
  writeFileSync(join(source, "a.txt"), "one\n");
  git(source, "add", "-A");
  git(source, "commit", "-q", "-m", "first");
  const base = git(source, "rev-parse", "HEAD").trim();
  const name = "parser-0123456789";
  const branch = `opencode/${name}`;
  const tree = join(place, name);
  git(source, "worktree", "add", "-q", "-b", branch, tree);
  writeFileSync(join(tree, "b.txt"), "two\n");
  const worktree = { owner: "bg_0123456789", name, source, base, copies: [], folder: tree, branch };
  const task = subagent("bg_0123456789", { worktree: { ...worktree, state: "kept" } });
  const at = new Date("2026-11-21T10:30:00.000Z");
  const dead = await owner(
    4,
    root,
    ended(task, at),
    processJob("proc_0123456789", { status: "completed", completedAt: at }),
  );

  const { out: shown } = await call(["doctor", "--root", root]);
  assert.match(shown, new RegExp(`Worktrees of subagents: 1\n  ${tree}: branch ${branch}`, "u"));
  const { out: listed } = await call(["clean", "--root", root]);
  assert.match(
    listed,
    new RegExp(
      `would remove worktree ${tree}: .*; 1 file is committed first, its branch stays`,
      "u",
    ),
  );
  assert.ok(existsSync(tree) && existsSync(dead.store.folder));

  const { out: detail } = await call(["show", task.id, "--root", root]);
  assert.match(detail, new RegExp(`^branch +${branch}\nworktree +${tree} \\(kept\\)$`, "mu"));
  const none = await call(["clean", "proc_0123456789", "--root", root]);
  assert.match(none.err, /proc_0123456789 has no worktree/u);
  // Its worktree alone: the folder of state stays.
  const { out: alone } = await call(["clean", "bg_01234", "--root", root]);
  assert.match(alone, /^would remove worktree [^\n]*\nCall clean --yes/u);

  const { code, out } = await call(["clean", "--yes", "--root", root]);
  assert.equal(code, 0, out);
  assert.equal(existsSync(tree), false);
  assert.equal(existsSync(dead.store.folder), false);
  assert.equal(git(source, "show", `${branch}:b.txt`), "two\n");
});
