/** The life of a worktree's record, with the real git; the host's part is played by `git worktree add`. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { HostError } from "../../src/host/host.js";
import { hasWorktree, type SubagentJob, type WorktreeRecord } from "../../src/jobs/job.js";
import { deferred } from "../../fixtures/deferred.js";
import { settle } from "../fakes/clock.js";
import { House, type HouseSettings } from "../fakes/house.js";

function git(cwd: string, ...args: string[]): string {
  const env = { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_SYSTEM: "/dev/null" };
  return execFileSync("git", args, { cwd, env, encoding: "utf8", stdio: "pipe" });
}

interface Stage {
  house: House;
  project: string;
  root: string;
  /** Settles what is under way for this task and gives its worktree. */
  worktreeOf: (id: string) => Promise<WorktreeRecord>;
  /** Starts a task with a worktree, and gives it as it runs. */
  start: (more?: object) => Promise<SubagentJob>;
}

async function stage(t: TestContext, options: HouseSettings["options"] = {}): Promise<Stage> {
  const scratch = realpathSync(mkdtempSync(join(tmpdir(), "obm-worktrees-")));
  t.after(() => rmSync(scratch, { recursive: true, force: true }));
  const project = join(scratch, "project");
  mkdirSync(project);
  git(project, "init", "-q", "-b", "main");
  git(project, "config", "user.name", "t");
  git(project, "config", "user.email", "t@localhost");
  writeFileSync(join(project, "a.txt"), "one\n");
  git(project, "add", "-A");
  git(project, "commit", "-q", "-m", "first");
  const house = new House({ options, directory: project });
  house.host.onWorktree = ({ name, directory }) => {
    const folder = join(scratch, "data", name);
    const branch = `opencode/${name}`;
    git(directory, "worktree", "add", "-q", "-b", branch, folder);
    return Promise.resolve({ folder, branch, ready: Promise.resolve() });
  };
  const root = house.host.addSession({ directory: project });
  house.host.addUser(root);
  const worktreeOf = async (id: string) => {
    await house.worktrees.settled(id);
    const worktree = house.jobs.getSubagent(id)?.worktree;
    assert.ok(worktree);
    return worktree;
  };
  const start = async (more: object = {}) => {
    const { id } = await house.launch({ parentSessionID: root, worktree: true, ...more });
    const job = house.jobs.getSubagent(id);
    assert.equal(job?.status, "running", job?.error);
    return job;
  };
  return { house, project, root, worktreeOf, start };
}

function folderOf({ worktree }: SubagentJob): string {
  assert.ok(worktree?.folder);
  return worktree.folder;
}

