/** What we ask of git, with the real git in repositories of its own. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { copyFiles, filesToCopy, unchangedCopies } from "../../src/worktree/copies.js";
import {
  branches,
  changes,
  checkedOut,
  checkMerge,
  commitAll,
  commitOf,
  deleteBranchAt,
  git,
  isMerged,
  openRepository,
  removeWorktree,
  summarize,
} from "../../src/worktree/git.js";

function folder(t: TestContext): string {
  const made = realpathSync(mkdtempSync(join(tmpdir(), "obm-git-")));
  t.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

function run(cwd: string, ...args: string[]): string {
  const env = { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_SYSTEM: "/dev/null" };
  return execFileSync("git", args, { cwd, env, encoding: "utf8", stdio: "pipe" });
}

/** A repository with one commit of `files`. */
function repository(t: TestContext, files: Record<string, string> = { a: "one\n" }): string {
  const made = join(folder(t), "repo");
  mkdirSync(made);
  run(made, "init", "-q", "-b", "main");
  run(made, "config", "user.name", "Tester");
  run(made, "config", "user.email", "tester@localhost");
  write(made, files);
  run(made, "add", "-A");
  run(made, "commit", "-q", "-m", "first");
  return made;
}

function write(tree: string, files: Record<string, string>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(tree, path, ".."), { recursive: true });
    writeFileSync(join(tree, path), text);
  }
}

function worktree(repo: string, branch = "work"): string {
  const made = join(repo, "..", branch);
  run(repo, "worktree", "add", "-q", "-b", branch, made);
  return made;
}

async function foldersOf(repo: string): Promise<string[]> {
  return (await branches(repo)).map((each) => each.folder);
}

void describe("a repository", () => {
  void it("is opened from a subfolder, a linked worktree, a shallow clone and a dirty tree", async (t) => {
    const repo = repository(t, { "sub/a": "one\n" });
    write(repo, { "sub/a": "two\n" });
    const head = run(repo, "rev-parse", "HEAD").trim();
    assert.deepEqual(await openRepository(join(repo, "sub")), { top: repo, head });
    const linked = worktree(repo);
    assert.deepEqual(await openRepository(linked), { top: linked, head });
    const shallow = join(repo, "..", "shallow");
    run(repo, "clone", "-q", "--depth", "1", `file://${repo}`, shallow);
    assert.equal((await openRepository(shallow)).head, head);
  });

  void it("that cannot have worktrees is refused with what is missing", async (t) => {
    const none = folder(t);
    await assert.rejects(openRepository(none), /needs a git repository/u);
    run(none, "init", "-q");
    await assert.rejects(openRepository(none), /no commit yet/u);
    const repo = repository(t);
    const bare = join(repo, "..", "bare");
    run(repo, "clone", "-q", "--bare", repo, bare);
    await assert.rejects(openRepository(bare), /bare/u);
    run(repo, "-c", "protocol.file.allow=always", "submodule", "add", "-q", repo, "inner");
    await assert.rejects(openRepository(join(repo, "inner")), /submodule/u);
  });

  void it("is found although the environment names another one", async (t) => {
    const repo = repository(t);
    process.env["GIT_DIR"] = "/nowhere";
    t.after(() => {
      delete process.env["GIT_DIR"];
    });
    assert.equal((await openRepository(repo)).top, repo);
  });

  void it("without git on the PATH is refused in one sentence", async (t) => {
    const repo = repository(t);
    await assert.rejects(git(repo, ["status"], { env: { PATH: "/nowhere" } }), {
      message: "git was not found",
    });
  });

  void it("in a folder that does not exist is refused with its name", async (t) => {
    const gone = join(repository(t), "gone");
    await assert.rejects(openRepository(gone), {
      message: `expected a folder, got "${gone}", which does not exist`,
    });
  });
});

void describe("a branch", () => {
  void it("is summarized against its base: commits, files, lines, a binary file without lines", async (t) => {
    const repo = repository(t, { a: "1\n2\n3\n", ü: "x\n" });
    const { head: base } = await openRepository(repo);
    const tree = worktree(repo);
    write(tree, { a: "1\nzwei\n3\nvier\n", "new file": "n\n", bin: "\0\0\0" });
    await commitAll(tree, "work");
    rmSync(join(tree, "ü"));
    await commitAll(tree, "more work");
    const summary = await summarize(tree, base);
    assert.equal(await checkedOut(tree), "work");
    assert.deepEqual(
      [summary.commits, summary.files, summary.added, summary.deleted],
      [2, 4, 3, 2],
    );
  });

  void it("that merges is told from one with conflicts, and neither touches the tree", async (t) => {
    const repo = repository(t, { a: "one\n", b: "one\n" });
    const clean = worktree(repo, "clean");
    write(clean, { b: "theirs\n" });
    await commitAll(clean, "b");
    const torn = worktree(repo, "torn");
    write(torn, { a: "theirs\n", b: "other\n" });
    await commitAll(torn, "both");
    write(repo, { a: "ours\n" });
    run(repo, "commit", "-qam", "ours");
    write(repo, { "not yet": "committed\n" });
    const before = [run(repo, "status", "--porcelain"), run(repo, "rev-parse", "HEAD")];
    assert.deepEqual(await checkMerge(repo, "clean"), { merge: "clean" });
    assert.deepEqual(await checkMerge(repo, "torn"), { merge: "conflicts", conflicts: ["a"] });
    assert.equal((await checkMerge(repo, "unknown")).merge, "unchecked");
    assert.deepEqual([run(repo, "status", "--porcelain"), run(repo, "rev-parse", "HEAD")], before);
    assert.equal(await isMerged(repo, "clean"), false);
    run(repo, "merge", "-q", "clean");
    assert.equal(await isMerged(repo, "clean"), true);
  });

  void it("is deleted only where it was expected to stand", async (t) => {
    const repo = repository(t);
    const { head } = await openRepository(repo);
    run(repo, "branch", "old");
    await deleteBranchAt(repo, "old", "1".repeat(40));
    assert.equal(await commitOf(repo, "refs/heads/old"), head);
    await deleteBranchAt(repo, "old", head);
    assert.equal(await commitOf(repo, "refs/heads/old"), undefined);
    await deleteBranchAt(repo, "old", head);
  });
});

