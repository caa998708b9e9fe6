/** Subagents in git worktrees of their own, on a real host with the real git. */
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe } from "node:test";
import { promisify } from "node:util";
import { callTool } from "../../fixtures/host/index.js";
import { gate, text, toolCall } from "../../fixtures/model/index.js";
import { seenIn } from "../fakes/file-events.js";
import { firstJob, jobIds, launch, noticeTo } from "./support.js";
import { useHost } from "./use-host.js";

const IDENTITY = ["-c", "user.name=test", "-c", "user.email=test@example.invalid"];

function git(cwd: string, ...args: string[]): string {
  return execFileSync("git", [...IDENTITY, ...args], { cwd, encoding: "utf8", stdio: "pipe" });
}

function command(line: string) {
  return toolCall("bash", { command: line, description: "a command" });
}

function commitAll(project: string, message: string): void {
  git(project, "add", "--all");
  git(project, "commit", "--quiet", "--message", message);
}

/** The folder that an answer or a notice names for the worktree. */
function worktreeIn(words: string): string {
  const [folder = ""] = /\/\S+\/opencode\/worktree\/[^\s/]+\/[^\s/,]+/u.exec(words) ?? [];
  assert.ok(folder, words);
  return folder;
}

/** Looks at a tree again and again until it is stopped, and gives every state that it was seen in. */
function watchStatus(tree: string) {
  const seen = new Set<string>();
  const run = promisify(execFile);
  const end = new AbortController();
  let looks = 0;
  const watching = (async () => {
    while (!end.signal.aborted) {
      const args = ["--no-optional-locks", "status", "--porcelain", "--branch"];
      seen.add((await run("git", args, { cwd: tree })).stdout);
      looks += 1;
    }
  })();
  return async () => {
    end.abort();
    await watching;
    assert.ok(looks > 10, `${looks} looks`);
    return [...seen];
  };
}

/** The test's own limit ends it. */
async function untilGone(folder: string): Promise<void> {
  await seenIn(dirname(folder), () => !existsSync(folder) || undefined);
}

