/**
 * The one door to the subagents: wires their parts, and passes calls and events on to them. A task whose host died
 * while it was live is taken up here: its session is asked, never resumed. A finished answer to our prompt is a
 * completed task, anything else is interrupted, with whatever text there is.
 */
import type { Context } from "../context.js";
import { type HostEvent, translateEvent } from "../host/events.js";
import type { OpenRequest, RequestAnswer, TranscriptEntry } from "../host/host.js";
import { type JobFilter, matches } from "../jobs/filter.js";
import type { Job, SubagentJob } from "../jobs/job.js";
import { waitsForOthers } from "../jobs/order.js";
import type { JobEnd } from "../jobs/registry.js";
import { type EndReason, isTerminal, requireReason } from "../jobs/status.js";
import type { Notice } from "../notices/notice.js";
import { coerceError, UserError } from "../ports.js";
import { within } from "../time.js";
import type { SubagentDeps } from "./deps.js";
import { findTask } from "./find-task.js";
import { type Launched, Launcher, type LaunchInput, type ResumeFrom } from "./launcher.js";
import { resultOf, type TaskResult } from "./results.js";
import { Runner } from "./runner.js";
import { asksForTools, finalText, judge, quoteOf } from "./verdict.js";

export type { Launched, LaunchInput, ResumeFrom } from "./launcher.js";
export type { TaskResult } from "./results.js";

const TRANSCRIPT_MESSAGES = 100;

/** The host may be about to end itself. */
const DISPOSE_PATIENCE_MS = 2_000;

/**
 * Subagents, each in a child session of the session that launched it. A task is `pending` (it waits for a slot), then
 * `running` (it was prompted), then `completed`, `failed` or `cancelled`. An ended task keeps its child session, and
 * with it its text; `resume` makes it `pending` again. Records are values: what is returned does not change later.
 */
export class BackgroundManager {
  readonly #deps: SubagentDeps;
  readonly #runner: Runner;
  readonly #launcher: Launcher;
  /** Told when the user writes in a session. */
  readonly #writeListeners = new Set<{ sessionID: string; controller: AbortController }>();

