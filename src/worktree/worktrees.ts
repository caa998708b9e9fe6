/**
 * The worktrees of subagents, from the first plan to the last look. Each is used and tidied up by one at a time; its
 * record is on disk before the host is asked to make it, so that a crash loses none from sight. Nothing is merged here,
 * and nothing is removed that holds work, unless that is asked for: then it is on its branch.
 */
import { existsSync } from "node:fs";
import type { Context } from "../context.js";
import type { Job, SubagentJob, WorktreeRecord } from "../jobs/job.js";
import type { JobChange } from "../jobs/registry.js";
import { isTerminal } from "../jobs/status.js";
import type { Notices } from "../notices/notices.js";
import { coerceError, logFailure, UserError } from "../ports.js";
import { isInside } from "../system/inside.js";
import { CONFIGURATION, copyFiles, filesToCopy } from "./copies.js";
import { commitLeftovers, examine, findMade, isSpent, remove, type Made } from "./finish.js";
import {
  addWorktree,
  changes,
  commitOf,
  discardWorktree,
  GitError,
  openRepository,
} from "./git.js";

/** The directories of this process whose instances work for the workspace of another one. */
export interface Homes {
  claim(folder: string): void;
  release(folder: string): void;
  /** A worktree is being made and then claimed: its instance may start before its folder is known. */
  during<T>(making: Promise<T>): Promise<T>;
}

export interface WorktreesDeps extends Context {
  /** Of this OpenCode. */
  directory: string;
  homes: Homes;
  notices: Pick<Notices, "hold">;
  persist: () => Promise<void>;
}

/** What a task is to be given; `uncommitted`: files of the parent's tree that will not be there. */
export interface WorktreePlan {
  record: Omit<WorktreeRecord, "owner" | "name"> & Partial<Pick<WorktreeRecord, "owner" | "name">>;
  uncommitted: number;
}

/** Characters of a name that a branch keeps, and of a task that its commit quotes. */
const MOST_NAME = 30;
const MOST_QUOTED = 4_000;

/**
 * What changes a repository's list of worktrees waits for its turn: git, which reads all of them, fails at one that
 * another git is adding (`failed to read .git/worktrees/…/commondir`).
 */
const LIST = "list";

export class Worktrees {
  readonly #deps: WorktreesDeps;
  /** By owner, and for the list of all: what is done is done one after the other. */
  readonly #turns = new Map<string, Promise<unknown>>();
  readonly #stopListening: () => void;
  #isClosed = false;

  constructor(deps: WorktreesDeps) {
    this.#deps = deps;
    this.#stopListening = deps.jobs.onChange((change) => this.#onJob(change));
  }

  /** Whether this is the folder of a task's worktree. */
  includes(directory: string): boolean {
    const jobs = this.#deps.jobs.all();
    return jobs.some((job) => job.kind === "subagent" && job.worktree?.folder === directory);
  }

  /** Where the session of a task or of what it started lives, if not in this OpenCode's directory. */
  directoryOf(sessionID: string): string | undefined {
    return this.#deps.jobs.findBySession(sessionID)?.directory;
  }

  /**
   * For a new task of a session in `directory`: a worktree of its own, or that of an earlier task of the tree. Rejects
   * with a UserError that names what is missing; nothing is made.
   */
  async plan(wanted: true | string, from: { directory: string; rootSessionID: string }) {
    return wanted === true ? this.#planOwn(from.directory) : this.#planShared(wanted, from);
  }

