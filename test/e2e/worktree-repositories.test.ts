/** Worktrees where the parent's repository is not the plain one, and where git cannot: on a real host with the real git. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, describe } from "node:test";
import { text, toolCall, type ModelRequest } from "../../fixtures/model/index.js";
import { launch, noticeTo } from "./support.js";
import { useHost, type Bed } from "./use-host.js";

const IDENTITY = ["-c", "user.name=test", "-c", "user.email=test@example.invalid"];
const FROM_FILES = ["-c", "protocol.file.allow=always"];

function git(cwd: string, ...args: string[]): string {
  const all = [...IDENTITY, ...FROM_FILES, ...args];
  return execFileSync("git", all, { cwd, encoding: "utf8", stdio: "pipe" });
}

function commit(repository: string, files: Record<string, string>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(repository, path, ".."), { recursive: true });
    writeFileSync(join(repository, path), content);
  }
  git(repository, "add", "--all");
  git(repository, "commit", "--quiet", "--message", "more");
}

/** A session in this directory whose agent starts one subagent with a worktree, which runs `command` there. */
async function startIn({ host, model }: Bed, directory: string, name: string, command = "true") {
  const parent = await host.createSession({ directory, title: name });
  model.script(`child: ${name}`, [
    toolCall("bash", { command, description: "a command" }),
    text(`did ${name}`),
  ]);
  model.scriptSession(parent.id, [
    launch(`child: ${name}`, { worktree: true }),
    text("started"),
    { forever: text("noted") },
  ]);
  const parts = [{ type: "text" as const, text: "go" }];
  const sent = { sessionID: parent.id, directory, parts };
  await host.client.session.promptAsync(sent, { throwOnError: true });
  return parent.id;
}

/** What the agent's call was answered. */
async function answerIn({ model }: Bed, sessionID: string): Promise<string> {
  const { toolResults } = await model.waitForRequest(
    ({ conversation, toolResults: results }) => conversation === sessionID && results.length > 0,
  );
  return toolResults.join("\n");
}

/** What the agent was answered and told. */
function wordsOf({ toolResults, userTexts }: Pick<ModelRequest, "toolResults" | "userTexts">) {
  return [...toolResults, ...userTexts].join("\n");
}

function worktreesOf(repository: string): string[] {
  const listed = git(repository, "worktree", "list", "--porcelain");
  return [...listed.matchAll(/^worktree (.*)$/gmu)].map(([, folder = ""]) => folder);
}

function branchesOf(repository: string): string {
  return git(repository, "branch", "--list", "opencode/*").trim();
}

describe("a parent's repository", () => {
  const bed = useHost();
  const place = realpathSync(mkdtempSync(join(tmpdir(), "obm-repos-")));
  after(() => rmSync(place, { recursive: true, force: true }));

  bed.test("may be a shallow clone, a sparse one, or a linked worktree itself", async () => {
    const { project } = bed.host;
    commit(project, { "a/one.txt": "one\n", "b/two.txt": "two\n" });
    const [shallow, sparse, linked] = ["shallow", "sparse", "linked"].map((name) =>
      join(place, name),
    );
    assert.ok(shallow && sparse && linked);
    git(place, "clone", "--quiet", "--depth", "1", `file://${project}`, shallow);
    git(place, "clone", "--quiet", project, sparse);
    git(sparse, "sparse-checkout", "set", "--cone", "a");
    git(project, "worktree", "add", "--quiet", "-b", "side", linked);
    assert.ok(!existsSync(join(sparse, "b")));
    for (const parent of [shallow, sparse, linked]) {
      const name = parent.slice(place.length + 1);
      const session = await startIn(bed, parent, name, `echo ${name} >> a/one.txt; pwd`);
      const notice = await noticeTo(bed, session, new RegExp(`\\| did ${name}`, "u"));
      // Of the sparse one: what is not checked out was not deleted.
      assert.match(notice, /^1 commit, 1 file changed, \+1 −0 against /mu, name);
      const into = name === "linked" ? "side" : "main";
      assert.match(notice, new RegExp(`^merges into ${into} without conflict$`, "mu"), name);
      const [, merge = ""] = /^to merge it: git (merge \S+)$/mu.exec(notice) ?? [];
      git(parent, ...merge.split(" "), "--no-edit");
      assert.equal(git(parent, "show", "HEAD:a/one.txt"), `one\n${name}\n`);
      assert.equal(git(parent, "show", "HEAD:b/two.txt"), "two\n");
      assert.equal(git(parent, "status", "--porcelain"), "");
    }
  });

  bed.test("may not be a submodule, bare, without a commit, or none at all", async () => {
    const { project } = bed.host;
    const [outer, bare, empty, none] = ["outer", "bare.git", "empty", "none"].map((name) =>
      join(place, name),
    );
    assert.ok(outer && bare && empty && none);
    git(place, "init", "--quiet", outer);
    git(outer, "submodule", "--quiet", "add", project, "inner");
    commit(outer, { "outer.txt": "outer\n" });
    git(place, "clone", "--quiet", "--bare", project, bare);
    git(place, "init", "--quiet", empty);
    mkdirSync(none);
    // Those of the test before may be removed meanwhile, as they are merged: what counts is that none is made.
    const before = new Set(worktreesOf(project));
    for (const [directory, why] of [
      [join(outer, "inner"), /submodule; start it from the outer repository/u],
      [bare, /this repository is bare/u],
      [empty, /no commit yet/u],
      [none, /needs a git repository/u],
    ] as const) {
      const session = await startIn(bed, directory, directory.slice(place.length + 1));
      assert.match(await answerIn(bed, session), why);
      const { data: children } = await bed.host.client.session.children({
        sessionID: session,
        directory,
      });
      assert.deepEqual(children, []);
    }
    assert.deepEqual(
      worktreesOf(project).filter((folder) => !before.has(folder)),
      [],
    );
    assert.equal(worktreesOf(join(outer, "inner")).length, 1);
    assert.equal(worktreesOf(bare).length, 1);
  });
});