describe("subagents in worktrees", () => {
  const bed = useHost();

  bed.test("two edit the same file at the same time, and both results are merged", async () => {
    const { host, model } = bed;
    const lines = Array.from({ length: 20 }, (_, index) => `line ${index}`).join("\n");
    writeFileSync(join(host.project, "both.txt"), `${lines}\n`);
    commitAll(host.project, "a file for both");
    const parent = await host.createSession({ title: "two" });
    const stopWatching = watchStatus(host.project);
    for (const [name, edit] of [
      ["one", "sed -i '1i at the top' both.txt"],
      ["two", "echo 'at the end' >> both.txt"],
    ] as const) {
      model.script(`child: ${name}`, [
        command(edit),
        toolCall("createBackgroundProcess", {
          command: "pwd",
          notify: false,
          readyPattern: "worktree",
        }),
        [gate(`both ${name}`), text(`did ${name}`)],
      ]);
    }
    model.scriptSession(parent.id, [
      [launch("child: one", { worktree: true }), launch("child: two", { worktree: true })],
      text("started"),
      { forever: text("noted") },
    ]);
    await host.run(parent.id, "go");
    const ids = jobIds(bed, parent.id);
    assert.equal(ids.length, 2);
    for (const answer of model.turns(parent.id).at(-1)?.toolResults ?? [])
      assert.match(answer, /^bg_\w+ (?:pending|running)/u);
    model.open("both one");
    model.open("both two");
    const notices: string[] = [];
    for (const id of ids)
      notices.push(await noticeTo(bed, parent.id, new RegExp(`id="${id}"`, "u")));
    assert.deepEqual(await stopWatching(), ["## main\n"]);
    const block = (id: string) =>
      notices
        .join("\n")
        .split("<background_job ")
        .find((each) => each.startsWith(`id="${id}"`)) ?? "";
    const folders = ids.map((id) => worktreeIn(block(id)));
    for (const [index, id] of ids.entries()) {
      const words = block(id);
      assert.match(words, /^1 commit, 1 file changed, \+1 −0 against [0-9a-f]{12}$/mu);
      assert.match(words, /^merges into main without conflict$/mu);
      const [, merge = ""] = /^to merge it: git (merge \S+)$/mu.exec(words) ?? [];
      git(host.project, ...merge.split(" "), "--no-edit");
      const folder = folders[index] ?? "";
      const [child] = (await host.children(parent.id)).filter((each) => each.directory === folder);
      assert.ok(child, `${folder} has no session`);
      const output = model
        .turns(child.id)
        .flatMap((turn) => turn.toolResults)
        .join("\n");
      assert.match(output, new RegExp(`^Ready: ${folder}$`, "mu"));
    }
    const merged = readFileSync(join(host.project, "both.txt"), "utf8");
    assert.equal(merged, `at the top\n${lines}\nat the end\n`);
    const message = git(host.project, "log", "--all", "--grep", "child: one", "--format=%B");
    assert.match(message, /Left uncommitted by the subagent bg_/u);
    // Once they are merged the next quiet moment removes the folders, and the branches stay.
    await host.run(parent.id, "merged");
    for (const folder of folders) await untilGone(folder);
    assert.equal(git(host.project, "branch", "--list", "opencode/*").trim().split("\n").length, 2);
  });

  bed.test("three that conflict with the parent's branch are told as such", async () => {
    const { host, model } = bed;
    writeFileSync(join(host.project, "one-line.txt"), "begin\n");
    commitAll(host.project, "one line");
    const parent = await host.createSession({ title: "three" });
    const names = ["red", "green", "blue"];
    for (const name of names) {
      model.script(`child: ${name}`, [
        command(`echo ${name} > one-line.txt`),
        [gate(`paint ${name}`), text(`painted ${name}`)],
      ]);
    }
    model.scriptSession(parent.id, [
      names.map((name) => launch(`child: ${name}`, { worktree: true })),
      text("started"),
      { forever: text("noted") },
    ]);
    await host.run(parent.id, "go");
    writeFileSync(join(host.project, "one-line.txt"), "ours\n");
    commitAll(host.project, "ours");
    for (const name of names) model.open(`paint ${name}`);
    for (const id of jobIds(bed, parent.id)) {
      const notice = await noticeTo(bed, parent.id, new RegExp(`id="${id}"`, "u"));
      assert.match(notice, /^conflicts with main in one-line\.txt$/mu);
    }
    assert.equal(git(host.project, "status", "--porcelain"), "");
    assert.equal(readFileSync(join(host.project, "one-line.txt"), "utf8"), "ours\n");
    const list = await callTool(host, model, parent.id, "listBackgroundTasks", {});
    assert.equal(list.match(/branch opencode\/child-/gu)?.length, 3, list);
    // Removed by the agent: the folder goes, the branch with its commit stays.
    const [first = ""] = jobIds(bed, parent.id);
    const folder = worktreeIn(list.split("\n").find((line) => line.startsWith(first)) ?? "");
    const removed = await callTool(host, model, parent.id, "cancelBackgroundTasks", {
      taskId: first,
      remove: true,
    });
    assert.match(removed, /its worktree was removed; its work is on branch opencode\/child-/u);
    assert.equal(existsSync(folder), false);
    assert.equal(
      git(host.project, "branch", "--list", "opencode/child-red*").trim().split("\n").length,
      1,
    );
  });

  bed.test("what is not committed, an .env and an agent of the project", async () => {
    const { host, model } = bed;
    const { project } = host;
    writeFileSync(join(project, ".env"), "SECRET=1\n");
    // The rule that hides it is not committed: in the worktree it is an untracked file.
    writeFileSync(join(project, ".gitignore"), ".env\n");
    const special = { mode: "subagent", description: "special", prompt: "SPECIAL-INSTRUCTIONS" };
    writeFileSync(join(project, "opencode.json"), JSON.stringify({ agent: { special } }));
    const hook = join(project, ".git", "hooks", "pre-commit");
    writeFileSync(hook, "#!/bin/sh\nexit 1\n");
    chmodSync(hook, 0o755);
    await host.restart();
    const parent = await host.createSession({ title: "uncommitted" });
    model.script("child: env", [
      command("cat .env > copy.txt; git status --porcelain"),
      text("copied"),
    ]);
    model.scriptSession(parent.id, [
      launch("child: env", { worktree: true, agent: "special" }),
      text("started"),
      { forever: text("noted") },
    ]);
    await host.run(parent.id, "go");
    const id = firstJob(bed, parent.id);
    const notice = await noticeTo(bed, parent.id, new RegExp(`id="${id}"`, "u"));
    const answer = model
      .turns(parent.id)
      .flatMap((turn) => turn.toolResults)
      .join("\n");
    assert.match(answer, /; 2 files that are not committed here are not there/u);
    assert.match(notice, /^1 commit, 1 file changed, \+1 −0/mu);
    const [child] = await host.children(parent.id);
    const asked = model.turns(child?.id ?? "").at(-1);
    assert.match(JSON.stringify(asked), /SPECIAL-INSTRUCTIONS/u);
    const branch = /branch: (\S+)/u.exec(notice)?.[1] ?? "";
    assert.equal(git(project, "show", `${branch}:copy.txt`), "SECRET=1\n");
    assert.equal(git(project, "ls-tree", "-r", "--name-only", branch).includes(".env"), false);
    assert.equal(
      git(project, "ls-tree", "-r", "--name-only", branch).includes("opencode.json"),
      false,
    );
  });

  bed.test("one without changes is removed, and is there again when it is continued", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "again" });
    model.script("child: again", [
      text("which one?"),
      command("echo later > later.txt"),
      text("done"),
    ]);
    model.scriptSession(parent.id, [
      launch("child: again", { worktree: true }),
      text("started"),
      { forever: text("noted") },
    ]);
    await host.run(parent.id, "go");
    const id = firstJob(bed, parent.id);
    const first = await noticeTo(bed, parent.id, /which one/u);
    assert.match(first, /its folder was removed/u);
    await callTool(host, model, parent.id, "createBackgroundTask", {
      taskId: id,
      prompt: "the second",
    });
    const second = await noticeTo(bed, parent.id, /^1 commit, 1 file changed/mu);
    const folder = worktreeIn(second);
    assert.equal(readFileSync(join(folder, "later.txt"), "utf8"), "later\n");

    // Another one looks at it, in the same folder; an agent that only reads is given none of its own.
    model.script("child: review", [command("cat later.txt; pwd"), text("reviewed")]);
    model.script("child: read", [text("read")]);
    const review = { description: "r", prompt: "child: review", agent: "general", worktree: id };
    const joined = await callTool(host, model, parent.id, "createBackgroundTask", review);
    assert.match(joined, new RegExp(`It works in the worktree of ${id}`, "u"));
    await noticeTo(bed, parent.id, /\| reviewed/u);
    const [reviewer] = (await host.children(parent.id)).filter((each) =>
      each.title.startsWith("r ("),
    );
    const said = model
      .turns(reviewer?.id ?? "")
      .flatMap((turn) => turn.toolResults)
      .join("\n");
    assert.match(said, new RegExp(`later\n${folder}`, "u"));
    assert.ok(existsSync(folder));
  });
});
