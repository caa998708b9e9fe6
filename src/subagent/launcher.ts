/**
 * How a task comes to run: checked, recorded, queued for a slot, and given to the runner. A task that is continued
 * goes the same way again.
 */
import { UserError, coerceError, requireID, requireString, requireText } from "../ports.js";
import { modelName } from "../jobs/facts.js";
import { newJobId } from "../jobs/filter.js";
import type { SubagentJob } from "../jobs/job.js";
import { resolveAfter, waitsForOthers } from "../jobs/order.js";
import { isTerminal } from "../jobs/status.js";
import type { SubagentDeps } from "./deps.js";
import { checkCount, limitsNow, planLaunch, type LaunchPlan } from "./launch-plan.js";
import { requireRules } from "./rights.js";
import type { Runner } from "./runner.js";
import { Slots } from "./slots.js";

/** What `BackgroundManager.launch` is given. */
export interface LaunchInput {
  /** A few words for lists and notices. */
  description: string;
  prompt: string;
  /** One of the host's agents that may be a subagent. */
  agent: string;
  /** The session that launches it and gets its notices. */
  parentSessionID: string;
  /** The assistant's message whose tool call launches it: undone with it. */
  parentMessageID?: string;
  /** The agent of that turn, whose limits are passed on; the session's latest if left out. */
  parentAgent?: string;
  /** "provider/model"; the agent's own if left out, else the parent's. */
  model?: string;
  /** For filters. */
  tags?: string[];
  /** Told together with the parent session's other jobs of the same group, once all have ended. */
  group?: string;
  /** Ids or names of jobs: starts when each has completed, or, a process with readiness, is ready. */
  after?: string[];
  /** Tell the parent when it ends; true if left out. */
  notify?: boolean;
  /** A git worktree of its own (true), or that of an earlier task of the same session tree, by its id. */
  worktree?: true | string;
  /** Aborted while the launch is still looked at: nothing is started. */
  signal?: AbortSignal;
}

/** What `BackgroundManager.launch` and `resume` give. */
export interface Launched {
  /** Its record after the start; `failed` with an `error` when OpenCode refused its session or prompt. */
  task: SubagentJob;
  /** Place in the queue, 1 being the next; 0 when it runs. */
  position: number;
  /** Live tasks of the same agent with the very same prompt. */
  same: SubagentJob[];
  /** Files that are not committed where it was started from, and so not in its worktree. */
  uncommitted: number;
  /** A worktree was wanted for an agent that can change nothing. */
  withoutWorktree: boolean;
}

/** What `BackgroundManager.resume` is given: the turn that continues a task, and what is to be different. */
export interface ResumeFrom {
  /** The agent of that turn, as in LaunchInput. */
  parentAgent?: string;
  /** The assistant's message whose tool call continues it. */
  parentMessageID?: string;
  /** "provider/model", of an ended task; the one that it had if left out. */
  model?: string;
  /** In addition to those that it has. */
  tags?: string[];
  /** As in LaunchInput; the one that it has if left out. */
  group?: string;
  /** As in LaunchInput; what was sent to a running task stays sent. */
  signal?: AbortSignal;
}

export class Launcher {
  readonly #deps: SubagentDeps;
  readonly #runner: Runner;
  readonly #slots: Slots;
  /** How each task that waits or runs was started last, and one that ended while it waited. */
  readonly #starts = new Map<string, LaunchPlan>();
  /** Resolves when every launch that was called so far is in the queue or refused. */
  #launches: Promise<void> = Promise.resolve();
  readonly #stopListening: () => void;
  #isClosed = false;