describe("a git", () => {
  const place = realpathSync(mkdtempSync(join(tmpdir(), "obm-git-")));
  after(() => rmSync(place, { recursive: true, force: true }));
  const real = execFileSync("sh", ["-c", "command -v git"], { encoding: "utf8" }).trim();
  const fails = join(place, "fails");
  // As 2.30 answers what it does not know; and a full disk for the command that the file names.
  const program = `#!/bin/sh
full() { echo "fatal: cannot write: No space left on device" >&2; exit 128; }
unset GIT_CONFIG_COUNT
case " $* " in
  *" --version "*) echo "git version 2.30.2"; exit 0 ;;
  *" merge-tree --write-tree "*) echo "usage: git merge-tree <base-tree> <branch1> <branch2>" >&2; exit 129 ;;
  *" worktree list "*" -z "*) echo "error: unknown switch \\\`z'" >&2; exit 129 ;;
esac
if [ -e '${fails}' ]; then
  case " $* " in *" $(cat '${fails}') "*) full ;; esac
fi
exec '${real}' "$@"
`;
  mkdirSync(join(place, "bin"));
  writeFileSync(join(place, "bin", "git"), program, { mode: 0o755 });
  const bed = useHost({
    env: { PATH: [join(place, "bin"), process.env["PATH"] ?? ""].join(delimiter) },
  });

  bed.test("of before 2.38 does all but the merge check, and says so", async () => {
    const { project } = bed.host;
    const session = await startIn(bed, project, "old", "echo old > old.txt");
    const notice = await noticeTo(bed, session, /\| did old/u);
    assert.match(notice, /^1 commit, 1 file changed, \+1 −0 against /mu);
    assert.match(notice, /^merge not checked: it needs git 2\.38$/mu);
    const [, branch = ""] = /^branch: (\S+)/mu.exec(notice) ?? [];
    assert.equal(git(project, "show", `${branch}:old.txt`), "old\n");
    // One without changes goes, with its branch.
    const spent = await startIn(bed, project, "spent");
    assert.match(await noticeTo(bed, spent, /\| did spent/u), /its folder was removed/u);
    assert.equal(worktreesOf(project).length, 2);
  });

  bed.test("on a full disk leaves nothing half made, and loses nothing that was done", async () => {
    const { project } = bed.host;
    const before = [worktreesOf(project), branchesOf(project)];
    const folders = () => {
      const all = join(bed.host.state, "data", "opencode", "worktree");
      if (!existsSync(all)) return [];
      return readdirSync(all).flatMap((each) => readdirSync(join(all, each)));
    };
    const foldersBefore = folders();
    for (const command of ["worktree add", "reset --hard"]) {
      writeFileSync(fails, command);
      const session = await startIn(bed, project, `full at ${command}`);
      // In the answer of the call, or, when the host has answered before, in the notice.
      const { toolResults, userTexts } = await bed.model.waitForRequest(
        (request) =>
          request.conversation === session &&
          /error: .*No space left on device/u.test(wordsOf(request)),
      );
      assert.match(wordsOf({ toolResults, userTexts }), /failed|could not/u, command);
      assert.deepEqual([worktreesOf(project), branchesOf(project)], before, command);
      assert.deepEqual(folders(), foldersBefore, command);
    }
    // Full when the work is done: it stays where it is, and that is said.
    writeFileSync(fails, "add --all");
    const session = await startIn(bed, project, "full at the end", "echo work > work.txt; pwd");
    const notice = await noticeTo(bed, session, /\| did full at the end/u);
    assert.match(notice, /No space left on device/u);
    const folder = worktreesOf(project).find((each) => !before[0]?.includes(each)) ?? "";
    assert.ok(existsSync(join(folder, "work.txt")), notice);
    rmSync(fails);
  });
});
