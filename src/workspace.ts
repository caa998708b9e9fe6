/**
 * The background work of one directory: builds every part once, hands each what it needs and passes the host's
 * events on. The plugin and library users hold one of these; closing it leaves nothing behind.
 */
import { join } from "node:path";
import { excerptOf } from "./excerpt.js";
import { coerceError, silentLog, systemClock, type Clock, type Log } from "./ports.js";
import type { HostEvent } from "./host/events.js";
import { translateEvent } from "./host/events.js";
import type { Host, PermissionRule } from "./host/host.js";
import { IdSource } from "./host/ids.js";
import { SessionTree } from "./host/session-tree.js";
import { parseUserRequest } from "./host/user-request.js";
import type { Job } from "./jobs/job.js";
import { JobRegistry } from "./jobs/registry.js";
import { Notices, type ComingMessage } from "./notices/notices.js";
import { parseOptions, type Options } from "./options.js";
import { askForCommand, type CommandQuestion } from "./permission/ask.js";
import { deniesCommands } from "./permission/rules.js";
import { BackgroundProcessManager, type ProcessManagerDeps } from "./process/manager.js";
import { onHostExit } from "./system/host-exit.js";
import { chooseShell } from "./system/spawn.js";
import { defaultRoot } from "./store/instance-folder.js";
import { SessionEnds } from "./session-ends.js";
import { JobStore, type JobStoreOptions } from "./store/store.js";
import { BackgroundManager } from "./subagent/manager.js";
import { VERSION } from "./version.js";

export interface WorkspaceSettings {
  host: Host;
  /** Absolute; jobs left by a dead OpenCode are taken over only for the same directory. */
  directory: string;
  /** Names the folder below `stateFolder`; the host's project id in the plugin. */
  projectID: string;
  /** `${XDG_STATE_HOME:-~/.local/state}/opencode/background` by default. */
  stateFolder?: string;
  options?: Options;
  /** This OpenCode ends with its one turn, and background work with it. */
  oneShot?: boolean;
  clock?: Clock;
  log?: Log;
  /** For tests: parts of the system. */
  system?: Pick<ProcessManagerDeps, "spawn" | "system" | "watchdog"> &
    Pick<JobStoreOptions, "files" | "processes">;
}

export interface SessionQuestion extends Omit<CommandQuestion, "shell" | "deniesCommands"> {
  sessionID: string;
  agent: string;
}

/** A hook waits so long for an earlier owner's records, then goes on without them. */
const RESTORE_PATIENCE_MS = 5_000;

export class Workspace {
  readonly host: Host;
  readonly directory: string;
  readonly options: Options;
  readonly oneShot: boolean;
  readonly clock: Clock;
  readonly log: Log;
  /** Every record as it is now; `onChange` tells of each change. */
  readonly jobs: JobRegistry;
  readonly ids: IdSource;
  readonly tree: SessionTree;
  readonly notices: Notices;
  readonly store: JobStore;
  readonly tasks: BackgroundManager;
  readonly processes: BackgroundProcessManager;
  readonly #sessionEnds: SessionEnds;
  readonly #stopListening: () => void;
  #restoring: Promise<void> | undefined;
  #disposing: Promise<void> | undefined;