void describe("the worktree of a subagent", () => {
  void it("is where its session lives, and its events belong to the parent's workspace", async (t) => {
    const { house, start } = await stage(t);
    const job = await start();
    const folder = folderOf(job);
    assert.equal((await house.host.session(job.sessionID ?? ""))?.directory, folder);
    assert.deepEqual([...house.claimed], [folder]);
    assert.match(job.worktree?.branch ?? "", /^opencode\/a-task-[0-9a-z]{10}$/u);
  });

  void it("is added to the repository after another one: git reads half of one that is being added", async (t) => {
    const { house, start } = await stage(t);
    const { onWorktree } = house.host;
    let [adding, most] = [0, 0];
    const [arrived, planned, gate] = [deferred<void>(), deferred<void>(), deferred<void>()];
    house.jobs.onChange(() => {
      if (house.jobs.size === 2) planned.resolve();
    });
    house.host.onWorktree = async (input) => {
      most = Math.max(most, ++adding);
      arrived.resolve();
      await gate.promise;
      adding -= 1;
      return onWorktree(input);
    };
    const both = [start({ prompt: "one" }), start({ prompt: "two" })];
    await Promise.all([arrived.promise, planned.promise]);
    await settle();
    gate.resolve();
    const folders = (await Promise.all(both)).map(folderOf);
    assert.equal(new Set(folders).size, 2);
    assert.equal(most, 1);
  });

  void it("with work is kept with a commit of what was left, and its record is not forgotten", async (t) => {
    const { house, project, worktreeOf, start } = await stage(t);
    const job = await start();
    writeFileSync(join(folderOf(job), "b.txt"), "two\n");
    await house.answer(job.sessionID ?? "", "done");
    const { state, result, branch } = await worktreeOf(job.id);
    assert.equal(state, "kept");
    assert.deepEqual([result?.commits, result?.files, result?.merge], [1, 1, "clean"]);
    assert.match(git(project, "log", "-1", "--format=%B", branch ?? ""), /^a task\n\ndo it\n/u);
    const kept = house.jobs.get(job.id);
    assert.ok(kept && hasWorktree(kept));
    assert.deepEqual(house.host.disposed, [folderOf(job)]);
  });

  void it("keeps what is uncommitted as it is where the option says so", async (t) => {
    const { house, worktreeOf, start } = await stage(t, { worktreeCommit: false });
    const job = await start();
    writeFileSync(join(folderOf(job), "b.txt"), "two\n");
    await house.answer(job.sessionID ?? "", "done");
    const { state, result } = await worktreeOf(job.id);
    assert.deepEqual([state, result?.commits, result?.uncommitted], ["kept", 0, 1]);
    // Removed by hand it is committed all the same.
    const words = await house.worktrees.remove(job.id);
    assert.match(words, /its work is on branch opencode\//u);
    assert.equal(existsSync(folderOf(job)), false);
  });

  void it("that was merged goes at the next quiet moment of its parent; its branch stays", async (t) => {
    const { house, project, root, worktreeOf, start } = await stage(t);
    const job = await start();
    writeFileSync(join(folderOf(job), "b.txt"), "two\n");
    await house.answer(job.sessionID ?? "", "done");
    const { branch = "" } = await worktreeOf(job.id);
    house.worktrees.onIdle(root);
    assert.equal((await worktreeOf(job.id)).state, "kept");
    git(project, "merge", "-q", branch);
    house.worktrees.onIdle(root);
    assert.equal((await worktreeOf(job.id)).state, "removed");
    assert.equal(existsSync(folderOf(job)), false);
    assert.match(git(project, "branch", "--list", branch), /opencode/u);
    assert.deepEqual([...house.claimed], []);
  });

  void it("stays while another task works in it, whose end then removes it", async (t) => {
    const { house, worktreeOf, start } = await stage(t);
    const first = await start();
    const second = await start({ worktree: first.id });
    assert.equal(folderOf(second), folderOf(first));
    await house.answer(first.sessionID ?? "", "done");
    assert.equal((await worktreeOf(first.id)).state, "ready");
    await house.answer(second.sessionID ?? "", "done");
    assert.equal((await worktreeOf(second.id)).state, "removed");
    assert.equal((await worktreeOf(first.id)).state, "removed");
    assert.equal(existsSync(folderOf(first)), false);
  });

  void it("that the host cannot fill fails the task, and nothing is left", async (t) => {
    const { house, project, root, worktreeOf } = await stage(t);
    const make = house.host.onWorktree;
    house.host.onWorktree = async (input) => {
      const made = await make(input);
      rmSync(join(made.folder, "a.txt"));
      const ready = Promise.reject(new HostError("No space left on device"));
      ready.catch(() => undefined);
      return { ...made, ready };
    };
    const { id } = await house.launch({ parentSessionID: root, worktree: true });
    const job = house.jobs.getSubagent(id);
    assert.deepEqual([job?.status, job?.error], ["failed", "No space left on device"]);
    assert.equal((await worktreeOf(id)).state, "removed");
    assert.equal(git(project, "worktree", "list").trim().split("\n").length, 1);
    assert.equal(git(project, "branch", "--list", "opencode/*"), "");
  });

  void it("of a host that died is found by its name: unfinished it is removed, with work it is kept", async (t) => {
    const { house, project, root, worktreeOf, start } = await stage(t);
    const job = await start();
    writeFileSync(join(folderOf(job), "b.txt"), "two\n");
    const { worktree, ...rest } = house.jobs.getSubagent(job.id) ?? job;
    assert.ok(worktree);
    const ended = { ...rest, status: "failed", endReason: "interrupted" } as const;
    // As it was written before the host answered, and as it was written last.
    const unfinished = {
      ...worktree,
      owner: "bg_0000000001",
      name: "gone-0000000001",
      state: "making",
    } as const;
    const { folder: _, branch: __, ...asked } = unfinished;
    const next = new House({ directory: project });
    git(
      project,
      "worktree",
      "add",
      "-q",
      "--no-checkout",
      "-b",
      "opencode/gone-0000000001",
      join(project, "..", "gone-0000000001"),
    );
    const jobs = [
      { ...ended, worktree },
      { ...ended, id: "bg_0000000001", sessionID: undefined, worktree: asked },
    ];
    for (const each of jobs) next.jobs.add(each);
    next.worktrees.recover(jobs);
    await next.worktrees.settled("bg_0000000001");
    await next.worktrees.settled(job.id);
    const stateOf = (id: string) => next.jobs.getSubagent(id)?.worktree;
    assert.equal(stateOf("bg_0000000001")?.state, "removed");
    assert.equal(stateOf(job.id)?.state, "kept");
    assert.equal(stateOf(job.id)?.result?.commits, 1);
    assert.equal(git(project, "worktree", "list").trim().split("\n").length, 2);
    assert.equal((await worktreeOf(job.id)).state, "ready");
    assert.ok(root);
  });

  void it("is refused outside of a repository and for a task without one, before anything exists", async (t) => {
    const { house, root, project } = await stage(t);
    rmSync(join(project, ".git"), { recursive: true });
    const launch = (worktree: true | string) => house.launch({ parentSessionID: root, worktree });
    await assert.rejects(launch(true), /^UserError: worktree: needs a git repository/u);
    const { id } = await house.launch({ parentSessionID: root });
    await assert.rejects(
      launch(id),
      /expected a task with a worktree, got bg_\w+, which has none/u,
    );
    await assert.rejects(
      launch("bg_1"),
      /expected true, or the id of a task of this session tree/u,
    );
    assert.equal(house.jobs.size, 1);
  });
});
