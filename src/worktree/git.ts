/**
 * What we ask of git about a subagent's worktree, as a child process: hooks, file-system monitors, signing, external
 * diffs and prompts are off, each call has a time limit, and the index of a tree that is only read is never
 * refreshed. Nothing here merges, rebases or pushes, and only `discardWorktree` forces: what no job has worked in.
 * Errors are `GitError`s with git's own first line.
 */
import { execFile, type ExecFileException } from "node:child_process";
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { devNull } from "node:os";
import { join } from "node:path";
import type { WorktreeResult } from "../jobs/job.js";

const LIMIT_MS = 30_000;
const MAX_OUTPUT = 64 * 1_024 * 1_024;

/** Programs that git would run by the repository's or the user's configuration, and that are not wanted here. */
// prettier-ignore
const QUIET = [
  "-c", `core.hooksPath=${devNull}`,
  "-c", "core.fsmonitor=false",
  "-c", "commit.gpgSign=false",
  "-c", "core.quotePath=false",
  "--no-optional-locks",
] as const;

const DIFF = ["--no-ext-diff", "--no-textconv", "--no-color"] as const;

/** Variables that would send git to another repository than that of its working directory. */
// prettier-ignore
const FOREIGN = [
  "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_NAMESPACE",
  "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_EXTERNAL_DIFF",
] as const;

/** git refused, is missing or took too long; `exitCode` only where git ran and refused. */
export class GitError extends Error {
  override readonly name = "GitError";
  readonly exitCode: number | undefined;

