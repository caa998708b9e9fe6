// Owns: the wiring that a test of subagents or notices needs: the same parts as workspace.ts, without a disk and
// without processes. Promises: time moves only by the clock; unexpected log lines can be asserted.
import type { HostEvent } from "../../src/host/events.js";
import type { IdSource } from "../../src/host/ids.js";
import type { AssistantMessage } from "../../src/host/host.js";
import { SessionTree } from "../../src/host/session-tree.js";
import type { SubagentJob } from "../../src/jobs/job.js";
import { WaitingJobs } from "../../src/jobs/waiting.js";
import { JobRegistry } from "../../src/jobs/registry.js";
import { isTerminal } from "../../src/jobs/status.js";
import { Notices } from "../../src/notices/notices.js";
import { parseOptions, type Options } from "../../src/options.js";
import type { LogLevel } from "../../src/ports.js";
import { BackgroundManager, type LaunchInput } from "../../src/subagent/manager.js";
import { FakeClock, settle } from "./clock.js";
import { FakeHost } from "./host.js";
import { Stage } from "./stage.js";
import { Worktrees } from "../../src/worktree/worktrees.js";

export interface HouseSettings {
  /** The project, for worktrees. */
  directory?: string;
  options?: Partial<Options>;
  host?: (clock: FakeClock) => FakeHost;
  ids?: (clock: FakeClock) => IdSource;
}

export class House extends Stage {
  readonly clock = new FakeClock();
  readonly options: Options;
  readonly host: FakeHost;
  readonly logged: { level: LogLevel; message: string }[] = [];
  readonly jobs: JobRegistry;
  readonly ids: IdSource;
  readonly tree: SessionTree;
  readonly notices: Notices;
  readonly tasks: BackgroundManager;
  readonly worktrees: Worktrees;
  /** Folders of worktrees whose events come here. */
  readonly claimed = new Set<string>();
  readonly endedProcesses: string[] = [];
  readonly stoppedByUser: string[] = [];
  /** How often each job became terminal. */
  readonly ends = new Map<string, number>();
  save: () => Promise<void> = () => Promise.resolve();
  endProcesses: (sessionID: string) => Promise<void> = () => Promise.resolve();

  constructor(settings: HouseSettings = {}) {
    super();
    const { clock } = this;
    this.options = { ...parseOptions().options, ...settings.options };
    this.host = settings.host?.(clock) ?? new FakeHost(clock);
    const log = (level: LogLevel, message: string) => void this.logged.push({ level, message });
    this.jobs = new JobRegistry(log);
    this.jobs.onChange(({ type, job }) => {
      if (type === "ended") this.ends.set(job.id, (this.ends.get(job.id) ?? 0) + 1);
    });
    this.ids = settings.ids?.(clock) ?? this.host.ids;
    this.tree = new SessionTree(this.host);
    const { host, jobs, ids, tree, options } = this;
    const ports = { host, jobs, ids, clock, log, options };
    this.notices = new Notices({
      ...ports,
      tree,
      directoryOf: (sessionID) => this.worktrees.directoryOf(sessionID),
      save: () => this.save(),
      onStopped: (sessionID) => this.stoppedByUser.push(sessionID),
    });
    this.worktrees = new Worktrees({
      ...ports,
      directory: settings.directory ?? "/project",
      homes: {
        claim: (folder) => void this.claimed.add(folder),
        release: (folder) => void this.claimed.delete(folder),
        during: (making) => making,
      },
      notices: this.notices,
      persist: () => this.save(),
    });
    this.tasks = new BackgroundManager({
      ...ports,
      tree,
      notices: this.notices,
      worktrees: this.worktrees,
      waiting: new WaitingJobs(jobs, clock),
      endProcessesOf: async (sessionID) => {
        this.endedProcesses.push(sessionID);
        await this.endProcesses(sessionID);
      },
      handle: (event) => this.event(event),
      lookup: () => Promise.resolve(undefined),
      persist: () => this.save(),
      restore: () => Promise.resolve(),
    });
  }

  event(event: HostEvent): void {
    if (event.type === "created") this.tree.learn(event.sessionID, event.parentID);
    this.tasks.onEvent(event);
    this.notices.onEvent(event);
    if (event.type === "deleted") this.tree.forget(event.sessionID);
  }

  /** The host runs a step: busy, and an assistant message as given. */
  step(sessionID: string, more: Partial<AssistantMessage> = {}): AssistantMessage {
    this.busy(sessionID);
    const message = this.host.addAssistant(sessionID, more);
    for (const { callID, tool, status } of message.tools) {
      this.event({ type: "tool", sessionID, messageID: message.id, callID, tool, status });
    }
    this.event({ type: "assistant", sessionID, message });
    return message;
  }

  /** A whole run: one step, then idle. */
  async answer(sessionID: string, more: Partial<AssistantMessage> | string = {}): Promise<void> {
    this.step(sessionID, typeof more === "string" ? { text: more } : more);
    this.idle(sessionID);
    await settle();
  }

  async launch(input: Partial<LaunchInput> & { parentSessionID: string }): Promise<SubagentJob> {
    const { task } = await this.tasks.launch({
      description: "a task",
      prompt: "do it",
      agent: "general",
      ...input,
    });
    return task;
  }

  /** Launches and gives the child's session. */
  async child(
    input: Partial<LaunchInput> & { parentSessionID: string },
  ): Promise<{ id: string; sessionID: string }> {
    const { id, sessionID } = await this.launch(input);
    if (sessionID === undefined) throw new Error(`${id} has no session`);
    return { id, sessionID };
  }

  /** With `maxRunning: 1`: an ended task that is continued and waits for its turn, which `next` gives it. */
  async continuedAfter(
    parentSessionID: string,
  ): Promise<{ id: string; next: () => Promise<void> }> {
    const { id, sessionID } = await this.child({ parentSessionID });
    await this.answer(sessionID, "done");
    const other = await this.child({ parentSessionID });
    await this.tasks.resume(id, "more", {});
    return { id, next: () => this.answer(other.sessionID, "done") };
  }

  job(id: string): SubagentJob {
    const job = this.jobs.getSubagent(id);
    if (!job) throw new Error(`there is no task ${id}`);
    return job;
  }

  outcome(id: string): string {
    const { status, endReason } = this.job(id);
    return isTerminal(status) ? `${status} · ${endReason ?? ""}` : status;
  }

  /** What was sent to a session with text of our own. */
  promptsTo(sessionID: string): string[] {
    return this.host.prompts.flatMap((prompt) =>
      prompt.sessionID === sessionID && prompt.text !== undefined ? [prompt.text] : [],
    );
  }

  logs(level: LogLevel): string[] {
    return this.logged.filter((line) => line.level === level).map(({ message }) => message);
  }
}