void describe("uncommitted work", () => {
  void it("is committed although a pre-commit hook fails, signing is on and no identity is known", async (t) => {
    const repo = repository(t);
    const hook = join(repo, ".git", "hooks", "pre-commit");
    mkdirSync(join(hook, ".."), { recursive: true });
    writeFileSync(hook, "#!/bin/sh\nexit 1\n");
    chmodSync(hook, 0o755);
    run(repo, "config", "commit.gpgSign", "true");
    run(repo, "config", "--unset", "user.name");
    run(repo, "config", "--unset", "user.email");
    const tree = worktree(repo);
    write(tree, { a: "changed\n", "deep/new": "n\n", "-n": "a name like an option\n" });
    process.env["GIT_CONFIG_GLOBAL"] = "/dev/null";
    t.after(() => {
      delete process.env["GIT_CONFIG_GLOBAL"];
    });
    await commitAll(tree, "bg_1: what it did");
    const commit = run(tree, "rev-parse", "HEAD");
    assert.notEqual(commit, run(repo, "rev-parse", "HEAD"));
    assert.equal(run(tree, "log", "-1", "--format=%an: %s").trim().endsWith("what it did"), true);
    assert.deepEqual(await changes(tree), []);
    await commitAll(tree, "again");
    assert.equal(run(tree, "rev-parse", "HEAD"), commit);
  });

  void it("leaves unchanged copies out, also one whose ignore rule is not committed, and takes a changed one", async (t) => {
    const repo = repository(t, { a: "one\n", ".gitignore": "*.log\n" });
    write(repo, {
      ".gitignore": "*.log\n.env*\n",
      ".env": "SECRET=1\n",
      "app/.env.local": "SECRET=2\n",
      "build.log": "no\n",
      "opencode.json": "{}\n",
      ".opencode/agent/x.md": "an agent\n",
    });
    const paths = await filesToCopy(repo, [".env*"]);
    assert.deepEqual(paths, [".env", ".opencode/agent/x.md", "app/.env.local", "opencode.json"]);
    const tree = worktree(repo);
    const copies = await copyFiles(repo, tree, paths);
    assert.equal(readFileSync(join(tree, "app/.env.local"), "utf8"), "SECRET=2\n");
    write(tree, { "app/.env.local": "CHANGED=1\n", b: "new\n" });
    run(tree, "add", ".env");
    const unchanged = await unchangedCopies(tree, copies);
    assert.deepEqual(unchanged, [".env", ".opencode/agent/x.md", "opencode.json"]);
    await commitAll(tree, "work", unchanged);
    const shown = run(tree, "show", "--name-only", "--format=").trim().split("\n").sort();
    assert.deepEqual(shown, ["app/.env.local", "b"]);
    assert.deepEqual((await changes(tree)).sort(), unchanged);
  });

  void it("copies links as links, and nothing through a link that leads out of the tree", async (t) => {
    const outside = folder(t);
    const repo = repository(t, { ".gitignore": ".env*\n" });
    symlinkSync("/etc/hostname", join(repo, ".env"));
    symlinkSync(outside, join(repo, "shared"));
    run(repo, "add", "-A");
    run(repo, "commit", "-qm", "a link to a folder outside");
    const tree = worktree(repo);
    rmSync(join(repo, "shared"));
    write(repo, { "shared/.env": "SECRET=1\n" });
    const paths = await filesToCopy(repo, [".env*"]);
    assert.deepEqual(paths, [".env", "shared/.env"]);
    const copies = await copyFiles(repo, tree, paths);
    assert.deepEqual(copies, [{ path: ".env", digest: "link /etc/hostname" }]);
    assert.equal(existsSync(join(outside, ".env")), false);
  });
});

void describe("a worktree", () => {
  void it("is removed only when it is clean", async (t) => {
    const repo = repository(t);
    const tree = worktree(repo);
    assert.deepEqual(await foldersOf(repo), [repo, tree]);
    write(tree, { b: "new\n" });
    await assert.rejects(removeWorktree(repo, tree), /modified or untracked/u);
    rmSync(join(tree, "b"));
    await removeWorktree(repo, tree);
    assert.deepEqual(await foldersOf(repo), [repo]);
  });
});

void describe("an old git", () => {
  void it("lists worktrees although it has no -z for that, and does not check a merge", async (t) => {
    const repo = repository(t);
    const linked = worktree(repo);
    const bin = folder(t);
    const real = execFileSync("sh", ["-c", "command -v git"], { encoding: "utf8" }).trim();
    const program = `#!/bin/sh
case " $* " in *" worktree list "*" -z "*|*" merge-tree --write-tree "*) exit 129 ;; esac
exec '${real}' "$@"
`;
    writeFileSync(join(bin, "git"), program, { mode: 0o755 });
    const { PATH } = process.env;
    t.after(() => {
      process.env["PATH"] = PATH;
    });
    process.env["PATH"] = `${bin}${delimiter}${PATH}`;
    assert.deepEqual(await branches(repo), [
      { folder: repo, branch: "main" },
      { folder: linked, branch: "work" },
    ]);
    const why = "it needs git 2.38";
    assert.deepEqual(await checkMerge(repo, "work"), { merge: "unchecked", why });
  });
});