  constructor(settings: WorkspaceSettings) {
    const { host, directory, projectID } = settings;
    this.host = host;
    this.directory = directory;
    this.options = settings.options ?? parseOptions().options;
    this.oneShot = settings.oneShot ?? false;
    this.clock = settings.clock ?? systemClock;
    this.log = settings.log ?? silentLog;
    this.jobs = new JobRegistry(this.log);
    this.ids = new IdSource(() => this.clock.now());
    this.tree = new SessionTree(host);
    this.notices = new Notices({
      ...this.#ports(),
      ids: this.ids,
      tree: this.tree,
      excerpt: (job) => excerptOf(job, this.tasks, this.processes),
      save: () => this.persist(),
      onParentAbort: (sessionID) => this.#sessionEnds.aborted(sessionID),
    });
    this.store = new JobStore({
      ...this.#ports(),
      root: settings.stateFolder ?? defaultRoot(),
      projectID,
      directory,
      notices: () => this.notices.outbox.all(),
      pluginVersion: VERSION,
      retention: this.options,
      onWriteFailure: (failure) => {
        const message = `Background jobs go on, but their state cannot be saved: ${failure.message}`;
        this.notices.toast(message, "error");
      },
      ...settings.system,
    });
    this.notices.outbox.onChange(() => this.store.markDirty());
    this.processes = new BackgroundProcessManager({
      ...this.#ports(),
      outputFolder: () => this.#outputFolder(),
      announce: (job, kind, text) => this.notices.announce(job, kind, text),
      hold: (jobIDs) => this.notices.hold(jobIDs),
      used: (sessionID) => this.notices.used(sessionID),
      ...settings.system,
    });
    this.tasks = new BackgroundManager({
      ...this.#ports(),
      ids: this.ids,
      tree: this.tree,
      notices: this.notices,
      used: (sessionID) => this.notices.used(sessionID),
      outbox: this.notices.outbox,
      endProcessesOf: (sessionID, reason) => this.#sessionEnds.endProcesses(sessionID, reason),
      handle: (event) => this.onEvent(event),
      lookup: (jobID) => this.store.lookup(jobID),
      persist: () => this.persist(),
      restore: () => this.restore(),
    });
    const { tasks, processes, notices, tree } = this;
    this.#sessionEnds = new SessionEnds({ ...this.#ports(), tasks, processes, notices, tree });
    this.#stopListening = onHostExit(() => {
      this.processes.killAllNow();
      this.store.flushSync();
    }, this.log);
  }

  /** An event as the host's `event` hook brings it. Never throws. */
  handleEvent(event: unknown): void {
    const request = parseUserRequest(event);
    if (request && !this.#disposing) this.#sessionEnds.cancelled(request.cancel);
    const translated = translateEvent(event);
    if (translated) this.onEvent(translated);
  }

  /** The order matters: a run must have ended before its parent's channel asks what still runs. */
  onEvent(event: HostEvent): void {
    if (this.#disposing) return;
    void this.restore();
    if (event.type === "created") this.tree.learn(event.sessionID, event.parentID);
    this.tasks.onEvent(event);
    this.notices.onEvent(event);
    this.#sessionEnds.onEvent(event);
  }

  /** Before a tool of ours does anything: the session is in use, and earlier jobs are known. */
  async ready(sessionID: string): Promise<void> {
    this.notices.used(sessionID);
    let stopWaiting = (): void => undefined;
    const patience = new Promise<void>((resolve) => {
      const timer = this.clock.after(RESTORE_PATIENCE_MS, resolve);
      stopWaiting = () => timer.cancel();
    });
    await Promise.race([this.restore(), patience]);
    stopWaiting();
  }

  /**
   * Takes over what dead owners of this directory left behind, once: what ran is settled by what its session
   * holds, notices are still owed. Never rejects; what fails is logged and tried again by the next start.
   */
  restore(): Promise<void> {
    this.#restoring ??= this.#restore().catch((thrown: unknown) => {
      this.log("error", "earlier jobs could not be restored", { error: coerceError(thrown).stack });
    });
    return this.#restoring;
  }

  /** The `chat.message` hook; see Notices. */
  async userMessage(message: ComingMessage): Promise<string | undefined> {
    return this.notices.userMessage(message, this.ready(message.sessionID));
  }

  /** Writes the state now. Never rejects: a failed write is logged by the store, shown and tried again. */
  async persist(): Promise<void> {
    await Promise.allSettled([this.store.flush()]);
  }

  /** See permission/: throws unless the rules of this agent in this session allow every part of the command. */
  async askForCommand(question: SessionQuestion): Promise<void> {
    const shell = chooseShell(process.env).file;
    const rules = async () => deniesCommands(await this.#rulesOf(question));
    await askForCommand({ ...question, shell, deniesCommands: rules });
  }

  /** Ends everything, writes the last state and lets go of everything. Idempotent. */
  dispose(): Promise<void> {
    this.#disposing ??= this.#dispose();
    return this.#disposing;
  }

  #ports() {
    const { host, jobs, clock, log, options } = this;
    return { host, jobs, clock, log, options };
  }

  async #rulesOf({ sessionID, agent }: SessionQuestion): Promise<PermissionRule[]> {
    const [agents, session] = await Promise.all([this.host.agents(), this.host.session(sessionID)]);
    const own = agents.find(({ name }) => name === agent)?.permission ?? [];
    return [...own, ...(session?.permission ?? [])];
  }

  /** A folder that cannot be made costs the output, not the process: its record says so. */
  #outputFolder(): string {
    try {
      return this.store.outputFolder();
    } catch (thrown) {
      this.log("error", "no folder for output", { error: coerceError(thrown).message });
      return join(this.store.folder, "output");
    }
  }

  async #restore(): Promise<void> {
    const { jobs, notices } = await this.store.claim();
    for (const job of jobs) this.jobs.add(job);
    this.notices.outbox.adopt(notices);
    // Theirs is ours from here on, as it was left; what became of each is found out now.
    const committed = this.store.commitClaim();
    await Promise.all(jobs.map((job) => this.#recover(job)));
    await this.notices.findHearers();
    await committed;
  }

  async #recover(job: Job): Promise<void> {
    if (job.kind === "process") this.processes.recover(job);
    else await this.tasks.recover(job);
  }

  async #dispose(): Promise<void> {
    this.#stopListening();
    this.notices.close();
    await this.tasks.dispose();
    await this.processes.dispose();
    this.notices.dispose();
    await this.store.close();
  }
}