  async #planOwn(directory: string): Promise<WorktreePlan> {
    try {
      const { top, head } = await openRepository(directory);
      const uncommitted = (await changes(top)).length;
      return { record: { state: "making", source: top, base: head, copies: [] }, uncommitted };
    } catch (thrown) {
      if (!(thrown instanceof GitError)) throw thrown;
      throw new UserError(`worktree: ${thrown.message}`, { cause: thrown });
    }
  }

  #planShared(id: string, { rootSessionID }: { rootSessionID: string }): WorktreePlan {
    const { jobs } = this.#deps;
    const task = jobs.getSubagent(id) ?? jobs.findBySession(id);
    if (!task || task.rootSessionID !== rootSessionID) {
      throw new UserError(
        `worktree: expected true, or the id of a task of this session tree, got ${JSON.stringify(id.slice(0, 100))}`,
      );
    }
    if (!task.worktree) {
      throw new UserError(
        `worktree: expected a task with a worktree, got ${task.id}, which has none`,
      );
    }
    const { result: _, problem: __, ...record } = task.worktree;
    return { record, uncommitted: 0 };
  }

  /** The plan as part of the record of a new task. */
  recordOf({ record }: WorktreePlan, task: Pick<SubagentJob, "id" | "name">): WorktreeRecord {
    const words = task.name
      .toLowerCase()
      .replace(/[^a-z0-9]+/gu, "-")
      .slice(0, MOST_NAME);
    const own = task.id.replace(/^bg_/u, "");
    const name = `${words.replace(/^-+|-+$/gu, "")}-${own}`.replace(/^-/u, "");
    return { owner: task.id, name, ...record };
  }

  /**
   * Makes the worktree of a task, or makes it anew, and resolves with where its session is to live; undefined for a
   * task that works where its parent does. Rejects when the host or git cannot; then nothing is left of it.
   */
  async enter(jobID: string): Promise<string | undefined> {
    const job = this.#deps.jobs.getSubagent(jobID);
    if (!job?.worktree) return job?.directory;
    return this.#inTurn(job.worktree.owner, () => this.#enter(jobID));
  }

  /** Of what an earlier owner left: ends that were not looked at, and branches that were merged meanwhile. */
  recover(jobs: readonly Job[]): void {
    for (const job of jobs) {
      if (job.kind !== "subagent" || !job.worktree || !isTerminal(job.status)) continue;
      const { state, folder } = job.worktree;
      if (state !== "removed" && folder !== undefined) this.#deps.homes.claim(folder);
      if (state === "making" || state === "ready") this.#settleLater(job);
      else if (state === "kept") this.#sweepLater(job);
    }
  }

  /** The session has nothing to do: its user or agent may have merged what its subagents did. */
  onIdle(sessionID: string): void {
    for (const job of this.#deps.jobs.byParent(sessionID)) {
      if (job.kind === "subagent" && job.worktree?.state === "kept") this.#sweepLater(job);
    }
  }

  /** Live jobs that work in the worktree of this task. */
  workersIn({ worktree }: SubagentJob): Job[] {
    if (!worktree) return [];
    const { owner, folder } = worktree;
    const { jobs } = this.#deps;
    return jobs.all().filter((job) => {
      if (isTerminal(job.status)) return false;
      if (job.kind === "subagent") {
        return job.worktree?.owner === owner || (folder !== undefined && job.directory === folder);
      }
      return folder !== undefined && isInside(folder, job.cwd);
    });
  }

  /**
   * Removes the worktree of a task in which no job works any more; what is uncommitted is on its branch first, and the
   * branch stays if it has commits. Resolves with what was done; rejects with a UserError when it cannot be.
   */
  async remove(jobID: string): Promise<string> {
    const task = this.#deps.jobs.getSubagent(jobID);
    if (!task?.worktree) throw new UserError(`remove: ${jobID} has no worktree`);
    return this.#inTurn(task.worktree.owner, async () => {
      const current = this.#deps.jobs.getSubagent(jobID);
      if (current?.worktree?.state === "removed") return "its worktree was removed before";
      const [worker] = current ? this.workersIn(current) : [];
      if (!current || worker)
        throw new UserError(`remove: ${worker?.id ?? jobID} still works in it`);
      const made = await this.#made(current);
      if (!made) return "there was no worktree any more";
      try {
        await commitLeftovers(made, await this.#messageOf(current));
        const result = await examine(made, this.#targetOf(made));
        this.#deps.jobs.updateSubagent(jobID, { worktree: { ...made, result } });
        await this.#remove(made);
        const kept = result.commits > 0 ? `; its work is on branch ${made.branch}` : "";
        return `its worktree was removed${kept}`;
      } catch (thrown) {
        throw new UserError(`remove: ${coerceError(thrown).message}`, { cause: thrown });
      }
    });
  }

  /** Resolves when nothing is done to the worktree of this task any more. */
  async settled(jobID: string): Promise<void> {
    const owner = this.#deps.jobs.getSubagent(jobID)?.worktree?.owner;
    await (owner === undefined ? undefined : this.#turns.get(owner));
  }

  /** Does nothing more: what ends from here on is looked at by the next owner of the state. */
  close(): void {
    this.#isClosed = true;
    this.#stopListening();
  }

  #onJob({ type, job }: JobChange): void {
    if (type !== "ended") return;
    if (job.kind === "subagent") {
      if (job.worktree && job.worktree.state !== "removed") this.#settleLater(job);
      return;
    }
    // A process may have been the last to work in a worktree.
    const left = this.#deps.jobs
      .all()
      .find(
        (each): each is SubagentJob =>
          each.kind === "subagent" &&
          each.worktree?.state === "ready" &&
          each.worktree.folder !== undefined &&
          isTerminal(each.status) &&
          isInside(each.worktree.folder, job.cwd),
      );
    if (left) this.#settleLater(left);
  }

  /** The notice of its end waits until it can say what became of the branch. */
  #settleLater({ id, worktree }: SubagentJob): void {
    if (!worktree || this.#isClosed) return;
    const release = this.#deps.notices.hold([id]);
    void this.#inTurn(worktree.owner, () => this.#settle(id))
      .catch((thrown: unknown) => this.#noteProblem(id, thrown))
      .finally(() => release(false));
  }

  #sweepLater({ id, worktree }: SubagentJob): void {
    if (!worktree || this.#isClosed || this.#turns.has(worktree.owner)) return;
    void this.#inTurn(worktree.owner, () => this.#sweep(id)).catch(
      logFailure(this.#deps.log, "warn", "a worktree could not be looked at", { id }),
    );
  }

  /** One after the other for each `key`: the owner of a worktree, or `LIST`, always the inner one. */
  async #inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(key) ?? Promise.resolve();
    const turn = before.then(work, work);
    this.#turns.set(key, turn);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(key) === turn) this.#turns.delete(key);
    }
  }

  async #enter(jobID: string): Promise<string> {
    const { jobs, homes } = this.#deps;
    const job = jobs.getSubagent(jobID);
    const record = job?.worktree;
    if (!job || !record) throw new Error(`task ${jobID} is gone`);
    const { folder, branch } = record;
    if (folder === undefined || branch === undefined) return this.#make(job, record);
    const made: Made = { ...record, folder, branch };
    homes.claim(folder);
    if (record.state === "removed" || !existsSync(folder)) await this.#makeAnew(made);
    this.#update(record.owner, { state: "ready", problem: undefined });
    const { worktree = record } = jobs.getSubagent(jobID) ?? {};
    jobs.updateSubagent(jobID, { directory: folder, worktree: { ...worktree, result: undefined } });
    return folder;
  }

  async #make(job: SubagentJob, record: WorktreeRecord): Promise<string> {
    const { host, homes, jobs, persist, log, directory: own } = this.#deps;
    const directory = this.directoryOf(job.parentSessionID) ?? own;
    const { owner, name } = record;
    // Its record is on disk before the folder can be.
    await persist();
    const make = async () => {
      const each = await host.makeWorktree({ name, directory });
      homes.claim(each.folder);
      return each;
    };
    const { folder, branch, ready } = await this.#inTurn(LIST, () => homes.during(make()));
    const base = (await commitOf(folder, "HEAD")) ?? record.base;
    this.#update(owner, { folder, branch, base });
    const made: Made = { ...record, folder, branch, base };
    try {
      await Promise.all([persist(), ready]);
      await this.#fill(made);
    } catch (thrown) {
      await this.#discard(made).catch(
        logFailure(log, "warn", "an incomplete worktree is left", { folder }),
      );
      throw thrown;
    }
    jobs.updateSubagent(job.id, { directory: folder });
    return folder;
  }

  /** Its session remembers the folder, so it is the same one. */
  async #makeAnew(made: Made): Promise<void> {
    const target = this.#targetOf(made);
    const { folder, branch } = made;
    const isKnown = await commitOf(target, `refs/heads/${branch}`);
    const base = isKnown ? made.base : await commitOf(target, "HEAD");
    if (base === undefined) throw new GitError(`${target} has no commit`);
    await this.#inTurn(LIST, () => addWorktree(target, { folder, branch, base }));
    this.#update(made.owner, { base });
    await this.#fill({ ...made, base });
  }

  /** Copies what is not committed and needed; the instance read its configuration before that. */
  async #fill(made: Made): Promise<void> {
    const { host, options, persist } = this.#deps;
    const source = this.#targetOf(made);
    const paths = await filesToCopy(source, options.worktreeInclude);
    const copies = await copyFiles(source, made.folder, paths);
    this.#update(made.owner, { copies, state: "ready" });
    await persist();
    if (paths.some((path) => CONFIGURATION.test(path))) await host.disposeInstance(made.folder);
  }

  /** What becomes of the worktree after the end of a task. */
  async #settle(jobID: string): Promise<void> {
    const { jobs, options } = this.#deps;
    const job = jobs.getSubagent(jobID);
    if (this.#isClosed || !job?.worktree || !isTerminal(job.status)) return;
    if (job.worktree.state === "removed") return;
    const made = await this.#made(job);
    if (!made) {
      this.#update(job.worktree.owner, { state: "removed" });
      return;
    }
    const isUsed = this.workersIn(job).length > 0;
    if (made.state === "making") {
      if (!isUsed) await this.#discard(made);
      return;
    }
    if (!isUsed) {
      // The host goes on with a command of a session that was deleted.
      if (job.endReason === "session_deleted") await this.#disposeInstance(made.folder);
      if (options.worktreeCommit) await commitLeftovers(made, await this.#messageOf(job));
    }
    const result = await examine(made, this.#targetOf(made));
    jobs.updateSubagent(jobID, { worktree: { ...made, result, problem: undefined } });
    if (isUsed) return;
    if (isSpent(result)) await this.#remove(made);
    else {
      this.#update(made.owner, { state: "kept" });
      await this.#disposeInstance(made.folder);
    }
  }

  /** A kept one whose branch was merged in the meantime goes. */
  async #sweep(jobID: string): Promise<void> {
    const { jobs } = this.#deps;
    const job = jobs.getSubagent(jobID);
    if (this.#isClosed || job?.worktree?.state !== "kept" || this.workersIn(job).length > 0) return;
    const made = await this.#made(job);
    if (!made) {
      this.#update(job.worktree.owner, { state: "removed" });
      return;
    }
    const result = await examine(made, this.#targetOf(made));
    if (!isSpent(result)) return;
    jobs.updateSubagent(jobID, { worktree: { ...made, result } });
    await this.#remove(made);
  }

  /** Undefined when there is no folder: it was never made, or someone has removed it. */
  async #made({ worktree }: SubagentJob): Promise<Made | undefined> {
    if (!worktree) return undefined;
    const { source, name, owner } = worktree;
    let { folder, branch } = worktree;
    if (folder === undefined || branch === undefined) {
      const found = await findMade(existsSync(source) ? source : this.#deps.directory, name);
      if (!found) return undefined;
      ({ folder, branch } = found);
      this.#update(owner, found);
    }
    return existsSync(folder) ? { ...worktree, folder, branch } : undefined;
  }

  async #remove(made: Made, by: () => Promise<void> = () => remove(made)): Promise<void> {
    await this.#inTurn(LIST, by);
    this.#update(made.owner, { state: "removed" });
    await this.#disposeInstance(made.folder);
    this.#deps.homes.release(made.folder);
  }

  /** One that was never complete, and in which nothing was done. */
  #discard(made: Made): Promise<void> {
    return this.#remove(made, () => discardWorktree(this.#targetOf(made), made));
  }

  async #disposeInstance(folder: string): Promise<void> {
    const { host, log } = this.#deps;
    await host
      .disposeInstance(folder)
      .catch(logFailure(log, "debug", "a worktree's instance was not closed", { folder }));
  }

  /** The tree that it was made from, or the main one when that is gone. */
  #targetOf({ source }: WorktreeRecord): string {
    return existsSync(source) ? source : this.#deps.directory;
  }

  #update(owner: string, patch: Partial<WorktreeRecord>): void {
    const { jobs } = this.#deps;
    for (const job of jobs.all()) {
      if (job.kind !== "subagent" || job.worktree?.owner !== owner) continue;
      jobs.updateSubagent(job.id, { worktree: { ...job.worktree, ...patch } });
    }
  }

  #noteProblem(id: string, thrown: unknown): void {
    const { jobs, log } = this.#deps;
    const problem = coerceError(thrown).message;
    log("warn", "a worktree could not be tidied up; it is kept", { id, error: problem });
    const worktree = jobs.getSubagent(id)?.worktree;
    if (worktree) jobs.updateSubagent(id, { worktree: { ...worktree, state: "kept", problem } });
  }

  /** Of the commit of what a task has left: its name and what it was told. */
  async #messageOf({ id, name, agent, sessionID }: SubagentJob): Promise<string> {
    const { host, log } = this.#deps;
    const failed = logFailure(log, "debug", "a task could not be read for its commit");
    const read = sessionID === undefined ? undefined : host.messages(sessionID).catch(failed);
    const messages = (await read) ?? [];
    const task = messages.find(({ role }) => role === "user")?.text.slice(0, MOST_QUOTED) ?? "";
    return [name, task, `Left uncommitted by the subagent ${id} (${agent}).`]
      .filter((part) => part !== "")
      .join("\n\n");
  }
}
