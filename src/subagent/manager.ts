/**
 * BackgroundManager: subagents, each a child session of the session that launched it.
 *
 * pending (waits for a slot, has no session yet) → running (prompted) → completed | failed | cancelled. A
 * terminal task keeps its child session, and with it its whole text; `resume` is the one way back to pending.
 */
import { UserError, coerceError } from "../ports.js";
import type { HostEvent } from "../host/events.js";
import { translateEvent } from "../host/events.js";
import type { Message } from "../host/host.js";
import { matches, type JobFilter } from "../jobs/filter.js";
import { newJobId } from "../jobs/id.js";
import type { SubagentJob } from "../jobs/job.js";
import { isTerminal, type EndReason } from "../jobs/status.js";
import type { Notice } from "../notices/notice.js";
import type { SubagentDeps } from "./deps.js";
import { Blocked } from "./blocked.js";
import { planLaunch } from "./launch-plan.js";
import type { StopIntent } from "./live-run.js";
import { recover } from "./recover.js";
import { Runner } from "./runner.js";
import { similarTasks } from "./similar.js";
import { Slots } from "./slots.js";
import { Supervisor } from "./supervisor.js";
import { finalText, textSoFar } from "./verdict.js";

export interface LaunchInput {
  /** A few words for lists and notices. */
  description: string;
  prompt: string;
  /** One of the host's agents that may be a subagent. */
  agent: string;
  parentSessionID: string;
  /** The message whose turn launches it. */
  parentMessageID?: string;
  /** The agent of that turn. */
  parentAgent?: string;
  /** "provider/model". */
  model?: string;
  tags?: string[];
  /** Tell the parent when it ends; true if left out. */
  notify?: boolean;
}

export interface Launched {
  task: SubagentJob;
  /** Place in the queue, 1 being the next; 0 when it runs. */
  position: number;
  /** Live tasks of the same agent with nearly the same prompt. */
  similar: SubagentJob[];
}

export interface TaskResult {
  /** The final text of the latest run, or for a running one all it said so far. */
  text: string;
  /** The run's promptMessageID: pages of one text share it. */
  run: string;
  /** The last tool that failed, when there is no text that could tell. */
  toolError?: string | undefined;
}

/** Activity is noted in the record at most so often: a streamed token is no news to a reader. */
const PROGRESS_INTERVAL_MS = 1_000;

export class BackgroundManager {
  readonly #deps: SubagentDeps;
  readonly #slots: Slots;
  readonly #runner: Runner;
  readonly #supervisor: Supervisor;
  readonly #blocked: Blocked;

