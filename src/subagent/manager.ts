/**
 * BackgroundManager: subagents, each a child session of the session that launched it.
 *
 * pending (waits for a slot, has no session yet) → running (prompted) → completed | failed | cancelled. A
 * terminal task keeps its child session, and with it its whole text; `resume` is the one way back to pending.
 */
import { UserError, coerceError } from "../ports.js";
import type { HostEvent } from "../host/events.js";
import { translateEvent } from "../host/events.js";
import { storedMessages } from "../host/stored-messages.js";
import { matches, type JobFilter } from "../jobs/filter.js";
import type { SubagentJob } from "../jobs/job.js";
import { isTerminal, type EndReason } from "../jobs/status.js";
import type { Notice } from "../notices/notice.js";
import type { SubagentDeps } from "./deps.js";
import { Blocked } from "./blocked.js";
import { ChildEvents } from "./child-events.js";
import { findAgent } from "./launch-plan.js";
import { Launcher, type Launched, type LaunchInput, type ResumeFrom } from "./launcher.js";
import type { StopIntent } from "./live-run.js";
import { findTask } from "./find-task.js";
import { recover } from "./recover.js";
import { Runner } from "./runner.js";
import { Supervisor } from "./supervisor.js";
import { finalText, lastToolError, textSoFar } from "./verdict.js";

export type { Launched, LaunchInput, ResumeFrom } from "./launcher.js";

export interface TaskResult {
  /** The result of the latest run (see `finalText`), or for a running one all it said so far. */
  text: string;
  /** The run's promptMessageID: pages of one text share it. */
  run: string;
  /** The last tool that failed, when there is no text that could tell. */
  toolError?: string | undefined;
}

/** The host may be about to end itself. */
const DISPOSE_PATIENCE_MS = 2_000;

export class BackgroundManager {
  readonly #deps: SubagentDeps;
  readonly #runner: Runner;
  readonly #launcher: Launcher;
  readonly #supervisor: Supervisor;
  readonly #blocked: Blocked;
  readonly #childEvents: ChildEvents;
  readonly #waits = new Set<{ sessionID: string | undefined; done: () => void }>();