  constructor(message: string, exitCode?: number, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

interface GitAnswer {
  exitCode: number;
  stdout: string;
  stderr: string;
}

/** Runs git in a folder and resolves with what it said; rejects when it cannot run, or its exit is not in `accept`. */
export function git(
  folder: string,
  args: readonly string[],
  { accept = [0], env = {} }: { accept?: readonly number[]; env?: NodeJS.ProcessEnv } = {},
): Promise<GitAnswer> {
  const own: NodeJS.ProcessEnv = { ...process.env, LC_ALL: "C", GIT_TERMINAL_PROMPT: "0", ...env };
  for (const name of FOREIGN) delete own[name];
  const options = { cwd: folder, env: own, timeout: LIMIT_MS, maxBuffer: MAX_OUTPUT };
  return new Promise((resolve, reject) => {
    execFile("git", [...QUIET, ...args], options, (error, stdout, stderr) => {
      const exitCode = error ? error.code : 0;
      if (typeof exitCode === "number" && accept.includes(exitCode)) {
        resolve({ exitCode, stdout, stderr });
      } else reject(explain(error, stderr, { folder, args }));
    });
  });
}

function explain(
  error: ExecFileException | null,
  stderr: string,
  { folder, args }: { folder: string; args: readonly string[] },
): GitError {
  const code = error?.code;
  const call = `git ${args[0] ?? ""}`;
  if (code === "ENOENT") {
    // The system says the same of a folder that is missing as of a program.
    const what = existsSync(folder)
      ? "git was not found"
      : `expected a folder, got ${JSON.stringify(folder)}, which does not exist`;
    return new GitError(what, undefined, { cause: error });
  }
  if (typeof code !== "number") {
    const why = error?.killed ? "took too long" : error?.message;
    return new GitError(`${call}: ${why ?? "failed"}`, undefined, { cause: error });
  }
  const line = stderr.split("\n").find((each) => each.trim() !== "") ?? `exit code ${code}`;
  return new GitError(`${call}: ${line.replace(/^(?:fatal|error): /u, "")}`, code);
}

/**
 * Whether worktrees can be made of the repository around a folder, and from which commit. Rejects with a `GitError`
 * that says what is missing: no repository, a bare one, a submodule, no commit yet.
 */
export async function openRepository(folder: string): Promise<{ top: string; head: string }> {
  const isInside = await git(folder, ["rev-parse", "--is-inside-work-tree"], { accept: [0, 128] });
  if (isInside.exitCode !== 0) {
    throw new GitError("needs a git repository, and this folder is in none");
  }
  if (isInside.stdout.trim() !== "true") {
    throw new GitError("this repository is bare, without files to work on");
  }
  const outer = await git(folder, ["rev-parse", "--show-superproject-working-tree"]);
  if (outer.stdout.trim() !== "") {
    throw new GitError("this folder is a submodule; start it from the outer repository");
  }
  const top = await git(folder, ["rev-parse", "--show-toplevel"]);
  const head = await commitOf(folder, "HEAD");
  if (head === undefined) throw new GitError("this repository has no commit yet");
  return { top: line(top.stdout), head };
}

/**
 * The files of a tree that are not committed, untracked ones one by one, ignored ones left out; relative to its top,
 * with `/`. Nothing is written.
 */
export async function changes(tree: string): Promise<string[]> {
  const args = ["status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames"];
  const { stdout } = await git(tree, args);
  // Two letters and a space are before each path.
  return fields(stdout).map((entry) => entry.slice(3));
}

/** Ignored files of a tree that match a glob pattern (`.env*` matches in every folder), relative to its top. */
export async function ignoredFiles(tree: string, patterns: readonly string[]): Promise<string[]> {
  if (patterns.length === 0) return [];
  const specs = patterns.flatMap((pattern) =>
    pattern.includes("/") ? [`:(top,glob)${pattern}`] : [`:(top,glob)**/${pattern}`],
  );
  const args = ["ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--full-name"];
  const { stdout } = await git(tree, [...args, "--", ...specs]);
  return fields(stdout);
}

/** Where a branch stands beside the commit it began at. */
export async function summarize(tree: string, base: string) {
  const [head, count, stat] = await Promise.all([
    git(tree, ["rev-parse", "HEAD"]),
    git(tree, ["rev-list", "--count", `${base}..HEAD`]),
    git(tree, ["diff", ...DIFF, "--numstat", "-z", "--no-renames", base, "HEAD"]),
  ]);
  const rows = fields(stat.stdout).map((row) => row.split("\t"));
  // A binary file has "-" for both numbers.
  const sum = (column: number) =>
    rows.reduce((total, row) => total + (Number(row[column]) || 0), 0);
  return {
    head: head.stdout.trim(),
    commits: Number(count.stdout.trim()),
    files: rows.length,
    added: sum(0),
    deleted: sum(1),
  };
}

/** Whether `branch` would merge into what `tree` has checked out. Neither tree, index nor branch is touched. */
export async function checkMerge(
  tree: string,
  branch: string,
): Promise<Pick<WorktreeResult, "merge" | "conflicts" | "why">> {
  const args = ["merge-tree", "--write-tree", "--name-only", "--no-messages", "-z", "HEAD", branch];
  try {
    const { exitCode, stdout, stderr } = await git(tree, args, { accept: [0, 1] });
    if (exitCode === 0) return { merge: "clean" };
    // Also the exit code for a branch that does not exist; only conflicts come with a tree.
    if (stdout === "") return { merge: "unchecked", why: line(stderr) };
    // The first field is the tree's id.
    return { merge: "conflicts", conflicts: [...new Set(fields(stdout).slice(1))] };
  } catch (thrown) {
    // git before 2.38 knows another `merge-tree` and exits with 129.
    if (!(thrown instanceof GitError)) throw thrown;
    const why = thrown.exitCode === 129 ? "it needs git 2.38" : thrown.message;
    return { merge: "unchecked", why };
  }
}

/** Whether every commit of `branch` is reachable from what `tree` has checked out. */
export async function isMerged(tree: string, branch: string): Promise<boolean> {
  const args = ["merge-base", "--is-ancestor", branch, "HEAD"];
  return (await git(tree, args, { accept: [0, 1] })).exitCode === 0;
}

/**
 * Commits everything that is not committed in a tree, except the named paths. The user's own identity if there is one,
 * otherwise ours.
 */
export async function commitAll(
  tree: string,
  message: string,
  except: readonly string[] = [],
): Promise<void> {
  const spared = new Set(except);
  const paths = (await changes(tree)).filter((path) => !spared.has(path));
  if (paths.length === 0) return;
  // What the subagent had staged itself of the spared paths is unstaged again.
  if (except.length > 0) await git(tree, ["reset", "--quiet", "--", ...literal(except)]);
  for (const some of chunks(paths)) await git(tree, ["add", "--all", "--", ...literal(some)]);
  const args = ["commit", "--quiet", "--no-verify", "--no-gpg-sign", "-m", message];
  await git(tree, args, { env: await identityFor(tree) });
}

/** Removes a clean worktree, as `git worktree remove` without `--force` does; git refuses one with changes. */
export async function removeWorktree(repository: string, tree: string): Promise<void> {
  await git(repository, ["worktree", "remove", "--", tree]);
}

/**
 * Makes a removed worktree anew in its old folder: with its branch, or, where that is gone, with a new one of that name
 * from `base`.
 */
export async function addWorktree(
  repository: string,
  { folder, branch, base }: { folder: string; branch: string; base: string },
): Promise<void> {
  const known = await commitOf(repository, `refs/heads/${branch}`);
  // A folder that was deleted by hand is still on git's list.
  const isListed = (await branches(repository)).some((each) => each.folder === folder);
  const args = ["worktree", "add", "--quiet", ...(isListed ? ["--force"] : [])];
  if (known === undefined) await git(repository, [...args, "-b", branch, "--", folder, base]);
  else await git(repository, [...args, "--", folder, branch]);
}

/** Removes a worktree that was never given to a subagent, however incomplete it is, with its branch at `base`. */
export async function discardWorktree(
  repository: string,
  { folder, branch, base }: { folder: string; branch: string; base: string },
): Promise<void> {
  // Twice: one that git was killed in the middle of is locked.
  await git(repository, ["worktree", "remove", "--force", "--force", "--", folder]);
  await deleteBranchAt(repository, branch, base);
}

/** Puts unchanged copies out of the way: those that are committed become what the commit has, others are removed. */
export async function dropCopies(tree: string, paths: readonly string[]): Promise<void> {
  for (const some of chunks(paths)) {
    const args = ["ls-tree", "-r", "-z", "--name-only", "HEAD", "--", ...some];
    const committed = new Set(fields((await git(tree, args)).stdout));
    const restored = some.filter((path) => committed.has(path));
    if (restored.length > 0) {
      await git(tree, ["checkout", "--quiet", "HEAD", "--", ...literal(restored)]);
    }
    for (const path of some) if (!committed.has(path)) await rm(join(tree, path), { force: true });
  }
}

/** The commit of a name; undefined when there is none. */
export async function commitOf(tree: string, name: string): Promise<string | undefined> {
  const args = ["rev-parse", "--verify", "--quiet", `${name}^{commit}`];
  const { exitCode, stdout } = await git(tree, args, { accept: [0, 1, 128] });
  return exitCode === 0 ? stdout.trim() : undefined;
}

/** The branch that a tree has checked out, or the beginning of its commit's id. */
export async function checkedOut(tree: string): Promise<string> {
  const branch = (await git(tree, ["rev-parse", "--abbrev-ref", "HEAD"])).stdout.trim();
  return branch === "HEAD" ? ((await commitOf(tree, "HEAD")) ?? "HEAD").slice(0, 12) : branch;
}

/** Deletes a branch only while it stands on the expected commit; one that has moved stays. */
export async function deleteBranchAt(
  repository: string,
  branch: string,
  commit: string,
): Promise<void> {
  const args = ["update-ref", "-d", `refs/heads/${branch}`, commit];
  await git(repository, args, { accept: [0, 1, 128] });
}

/** All worktrees of a repository, the main one first; also those whose folder is missing. */
export async function branches(
  repository: string,
): Promise<{ folder: string; branch: string | undefined }[]> {
  const args = ["worktree", "list", "--porcelain"];
  const { exitCode, stdout } = await git(repository, [...args, "-z"], { accept: [0, 129] });
  // git before 2.36 has no `-z` here, and ends each line of an entry with a newline.
  const isOld = exitCode === 129;
  const all = isOld ? (await git(repository, args)).stdout.replaceAll("\n", "\0") : stdout;
  return all.split("\0\0").flatMap((entry) => {
    const [folder] = valuesOf(entry, "worktree ");
    const [branch] = valuesOf(entry, "branch refs/heads/");
    return folder === undefined ? [] : { folder, branch };
  });
}

function valuesOf(entry: string, start: string): string[] {
  return fields(entry).flatMap((line) => (line.startsWith(start) ? line.slice(start.length) : []));
}

async function identityFor(tree: string): Promise<NodeJS.ProcessEnv> {
  const args = ["-c", "user.useConfigOnly=true", "var", "GIT_COMMITTER_IDENT"];
  const known = await git(tree, args, { accept: [0, 128] });
  if (known.exitCode === 0) return {};
  const name = "opencode-background-manager";
  const email = `${name}@localhost`;
  const author = { GIT_AUTHOR_NAME: name, GIT_AUTHOR_EMAIL: email };
  return { ...author, GIT_COMMITTER_NAME: name, GIT_COMMITTER_EMAIL: email };
}

function literal(paths: readonly string[]): string[] {
  return paths.map((path) => `:(top,literal)${path}`);
}

/** A command line holds some 128 KiB at least; a path at most 4 KiB. */
function chunks(paths: readonly string[]): string[][] {
  const result: string[][] = [];
  for (let index = 0; index < paths.length; index += 100)
    result.push(paths.slice(index, index + 100));
  return result;
}

function fields(text: string): string[] {
  return text.split("\0").filter((field) => field !== "");
}

/** A path may end with spaces: only the newline of git's answer goes. */
function line(text: string): string {
  return text.replace(/\n$/u, "");
}