  constructor(deps: SubagentDeps) {
    this.#deps = deps;
    this.#slots = new Slots(deps.options);
    this.#runner = new Runner({
      ...deps,
      endWorkOf: (sessionID, reason) => this.#endWorkOf(sessionID, reason),
    });
    this.#supervisor = new Supervisor({ ...deps, runner: this.#runner });
    this.#blocked = new Blocked({ ...deps, runner: this.#runner });
  }

  /**
   * Starts a subagent, or queues it. Resolves when it was prompted, has failed to start or waits for a slot.
   * Throws a UserError when it is refused: unknown agent or model, depth, number of tasks.
   */
  async launch(input: LaunchInput): Promise<Launched> {
    const { jobs, clock } = this.#deps;
    const plan = await planLaunch(this.#deps, input);
    const similar = similarTasks(this.#livePrompts(), input.agent, input.prompt);
    const now = new Date(clock.now());
    const task: SubagentJob = {
      kind: "subagent",
      id: newJobId("bg"),
      name: input.description,
      status: "pending",
      tags: input.tags ?? [],
      parentSessionID: input.parentSessionID,
      parentMessageID: input.parentMessageID,
      rootSessionID: plan.rootSessionID,
      notify: input.notify ?? true,
      createdAt: now,
      agent: input.agent,
      model: plan.model,
      variant: plan.variant,
      prompt: input.prompt,
      depth: plan.depth,
      runs: [],
      progress: { toolCalls: 0, lastUpdate: now },
      tokens: { input: 0, output: 0, reasoning: 0, cacheRead: 0 },
      cost: 0,
    };
    jobs.add(task);
    await this.#enqueue(task, plan);
    // An id that was announced is known after a crash.
    await this.#deps.persist();
    return { task: this.#current(task), position: this.position(task.id), similar };
  }

  /**
   * Gives a task more to do: a pending one gets the text added to its prompt, a running one a further
   * instruction, an ended one a new run in its old session.
   */
  async resume(
    taskID: string,
    prompt: string,
    from: { parentAgent?: string; parentMessageID?: string },
  ): Promise<Launched> {
    const { jobs, host, clock } = this.#deps;
    const task = this.getTask(taskID);
    if (!task) throw new UserError(`taskId: there is no task ${taskID}`);
    if (task.status === "pending") {
      jobs.updateSubagent(taskID, { prompt: `${task.prompt ?? ""}\n\n${prompt}` });
    } else if (task.status === "running") await this.#runner.instruct(taskID, prompt);
    else {
      if (task.sessionID && !(await host.session(task.sessionID))) {
        throw new UserError(`taskId: the session of ${taskID} was deleted, start a new task`);
      }
      const plan = await planLaunch(this.#deps, {
        agent: task.agent,
        parentSessionID: task.parentSessionID,
        parentAgent: from.parentAgent,
      });
      const now = new Date(clock.now());
      const { parentMessageID } = from;
      const progress = { ...task.progress, lastUpdate: now };
      const fresh = { partial: undefined, partialText: undefined };
      if (!jobs.reopen(taskID, { ...fresh, prompt, progress, parentMessageID })) {
        throw new UserError(`taskId: ${taskID} is being continued already`);
      }
      await this.#enqueue(task, plan);
    }
    await this.#deps.persist();
    return { task: this.#current(task), position: this.position(taskID), similar: [] };
  }

  /** By job id, or by the id of the child session. */
  getTask(id: string): SubagentJob | undefined {
    return this.#deps.jobs.getSubagent(id) ?? this.findBySession(id);
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
    const waiting = this.list({ status: "pending" });
    return waiting.findIndex((task) => task.id === taskID) + 1;
  }

  /** What the task has said. Rejects with a HostError when its session cannot be read. */
  async result(task: SubagentJob): Promise<TaskResult> {
    const run = task.runs.at(-1)?.promptMessageID;
    if (!task.sessionID || run === undefined) return { text: "", run: "" };
    const messages = await this.#deps.host.messages(task.sessionID);
    const running = !isTerminal(task.status);
    const stored = running ? textSoFar(messages, run) : finalText(messages, run);
    const text = stored || task.partialText || "";
    return { text, run, toolError: text ? undefined : lastToolError(messages) };
  }

  /** Resolves when the task has ended, after `milliseconds`, or when the signal aborts. */
  async wait(taskID: string, milliseconds: number, signal?: AbortSignal): Promise<void> {
    const { jobs, clock } = this.#deps;
    const ended = () => isTerminal(jobs.getSubagent(taskID)?.status ?? "cancelled");
    if (ended() || signal?.aborted) return;
    await new Promise<void>((resolve) => {
      const timer = clock.after(milliseconds, () => done());
      const stopListening = jobs.onChange(({ job }) => {
        if (job.id === taskID && ended()) done();
      });
      const done = (): void => {
        timer.cancel();
        stopListening();
        signal?.removeEventListener("abort", done);
        resolve();
      };
      signal?.addEventListener("abort", done);
    });
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
    else this.#onChildEvent(event);
  }

  /** Puts a task's notice into its parent's queue, as its end would. */
  markForNotification(task: SubagentJob): void {
    this.#deps.outbox.markEnded(task);
  }

  getPendingNotifications(sessionID: string): Notice[] {
    return this.#deps.outbox.pending(sessionID);
  }

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

  /** A task that was live when its host died: what became of it, by what its session holds. */
  async recover(task: SubagentJob): Promise<void> {
    await recover(this.#deps, task);
  }

  /** Aborts what runs and forgets nothing. Idempotent. */
  async dispose(): Promise<void> {
    this.#supervisor.dispose();
    const live = this.list().filter((task) => !isTerminal(task.status));
    const { host, log, clock, jobs } = this.#deps;
    const at = new Date(clock.now());
    for (const { id } of live) {
      jobs.end(id, { status: "cancelled", reason: "host_exit", at });
    }
    this.#runner.dispose();
    const sessions = live.flatMap((task) => task.sessionID ?? []);
    const aborts = await Promise.allSettled(sessions.map((sessionID) => host.abort(sessionID)));
    for (const abort of aborts) {
      if (abort.status === "rejected") {
        log("warn", "a subagent could not be aborted", {
          error: coerceError(abort.reason).message,
        });
      }
    }
  }

  /** Resolves when the run was prompted or waits for its turn. */
  async #enqueue(task: SubagentJob, plan: { rules: StopRules; strict: boolean }): Promise<void> {
    const { jobs, log } = this.#deps;
    const key = task.model ? `${task.model.providerID}/${task.model.modelID}` : "";
    const waits = this.#slots.isFull(key);
    const started = new Promise<void>((resolve) => {
      const stop = jobs.onChange(({ job }) => {
        if (job.id !== task.id || job.status === "pending") return;
        if (job.kind === "subagent" && job.status === "running" && !job.runs.length) return;
        stop();
        resolve();
      });
    });
    const run = this.#slots.hold(key, async () => {
      const prompt = jobs.getSubagent(task.id)?.prompt ?? task.prompt ?? "";
      this.#supervisor.watch();
      await this.#runner.run(task.id, { ...plan, prompt });
    });
    run.catch((thrown: unknown) => {
      log("error", "a run failed unexpectedly", { id: task.id, error: coerceError(thrown).stack });
    });
    if (!waits) await started;
  }

  #onChildEvent(event: Exclude<HostEvent, { type: "asked" | "answered" | "deleted" }>): void {
    const { jobs, clock, options } = this.#deps;
    const job = jobs.findBySession(event.sessionID);
    const live = job && this.#runner.live(job.id);
    if (!job || !live) return;
    if (event.type === "idle") {
      void this.#runner.examine(job.id);
      return;
    }
    live.heardAt = clock.now();
    if (event.type === "retry") {
      this.#blocked.retrying(job.id, event);
      return;
    }
    this.#blocked.resumed(job.id);
    if (event.type === "activity" && event.text) live.sawText(event.text);
    // A second one is a consequence of the first.
    if (event.type === "error") live.sessionError ??= event.error;
    if (event.type === "assistant") {
      live.sawUsage(event.message.id, event.message.usage);
      jobs.updateSubagent(job.id, live.totals());
    }
    const newCall = event.type === "tool" && live.sawCall(event.callID, event.status);
    this.#noteProgress(job.id, newCall && event.type === "tool" ? event.tool : undefined);
    if (newCall && options.maxToolCalls > 0 && live.toolCalls > options.maxToolCalls) {
      const error = `more than ${options.maxToolCalls} tool calls (plugin option "maxToolCalls")`;
      void this.#stop(job.id, { status: "failed", reason: "tool_limit", error });
    }
  }

  #noteProgress(jobID: string, newTool: string | undefined): void {
    const { jobs, clock } = this.#deps;
    const job = jobs.getSubagent(jobID);
    const live = this.#runner.live(jobID);
    if (!job || !live) return;
    const lastUpdate = new Date(clock.now());
    const recent = lastUpdate.getTime() - job.progress.lastUpdate.getTime() < PROGRESS_INTERVAL_MS;
    if (newTool === undefined && recent && !job.stalledSince) return;
    const lastTool = newTool ?? job.progress.lastTool;
    const progress = { toolCalls: live.toolCalls, lastTool, lastUpdate };
    jobs.updateSubagent(jobID, { progress, stalledSince: undefined });
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

  async #endWorkOf(sessionID: string, reason: EndReason): Promise<void> {
    const tasks = this.getTasksByParentSession(sessionID).map(({ id }) => id);
    await Promise.all([this.cancel(tasks, reason), this.#deps.endProcessesOf(sessionID, reason)]);
  }

  #livePrompts(): { job: SubagentJob; prompt: string }[] {
    return this.list()
      .filter((job) => !isTerminal(job.status))
      .map((job) => ({
        job,
        prompt: job.prompt ?? this.#runner.live(job.id)?.promptText ?? "",
      }));
  }

  #current(task: SubagentJob): SubagentJob {
    return this.getTask(task.id) ?? task;
  }
}

type StopRules = Parameters<Runner["run"]>[1]["rules"];

function onlyTasks(jobs: readonly { kind: string }[]): SubagentJob[] {
  return jobs.filter((job): job is SubagentJob => job.kind === "subagent");
}

function lastToolError(messages: readonly Message[]): string | undefined {
  for (const message of messages.toReversed()) {
    if (message.role !== "assistant") continue;
    const failed = message.tools.findLast((call) => call.status === "error");
    if (failed) return `${failed.tool}: ${failed.error ?? "failed"}`;
  }
  return undefined;
}