  constructor(deps: SubagentDeps, runner: Runner) {
    this.#deps = deps;
    this.#runner = runner;
    this.#slots = new Slots(deps.options);
    this.#stopListening = deps.jobs.onChange(({ type, job }) => {
      if (type === "removed") this.#starts.delete(job.id);
    });
  }

  /** Tasks get their places in the order of the calls, however long each is looked at. */
  async launch(input: LaunchInput): Promise<Launched> {
    for (const field of ["description", "prompt"] as const) requireText(field, input[field]);
    // An empty one is answered with the agents that there are.
    requireString("agent", input.agent);
    requireID("parentSessionID", input.parentSessionID);
    const earlier = this.#launches;
    const planning = planLaunch(this.#deps, input).then(async (plan) => {
      await earlier;
      // In the queue when this returns; how the run starts is waited for by its caller alone.
      return { launched: this.#add(input, plan) };
    });
    this.#launches = Promise.allSettled([earlier, planning]).then(() => undefined);
    return (await planning).launched;
  }

  #add(input: LaunchInput, plan: LaunchPlan): Promise<Launched> {
    const { jobs, clock, options } = this.#deps;
    this.#checkWanted(input.signal);
    // Others may have been launched while this one was looked at.
    checkCount(jobs, plan.rootSessionID, options.maxTasksPerSession);
    this.#runner.budgets.checkTree(plan.rootSessionID);
    const { parentSessionID: sessionID } = input;
    jobs.refuseDeleted(sessionID, plan.rootSessionID);
    const namer = { sessionID, rootSessionID: plan.rootSessionID };
    const after = resolveAfter(jobs, namer, input.after ?? []);
    const same = this.#sameTasks(plan, input.prompt);
    const now = new Date(clock.now());
    const id = newJobId("bg");
    const { worktree, directory } = plan;
    const task: SubagentJob = {
      kind: "subagent",
      id,
      name: input.description,
      status: "pending",
      tags: input.tags ?? [],
      group: input.group,
      ...(after.length > 0 && { after }),
      parentSessionID: input.parentSessionID,
      parentMessageID: input.parentMessageID,
      rootSessionID: plan.rootSessionID,
      notify: input.notify ?? true,
      createdAt: now,
      agent: plan.agent,
      model: plan.model,
      variant: plan.variant,
      prompt: input.prompt,
      ...(typeof worktree === "object" && {
        worktree: this.#deps.worktrees.recordOf(worktree, { id, name: input.description }),
      }),
      ...(directory !== undefined && { directory }),
      depth: plan.depth,
      runs: [],
      progress: { toolCalls: 0, lastUpdate: now },
      tokens: { input: 0, output: 0, reasoning: 0, cacheRead: 0 },
      cost: 0,
    };
    jobs.add(task);
    this.#deps.notices.used(input.parentSessionID);
    return this.#launched(task, same, plan, input.signal);
  }

  async resume(task: SubagentJob, prompt: string, from: ResumeFrom): Promise<Launched> {
    requireText("prompt", prompt);
    this.#runner.budgets.checkTask(task);
    if (!isTerminal(task.status)) return this.#instruct(task, prompt, from);
    const { reopened, plan } = await this.#reopen(task, prompt, from);
    return this.#launched(reopened, [], plan, from.signal);
  }

  async #instruct(known: SubagentJob, prompt: string, from: ResumeFrom): Promise<Launched> {
    const { jobs } = this.#deps;
    await this.#checkLimits(known, from);
    // It may have begun or ended meanwhile: that end is still to be told, and is not taken back.
    const task = jobs.getSubagent(known.id) ?? known;
    if (isTerminal(task.status)) {
      throw new UserError(
        `taskId: ${task.id} has ended meanwhile; what it is given now continues it`,
      );
    }
    const model = modelName(task.model);
    if (from.model !== undefined && from.model !== model) {
      const got = JSON.stringify(from.model);
      throw new UserError(
        `model: expected ${model || "none"} while ${task.id} is ${task.status}, got ${got}: another one is for an ended task`,
      );
    }
    if (task.status === "pending") {
      jobs.updateSubagent(task.id, { prompt: `${task.prompt ?? ""}\n\n${prompt}` });
    } else await this.#runner.instruct(task.id, prompt);
    if (from.tags || from.group !== undefined) {
      jobs.updateSubagent(task.id, { tags: tagsOf(task, from), group: from.group ?? task.group });
    }
    return this.#answer(task, []);
  }

  /** 1 for the next of the waiting tasks, 0 for one that does not wait. */
  position(taskID: string): number {
    const { jobs } = this.#deps;
    const waiting = this.#slots.waiting.filter((id) => jobs.get(id)?.status === "pending");
    return waiting.indexOf(taskID) + 1;
  }

  /** Starts nothing more. */
  dispose(): void {
    this.#isClosed = true;
    this.#stopListening();
  }

  /** What is started for an aborted call or by a closed instance would end unnoticed: it is refused. */
  #checkWanted(signal: AbortSignal | undefined): void {
    if (this.#isClosed) throw new UserError("OpenCode is ending; nothing was started");
    if (signal?.aborted) throw new UserError("the call was aborted; nothing was started");
  }

  /** A run that fails at once is told by the answer, and not by a notice, too. */
  async #launched(
    task: SubagentJob,
    same: SubagentJob[],
    plan: LaunchPlan,
    signal: AbortSignal | undefined,
  ): Promise<Launched> {
    return this.#deps.notices.answering([task.id], async (tells) => {
      await this.#enqueueInOrder(task, plan);
      const launched = await this.#answer(task, same, plan.worktree);
      if (launched.task.status === "failed" && !signal?.aborted) tells([task.id]);
      return launched;
    });
  }

  async #answer(
    task: SubagentJob,
    same: SubagentJob[],
    worktree?: LaunchPlan["worktree"],
  ): Promise<Launched> {
    const { jobs, persist } = this.#deps;
    // An id that was announced is known after a crash.
    await persist();
    const current = jobs.getSubagent(task.id) ?? task;
    return {
      task: current,
      position: this.position(task.id),
      same,
      uncommitted: typeof worktree === "object" ? worktree.uncommitted : 0,
      withoutWorktree: worktree === "needless",
    };
  }

  /** A session has the rules of its start: in plan none is given more that was started without plan's limits. */
  async #checkLimits(task: SubagentJob, { parentAgent }: ResumeFrom): Promise<void> {
    const { agent, parentSessionID, sessionID } = task;
    const { rules, strict } = await limitsNow(this.#deps, { agent, parentSessionID, parentAgent });
    const plan = this.#starts.get(task.id);
    // The rights of one that rests are looked at when it starts.
    const rests = sessionID === undefined && !plan;
    if (!strict || rests) return;
    const session = sessionID === undefined ? undefined : await this.#deps.host.session(sessionID);
    requireRules(rules, session?.permission ?? plan?.rules ?? []);
  }

  async #reopen(task: SubagentJob, prompt: string, from: ResumeFrom) {
    const { jobs, host, clock, options } = this.#deps;
    if (task.sessionID && !(await host.session(task.sessionID))) {
      throw new UserError(`taskId: the session of ${task.id} was deleted, start a new task`);
    }
    const { agent, parentSessionID } = task;
    const { parentAgent, parentMessageID, model, signal } = from;
    const turn = { parentAgent, parentMessageID };
    const plan = await planLaunch(this.#deps, { agent, model, parentSessionID, ...turn });
    this.#checkWanted(signal);
    jobs.refuseDeleted(parentSessionID, plan.rootSessionID);
    checkCount(jobs, plan.rootSessionID, options.maxTasksPerSession);
    const progress = { ...task.progress, lastUpdate: new Date(clock.now()) };
    // What its session was never given is still to be done.
    const text = [task.prompt ?? [], prompt].flat().join("\n\n");
    const other = model === undefined ? {} : { model: plan.model, variant: plan.variant };
    const tags = tagsOf(task, from);
    const group = from.group ?? task.group;
    // What was to come before it is of no matter any more: it is wanted now.
    const now = { after: undefined };
    const patch = { prompt: text, progress, parentMessageID, tags, group, ...now, ...other };
    const reopened = jobs.reopen(task.id, patch);
    if (!reopened) throw new UserError(`taskId: ${task.id} is being continued already`);
    return { reopened, plan };
  }

  /**
   * A task of an earlier OpenCode that still waits for others: its session may use it again, and then it starts when
   * its time has come.
   */
  rest(task: SubagentJob): void {
    this.#deps.waiting.add(task, () => void this.#startRested(task), { rests: true });
  }

  /** Its rights are looked at anew. Never rejects. */
  async #startRested({ id, agent, parentSessionID }: SubagentJob): Promise<void> {
    try {
      const plan = await planLaunch(this.#deps, { agent, parentSessionID });
      const task = this.#deps.jobs.getSubagent(id);
      if (task?.status === "pending" && !this.#isClosed) await this.#enqueue(task, plan);
    } catch (thrown) {
      const error = coerceError(thrown).message;
      this.#runner.abandon(id, { status: "failed", reason: "error", error });
    }
  }

  /** Resolves as `#enqueue` does, or at once when it waits for others. */
  async #enqueueInOrder(task: SubagentJob, plan: LaunchPlan): Promise<void> {
    // A task that is continued has waited already.
    if (!waitsForOthers(task)) return this.#enqueue(task, plan);
    let starting: Promise<void> | undefined;
    this.#starts.set(task.id, plan);
    this.#deps.waiting.add(task, () => {
      // A closed instance leaves it to the next one.
      if (!this.#isClosed) starting = this.#enqueue(task, plan);
    });
    await starting;
  }

  /** Resolves when the run was prompted or waits for its turn. */
  async #enqueue(task: SubagentJob, plan: LaunchPlan): Promise<void> {
    const { id } = task;
    const key = modelName(task.model);
    const waits = this.#slots.isFull(key);
    this.#starts.set(id, plan);
    // One that was cancelled while it waited and then continued has two turns in the queue; the later one counts.
    const isCurrent = (): boolean => this.#starts.get(id) === plan;
    await new Promise<void>((onStarted) => {
      if (waits) onStarted();
      const run = this.#slots.hold(key, id, async () => {
        if (!isCurrent()) return;
        await this.#runner.run(id, { limits: plan, isCurrent, onStarted });
        if (isCurrent()) this.#starts.delete(id);
      });
      // A run that cannot start ends without a word of its start.
      run.then(onStarted, (thrown: unknown) => {
        this.#deps.log("error", "a run failed unexpectedly", {
          id,
          error: coerceError(thrown).stack,
        });
        onStarted();
      });
    });
  }

  /** Of one session tree: a task of another tree is not shown. */
  #sameTasks({ rootSessionID, agent }: LaunchPlan, prompt: string): SubagentJob[] {
    const promptOf = (job: SubagentJob) => job.prompt ?? this.#runner.promptOf(job.id);
    return this.#deps.jobs
      .byRoot(rootSessionID)
      .filter((job) => job.kind === "subagent")
      .filter(({ status }) => !isTerminal(status))
      .filter((job) => job.agent === agent && promptOf(job)?.trim() === prompt.trim());
  }
}

function tagsOf(task: SubagentJob, { tags = [] }: ResumeFrom): string[] {
  return [...new Set([...task.tags, ...tags])];
}