  constructor(deps: SubagentDeps) {
    this.#deps = deps;
    this.#runner = new Runner({
      ...deps,
      endWorkOf: (sessionID, reason) => this.#endWorkOf(sessionID, reason),
    });
    this.#launcher = new Launcher(deps, this.#runner);
  }

  /**
   * Starts a subagent, or queues it. Resolves when it was prompted, has failed to start or waits for a slot: the
   * status of `task` says which. Rejects with a UserError when it is refused (unknown agent, model or session, depth,
   * number of tasks, an aborted signal), with a HostError when OpenCode does not answer; nothing was started then.
   */
  async launch(input: LaunchInput): Promise<Launched> {
    return this.#launcher.launch(input);
  }

  /**
   * Gives a task more to do. A pending one gets the text added to its prompt, a running one a further instruction, an
   * ended one a new run in its old session. `taskID` may be the id of its child session. Rejects as `launch` does;
   * also with a UserError for an unknown id, for a task that is being ended or continued, and when its session was
   * deleted.
   */
  async resume(taskID: string, prompt: string, from: ResumeFrom): Promise<Launched> {
    const task = this.getTask(taskID);
    if (!task) throw new UserError(`taskId: ${taskID} is not a task of this OpenCode`);
    return this.#launcher.resume(task, prompt, from);
  }

  /** By job id, or by the id of the child session. */
  getTask(id: string): SubagentJob | undefined {
    return this.#deps.jobs.getSubagent(id) ?? this.findBySession(id);
  }

  /**
   * The same, also for a task of another OpenCode or one whose record is gone: that is put together from its child
   * session. Only within the session tree of `rootSessionID`. Rejects with a HostError when OpenCode does not answer.
   */
  async find(id: string, rootSessionID: string): Promise<SubagentJob | undefined> {
    return this.getTask(id) ?? findTask(this.#deps, id, rootSessionID);
  }

  /** The task that works in this child session. */
  findBySession(sessionID: string): SubagentJob | undefined {
    return this.#deps.jobs.findBySession(sessionID);
  }

  /** The tasks that this session launched itself, in the order in which this OpenCode came to know them. */
  getTasksByParentSession(sessionID: string): SubagentJob[] {
    return onlyTasks(this.#deps.jobs.byParent(sessionID));
  }

  /** Those that match every field of the filter, in the same order; without one all of this directory. */
  list(filter: JobFilter = {}): SubagentJob[] {
    return onlyTasks(this.#deps.jobs.all()).filter((task) => matches(task, filter));
  }

  /** 1 for the next of the waiting tasks, 0 for one that does not wait. */
  position(taskID: string): number {
    return this.#launcher.position(taskID);
  }

  /** What the task has said. Rejects with a HostError when its session cannot be read. */
  async result(task: SubagentJob): Promise<TaskResult> {
    return resultOf(this.#deps.host, task);
  }

  /** The newest of what was said and done in its session, with what is being said now. Rejects with a HostError. */
  async transcript(task: SubagentJob): Promise<TranscriptEntry[]> {
    const { host, clock } = this.#deps;
    if (task.sessionID === undefined) return [];
    const entries = await host.transcript(task.sessionID, TRANSCRIPT_MESSAGES);
    const text = this.#runner.streamedBy(task.id) || task.partialText || "";
    // The host stores a text when its stream has ended.
    const isStored = text === "" || entries.some((entry) => entry.text.includes(text));
    const at = new Date(clock.now());
    return isStored ? entries : [...entries, { at, role: "assistant", kind: "text", text }];
  }

  /** What it waits for its user to answer, in full. Rejects with a HostError. */
  openRequest(taskID: string): Promise<OpenRequest | undefined> {
    return this.#runner.requests.open(taskID);
  }

  /** In the name of the user. Rejects with a UserError when it is not asked any more, or with a HostError. */
  answerRequest(taskID: string, requestID: string, answer: RequestAnswer): Promise<void> {
    return this.#runner.requests.answer(taskID, requestID, answer);
  }

  /**
   * Resolves when the task has ended or waits for a permission or an answer, after `milliseconds`, when the signal
   * aborts, or when the user writes in the session `waiting`; at once for an unknown task. Never rejects.
   */
  async wait(
    taskID: string,
    milliseconds: number,
    signal?: AbortSignal,
    waiting?: string,
  ): Promise<void> {
    const { jobs } = this.#deps;
    await this.#until(milliseconds, signal, waiting, (changed) => {
      if (changed !== undefined && changed.id !== taskID) return false;
      const job = jobs.getSubagent(taskID);
      return !job || isTerminal(job.status) || this.#asks(job);
    });
    // What became of its branch is part of its end.
    await this.#deps.worktrees.settled(taskID);
  }

  /** The same for the jobs of a session's group, both kinds: until none is open, or one of them waits for an answer. */
  async waitForGroup(
    sessionID: string,
    group: string,
    milliseconds: number,
    signal?: AbortSignal,
  ): Promise<void> {
    const { jobs } = this.#deps;
    await this.#until(milliseconds, signal, undefined, (changed) => {
      if (!jobs.isGroupOpen(sessionID, group)) return true;
      const isOf = (job: Job) => job.parentSessionID === sessionID && job.group === group;
      const looked = changed === undefined ? jobs.byParent(sessionID) : [changed];
      return looked.some((job) => isOf(job) && this.#asks(job));
    });
    const members = jobs.byParent(sessionID).filter((job) => job.group === group);
    await Promise.all(members.map(({ id }) => this.#deps.worktrees.settled(id)));
  }

  #asks({ blockedOn }: Job): boolean {
    return !this.#deps.unattended && blockedOn !== undefined && blockedOn.kind !== "retry";
  }

  /** `isOver` is asked at the start, and then with each job that changes. */
  async #until(
    milliseconds: number,
    signal: AbortSignal | undefined,
    waiting: string | undefined,
    isOver: (changed?: Job) => boolean,
  ): Promise<void> {
    const { jobs, clock } = this.#deps;
    if (isOver() || signal?.aborted) return;
    await new Promise<void>((resolve) => {
      const timer = clock.after(milliseconds, () => done());
      const stopListening = jobs.onChange(({ job }) => {
        if (isOver(job)) done();
      });
      const written = waiting === undefined ? undefined : this.untilUserWrites(waiting);
      const done = (): void => {
        timer.cancel();
        stopListening();
        written?.stop();
        signal?.removeEventListener("abort", done);
        resolve();
      };
      signal?.addEventListener("abort", done);
      written?.signal.addEventListener("abort", done);
    });
  }

  /**
   * A signal that is aborted when the user writes in this session; `stop` lets go of it. For a caller that does other
   * things before it waits: what is written meanwhile counts, too.
   */
  untilUserWrites(sessionID: string): { signal: AbortSignal; stop: () => void } {
    const controller = new AbortController();
    const listener = { sessionID, controller };
    this.#writeListeners.add(listener);
    return { signal: controller.signal, stop: () => this.#writeListeners.delete(listener) };
  }

  /** The user has written in this session. */
  userWrote(sessionID: string): void {
    for (const listener of this.#writeListeners) {
      if (listener.sessionID === sessionID) listener.controller.abort();
    }
  }

  /**
   * Ends tasks, by job id, and what they started themselves. Resolves when OpenCode says that their sessions are idle,
   * or after 10 s for one that does not stop: its error says so. Ended and unknown ones are left out. Rejects with a
   * UserError alone, for a reason that is none; nothing was ended then.
   */
  async cancel(taskIDs: readonly string[], reason: EndReason = "cancelled_by_user"): Promise<void> {
    requireReason(reason);
    const end = { status: "cancelled", reason } as const;
    await Promise.all(taskIDs.map((id) => this.#runner.stop(id, end)));
  }

  /** An event as the host's `event` hook brings it. Never throws. */
  handleEvent(event: unknown): void {
    const translated = translateEvent(event);
    if (translated) this.#deps.handle(translated);
  }

  /** The same, translated; constant time however many tasks there are. */
  onEvent(event: HostEvent): void {
    if (event.type === "asked") void this.#runner.requests.asked(event);
    else if (event.type === "answered") this.#runner.requests.answered(event);
    else if (event.type === "deleted") this.#onDeleted(event.sessionID);
    else this.#runner.onEvent(event);
  }

  /** Puts a task's notice into its parent's queue, as its end would. */
  markForNotification(task: SubagentJob): void {
    this.#deps.notices.outbox.markEnded(task);
  }

  /** The notices that this session has not received, oldest first, with those that are on their way. */
  getPendingNotifications(sessionID: string): Notice[] {
    return this.#deps.notices.outbox.pending(sessionID);
  }

  /** Drops them: none is delivered any more. */
  clearNotifications(sessionID: string): void {
    this.#deps.notices.outbox.clear(sessionID);
  }

  /** Writes the state now instead of a little later. Never rejects: a failed write is logged and retried. */
  async persist(): Promise<void> {
    await this.#deps.persist();
  }

  /** Takes over what a dead owner of this directory left behind. Never rejects. */
  async restore(): Promise<void> {
    await this.#deps.restore();
  }

  /** A task that was live when its host died, at `lastSign`: what became of it, by what its session holds. */
  async recover(task: SubagentJob, lastSign: Date): Promise<void> {
    // A subagent that is over starts nothing more.
    const isOfSubagent = this.findBySession(task.parentSessionID) !== undefined;
    if (task.status === "pending" && waitsForOthers(task) && !isOfSubagent) {
      this.#launcher.rest(task);
    } else if (!isTerminal(task.status)) await recover(this.#deps, task, lastSign);
  }

  /**
   * Aborts what runs (`cancelled`, reason `host_exit`) and starts nothing more. Records and notices stay. A host that
   * does not answer is waited for at most 2 s. Idempotent. Never rejects.
   */
  async dispose(): Promise<void> {
    this.#launcher.dispose();
    // What waits for others is the next one's: it has not begun.
    const live = this.list().filter(
      (task) => !isTerminal(task.status) && !(task.status === "pending" && waitsForOthers(task)),
    );
    const end = { status: "cancelled", reason: "host_exit" } as const;
    for (const { id } of live) this.#runner.abandon(id, end);
    this.#runner.dispose();
    const aborts = live.flatMap(({ id, sessionID }) =>
      sessionID ? [this.#runner.abortSession(id, sessionID)] : [],
    );
    await within(this.#deps.clock, DISPOSE_PATIENCE_MS, Promise.all(aborts));
  }

  #onDeleted(sessionID: string): void {
    const { jobs } = this.#deps;
    jobs.sessionDeleted(sessionID);
    const own = jobs.findBySession(sessionID);
    const affected = onlyTasks(jobs.byParent(sessionID));
    if (own) affected.push(own);
    const intent = { status: "cancelled", reason: "session_deleted" } as const;
    for (const { id } of affected) void this.#runner.stop(id, intent);
  }

  /** Their ends have no notices: that of the job which started them says all. Global processes go on, and have. */
  async #endWorkOf(sessionID: string, reason: EndReason): Promise<void> {
    const { jobs, notices, endProcessesOf } = this.#deps;
    const live = jobs
      .byParent(sessionID)
      .filter((job) => !isTerminal(job.status) && !(job.kind === "process" && job.global));
    const tasks = onlyTasks(live).map(({ id }) => id);
    const all = live.map(({ id }) => id);
    await notices.answering(all, async (tells) => {
      tells(all);
      await Promise.all([this.cancel(tasks, reason), endProcessesOf(sessionID, reason)]);
    });
  }
}

function onlyTasks(jobs: readonly Job[]): SubagentJob[] {
  return jobs.filter((job) => job.kind === "subagent");
}

/** `task` is in the registry, as it was written last; its host was alive until `at`. Never rejects. */
async function recover({ host, jobs, log }: Context, task: SubagentJob, at: Date): Promise<void> {
  const run = task.runs.at(-1);
  if (task.status === "pending" || !task.sessionID || run === undefined) {
    const error = "OpenCode ended while the task waited for its turn";
    jobs.end(task.id, { status: "failed", reason: "interrupted", error, at });
    return;
  }
  const { promptMessageID, firstPromptMessageID = promptMessageID } = run;
  const lost = "OpenCode ended while the task ran";
  let end: JobEnd = { status: "failed", reason: "interrupted", error: lost, at };
  let text = "";
  try {
    const messages = await host.messages(task.sessionID);
    const verdict = judge({ messages, promptMessageID });
    text = finalText(messages, firstPromptMessageID);
    end.quote = quoteOf(text, messages);
    // An abort is how a host that ends stops its runs; this task was not cancelled.
    const isOver = verdict.kind === "ended" && verdict.status !== "cancelled";
    if (isOver && !asksForTools(messages, promptMessageID)) {
      const { status, reason, error } = verdict;
      end = { ...end, status, reason, error };
    }
  } catch (thrown) {
    const error = coerceError(thrown).message;
    log("warn", "an interrupted subagent could not be looked at", { id: task.id, error });
    end = { ...end, error: `${lost}, and its session could not be read: ${error}` };
  }
  // It may have been cancelled meanwhile, and continued.
  const current = jobs.getSubagent(task.id);
  if (current?.status !== "running" || current.runs !== task.runs) return;
  const ended = { status: end.status, endReason: end.reason, completedAt: at };
  const runs = [...task.runs.slice(0, -1), { ...run, ...ended }];
  const partial = end.status !== "completed" || end.error !== undefined;
  jobs.updateSubagent(task.id, { runs, partial, resultLength: text.length });
  jobs.end(task.id, end);
}