  constructor(deps: SubagentDeps) {
    this.#deps = deps;
    this.#runner = new Runner({
      ...deps,
      onBegin: () => this.#supervisor.watch(),
      endWorkOf: (sessionID, reason) => this.#endWorkOf(sessionID, reason),
    });
    const runner = this.#runner;
    this.#launcher = new Launcher(deps, runner);
    this.#blocked = new Blocked({ ...deps, runner });
    this.#supervisor = new Supervisor({ ...deps, runner, blocked: this.#blocked });
    this.#childEvents = new ChildEvents({
      ...deps,
      runner,
      blocked: this.#blocked,
      supervisor: this.#supervisor,
    });
  }

  /**
   * Starts a subagent, or queues it. Resolves when it was prompted, has failed to start or waits for a slot.
   * Rejects with a UserError when it is refused (unknown agent or model, depth, number of tasks), with a HostError
   * when OpenCode does not answer; nothing was started then.
   */
  async launch(input: LaunchInput): Promise<Launched> {
    return this.#launcher.launch(input);
  }

  /**
   * Gives a task more to do: a pending one gets the text added to its prompt, a running one a further
   * instruction, an ended one a new run in its old session. Rejects as `launch` does, also for an unknown id.
   */
  async resume(taskID: string, prompt: string, from: ResumeFrom): Promise<Launched> {
    const task = this.getTask(taskID);
    if (!task) throw new UserError(`taskId: ${taskID} is not a task of this OpenCode`);
    return this.#launcher.resume(task, prompt, from);
  }

  /** The host's name of an agent that may be a subagent. Rejects with a UserError that names them, or a HostError. */
  async agentName(name: string): Promise<string> {
    return findAgent(await this.#deps.host.agents(), name).name;
  }

  /** By job id, or by the id of the child session. */
  getTask(id: string): SubagentJob | undefined {
    return this.#deps.jobs.getSubagent(id) ?? this.findBySession(id);
  }

  /** The same, also of other owners and off the child session, in one tree. Rejects with a HostError without OpenCode. */
  async find(id: string, rootSessionID: string): Promise<SubagentJob | undefined> {
    return this.getTask(id) ?? findTask(this.#deps, id, rootSessionID);
  }

  findBySession(sessionID: string): SubagentJob | undefined {
    return this.#deps.jobs.findBySession(sessionID);
  }

  getTasksByParentSession(sessionID: string): SubagentJob[] {
    return onlyTasks(this.#deps.jobs.byParent(sessionID));
  }

  list(filter: JobFilter = {}): SubagentJob[] {
    return onlyTasks(this.#deps.jobs.all()).filter((task) => matches(task, filter));
  }

  /** 1 for the next of the waiting tasks, 0 for one that does not wait. */
  position(taskID: string): number {
    return this.#launcher.position(taskID);
  }

  /** What the task has said. Rejects with a HostError when its session cannot be read. */
  async result(task: SubagentJob): Promise<TaskResult> {
    const { promptMessageID: run, firstPromptMessageID } = task.runs.at(-1) ?? {};
    if (!task.sessionID || run === undefined) return { text: "", run: "" };
    const messages = (await storedMessages(this.#deps.host, task.sessionID)) ?? [];
    const running = !isTerminal(task.status);
    const first = firstPromptMessageID ?? run;
    const stored = running ? textSoFar(messages, first) : finalText(messages, first);
    const text = stored || task.partialText || "";
    return { text, run, toolError: text ? undefined : lastToolError(messages) };
  }

  /**
   * Resolves when the task has ended or asks its user for a permission or an answer, after `milliseconds`, when the signal
   * aborts, or when a person writes in the session `waiting`. Never rejects.
   */
  async wait(
    taskID: string,
    milliseconds: number,
    signal?: AbortSignal,
    waiting?: string,
  ): Promise<void> {
    const { jobs, clock, unattended } = this.#deps;
    const isOver = (): boolean => {
      const job = jobs.getSubagent(taskID);
      if (!job || isTerminal(job.status)) return true;
      return !unattended && job.blockedOn !== undefined && job.blockedOn.kind !== "retry";
    };
    if (isOver() || signal?.aborted) return;
    await new Promise<void>((resolve) => {
      const timer = clock.after(milliseconds, () => done());
      const stopListening = jobs.onChange(({ job }) => {
        if (job.id === taskID && isOver()) done();
      });
      const done = (): void => {
        timer.cancel();
        stopListening();
        this.#waits.delete(wait);
        signal?.removeEventListener("abort", done);
        resolve();
      };
      const wait = { sessionID: waiting, done };
      this.#waits.add(wait);
      signal?.addEventListener("abort", done);
    });
  }

  /** A person has written in this session: calls of `wait` from it return. */
  userWrote(sessionID: string): void {
    for (const wait of this.#waits) if (wait.sessionID === sessionID) wait.done();
  }

  /** Ends tasks and waits until the host says that they are idle. Ended ones are left as they are. */
  async cancel(taskIDs: readonly string[], reason: EndReason): Promise<void> {
    await Promise.all(taskIDs.map((id) => this.#stop(id, { status: "cancelled", reason })));
  }

  /** An event as the host's `event` hook brings it. Never throws. */
  handleEvent(event: unknown): void {
    const translated = translateEvent(event);
    if (translated) this.#deps.handle(translated);
  }

  /** The same, translated; constant time however many tasks there are. */
  onEvent(event: HostEvent): void {
    if (event.type === "asked") void this.#blocked.asked(event);
    else if (event.type === "answered") this.#blocked.answered(event);
    else if (event.type === "deleted") this.#onDeleted(event.sessionID);
    else this.#childEvents.onEvent(event);
  }

  /** Puts a task's notice into its parent's queue, as its end would. */
  markForNotification(task: SubagentJob): void {
    this.#deps.outbox.markEnded(task);
  }

  /** What this session has still to be told, oldest first, also what is on its way. */
  getPendingNotifications(sessionID: string): Notice[] {
    return this.#deps.outbox.pending(sessionID);
  }

  /** Forgets all of that: nothing of it is told any more. */
  clearNotifications(sessionID: string): void {
    this.#deps.outbox.clear(sessionID);
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
    await recover(this.#deps, task, lastSign);
  }

  /** Aborts what runs and forgets nothing; a host that does not answer is not waited for. Idempotent. */
  async dispose(): Promise<void> {
    this.#launcher.dispose();
    this.#supervisor.dispose();
    const live = this.list().filter((task) => !isTerminal(task.status));
    for (const { id } of live) {
      this.#runner.abandon(id, { status: "cancelled", reason: "host_exit" });
    }
    this.#runner.dispose();
    const { clock } = this.#deps;
    const aborts = Promise.all(live.map((task) => this.#abort(task)));
    await new Promise<void>((resolve) => {
      const timer = clock.after(DISPOSE_PATIENCE_MS, resolve);
      void aborts.then(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  /** Never rejects. */
  async #abort({ id, sessionID }: SubagentJob): Promise<void> {
    const { host, log } = this.#deps;
    try {
      if (sessionID) await host.abort(sessionID);
    } catch (thrown) {
      log("warn", "a subagent could not be aborted", { id, error: coerceError(thrown).message });
    }
  }

  #onDeleted(sessionID: string): void {
    const { jobs } = this.#deps;
    const own = jobs.findBySession(sessionID);
    const affected = onlyTasks(jobs.byParent(sessionID));
    if (own) affected.push(own);
    const intent = { status: "cancelled", reason: "session_deleted" } as const;
    for (const { id } of affected) void this.#stop(id, intent);
  }

  async #stop(taskID: string, intent: StopIntent): Promise<void> {
    const task = this.getTask(taskID);
    if (task && !isTerminal(task.status)) await this.#runner.stop(taskID, intent);
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

function onlyTasks(jobs: readonly { kind: string }[]): SubagentJob[] {
  return jobs.filter((job): job is SubagentJob => job.kind === "subagent");
}
