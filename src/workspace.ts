/**
 * The background work of one directory: builds every part once, hands each what it needs and passes the host's
 * events on. The plugin and library users hold one of these; closing it leaves nothing behind.
 */
import { join } from "node:path";
import type { Context } from "./context.js";
import { OwnerControl } from "./control/owner.js";
import { SessionCleanup } from "./control/session-cleanup.js";
import { UserActs } from "./control/user-acts.js";
import { coerceError, doAll, logFailure, silentLog, systemClock, type Timer } from "./ports.js";
import { agentsLine } from "./host/agents.js";
import { translateEvent, type HostEvent } from "./host/events.js";
import type { Host } from "./host/host.js";
import { IdSource } from "./host/ids.js";
import { SessionTree } from "./host/session-tree.js";
import { parseUserRequest } from "./host/user-request.js";
import type { Job } from "./jobs/job.js";
import { JobRegistry } from "./jobs/registry.js";
import { WaitingJobs } from "./jobs/waiting.js";
import { EventCommand } from "./notices/event-command.js";
import { Notices, type ComingMessage } from "./notices/notices.js";
import { parseOptions, type Options } from "./options.js";
import { BackgroundProcessManager, type ProcessManagerDeps } from "./process/manager.js";
import { SessionPermission } from "./session-permission.js";
import { onHostExit } from "./system/host-exit.js";
import { defaultRoot } from "./store/instance-folder.js";
import { JobStore, type JobStoreOptions } from "./store/store.js";
import { BackgroundManager } from "./subagent/manager.js";
import { within } from "./time.js";
import { Worktrees, type Homes } from "./worktree/worktrees.js";

/** Resolves, always, when an instance has closed: with the sessions that were in use until then. */
export type Predecessor = Promise<readonly string[]>;

export interface WorkspaceSettings {
  host: Host;
  /** Absolute; jobs left by a dead OpenCode are taken over only for the same directory. */
  directory: string;
  /** Names the folder below `stateFolder`; the host's project id in the plugin. */
  projectID: string;
  /** `${XDG_STATE_HOME:-~/.local/state}/opencode/background` by default. */
  stateFolder?: string;
  /** See `JobStoreOptions`. */
  isSibling?: JobStoreOptions["isSibling"];
  /** An earlier instance of this directory in this process: resolves once it has closed, with the sessions in use. */
  predecessor?: Predecessor | undefined;
  options?: Options;
  /** Whose instances bring their events and calls here, too; in the plugin. */
  homes?: Homes;
  /** In the plugin: the page in the browser. */
  page?: { open(workspace: Workspace): void; close(): void };
  /** This OpenCode ends with its one turn, and background work with it. */
  oneShot?: boolean;
  /** `shell` of OpenCode's configuration, if it names one; in the plugin. */
  configuredShell?: ProcessManagerDeps["configuredShell"];
  clock?: Context["clock"];
  log?: Context["log"];
  /** For tests: parts of the system. */
  system?: Pick<ProcessManagerDeps, "spawn" | "system" | "watchdog"> &
    Pick<JobStoreOptions, "files" | "processes">;
}

/** A hook waits so long for an earlier owner's records, then goes on without them. */
const RESTORE_PATIENCE_MS = 5_000;
/** Pause between two looks for owners that have died. */
const TAKE_OVER_MS = 60_000;

/** For a program that passes the events of all its directories on by itself. */
const NO_HOMES: Homes = {
  claim: () => undefined,
  release: () => undefined,
  during: (making) => making,
};

export class Workspace implements Context {
  readonly host: Host;
  readonly directory: string;
  readonly options: Options;
  readonly oneShot: boolean;
  readonly clock: Context["clock"];
  readonly log: Context["log"];
  /** Every record as it is now; `onChange` tells of each change. */
  readonly jobs: JobRegistry;
  readonly ids: IdSource;
  readonly tree: SessionTree;
  readonly notices: Notices;
  readonly store: JobStore;
  readonly tasks: BackgroundManager;
  readonly processes: BackgroundProcessManager;
  readonly worktrees: Worktrees;
  readonly userActs: UserActs;
  readonly permission: SessionPermission;
  readonly #waiting: WaitingJobs;
  readonly #sessionCleanup: SessionCleanup;
  readonly #eventCommand: EventCommand;
  readonly #control: OwnerControl;
  readonly #predecessor: Predecessor | undefined;
  readonly #page: WorkspaceSettings["page"];
  /** In this order: processes get their signals, then the state is written. */
  readonly #exitHooks: readonly (() => void)[];
  /** A changed configuration makes another instance. */
  #agentsLine: Promise<string | undefined> | undefined;
  #restoring: Promise<void> | undefined;
  #takingOver: Promise<void> = Promise.resolve();
  #nextLook: Timer | undefined;
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
    const { jobs, clock, log, options } = this;
    const context: Context = { host, jobs, clock, log, options };
    this.ids = new IdSource(() => clock.now());
    this.tree = new SessionTree(host);
    this.#predecessor = settings.predecessor;
    this.#page = settings.page;
    this.permission = new SessionPermission(host, settings.configuredShell);
    this.notices = new Notices({
      ...context,
      ids: this.ids,
      tree: this.tree,
      directoryOf: (sessionID) => this.worktrees.directoryOf(sessionID),
      save: () => this.persist(),
      onStopped: (sessionID) => this.#sessionCleanup.aborted(sessionID),
      onUsed: (sessionID) => this.#waiting.used(sessionID),
    });
    this.store = new JobStore({
      ...context,
      root: settings.stateFolder ?? defaultRoot(),
      projectID,
      directory,
      isSibling: settings.isSibling,
      notices: () => this.notices.outbox.all(),
      retention: this.options,
      onWriteFailure: (failure) => {
        const message = `Background jobs go on, but their state cannot be saved: ${failure.message}`;
        this.notices.toast(message, "error");
      },
      ...settings.system,
    });
    this.notices.outbox.onChange(() => this.store.markDirty());
    // After the notices: what a job's end leads to is told behind it.
    this.#waiting = new WaitingJobs(this.jobs, this.clock);
    this.processes = new BackgroundProcessManager({
      ...context,
      outputFolder: () => this.#outputFolder(),
      announce: (...what) => this.notices.announce(...what),
      hold: (jobIDs) => this.notices.hold(jobIDs),
      used: (sessionID) => this.notices.used(sessionID),
      waiting: this.#waiting,
      configuredShell: settings.configuredShell,
      ...settings.system,
    });
    this.worktrees = new Worktrees({
      ...context,
      directory,
      homes: settings.homes ?? NO_HOMES,
      notices: this.notices,
      persist: () => this.persist(),
    });
    this.tasks = new BackgroundManager({
      ...context,
      ids: this.ids,
      tree: this.tree,
      notices: this.notices,
      worktrees: this.worktrees,
      waiting: this.#waiting,
      unattended: this.oneShot,
      endProcessesOf: (sessionID, reason) => this.#sessionCleanup.endProcesses(sessionID, reason),
      handle: (event) => this.onEvent(event),
      lookup: (jobID) => this.store.lookup(jobID),
      persist: () => this.persist(),
      restore: () => this.restore(),
    });
    this.#sessionCleanup = new SessionCleanup(this);
    this.userActs = new UserActs(this);
    this.#eventCommand = new EventCommand(this);
    this.#control = new OwnerControl(this);
    this.#exitHooks = [() => this.processes.killAllNow(), () => this.store.flushSync()].map(
      (callback) => onHostExit(callback, this.log),
    );
  }

  /** Whether events of this directory belong here: it is ours, or that of a worktree of one of our subagents. */
  covers(directory: string): boolean {
    return directory === this.directory || this.worktrees.includes(directory);
  }

  /** An event as the host's `event` hook brings it. Never throws. */
  handleEvent(event: unknown): void {
    const request = parseUserRequest(event);
    if (request && !this.#disposing) {
      if (request.act === "page") this.#page?.open(this);
      else this.#sessionCleanup.requested(request);
    }
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
    this.#sessionCleanup.onEvent(event);
    if (event.type === "idle") this.worktrees.onIdle(event.sessionID);
  }

  /** Before a tool of ours does anything: the session is in use, and earlier jobs are known. */
  async ready(sessionID: string): Promise<void> {
    this.notices.used(sessionID);
    await within(this.clock, RESTORE_PATIENCE_MS, this.restore());
  }

  /**
   * Takes over what dead owners of this directory left behind: what ran is settled by what its session holds, notices
   * are still owed. Resolves when that is done, also for an instance that the host closes at this moment; from then
   * on it is done again from time to time, for owners that die later. Never rejects; what fails is logged and tried
   * again.
   */
  restore(): Promise<void> {
    this.#restoring ??= this.#restore();
    return this.#restoring;
  }

  /** The `chat.message` hook; see Notices. */
  async userMessage(message: ComingMessage): Promise<string | undefined> {
    if (message.typed) this.tasks.userWrote(message.sessionID);
    return this.notices.userMessage(message, this.ready(message.sessionID));
  }

  /**
   * Removes the worktree of a task, in words: what works in it is ended, and what is uncommitted is on its branch
   * first. Rejects with a UserError when there is none, or git refuses.
   */
  async removeWorktree(jobID: string): Promise<string> {
    return this.#sessionCleanup.removeWorktree(jobID, "cancelled_by_agent");
  }

  /** Writes the state now. Never rejects: a failed write is logged by the store, shown and tried again. */
  async persist(): Promise<void> {
    await Promise.allSettled([this.store.flush()]);
  }

  /** What the definition of the tool that starts subagents says of them; undefined while the host does not say. */
  agentsLine(): Promise<string | undefined> {
    this.#agentsLine ??= this.host.agents().then(agentsLine);
    return this.#agentsLine.catch((thrown: unknown) => {
      this.#agentsLine = undefined;
      return logFailure(this.log, "warn", "the agents could not be named")(thrown);
    });
  }

  /**
   * Ends everything, writes the last state and lets go of everything. Idempotent. Rejects with an AggregateError of
   * what failed, once all the rest is done.
   */
  dispose(): Promise<void> {
    this.#disposing ??= this.#dispose();
    return this.#disposing;
  }

  /** A folder that cannot be made costs the output, not the process: its record says so. */
  #outputFolder(): string {
    try {
      return this.store.outputFolder();
    } catch (thrown) {
      logFailure(this.log, "error", "no folder for output")(thrown);
      return join(this.store.folder, "output");
    }
  }

  async #restore(): Promise<void> {
    const first = this.#takeOver(true);
    const used = await this.#predecessor;
    for (const sessionID of used ?? []) this.notices.used(sessionID);
    await (used ? this.#takeOver(true) : first);
    this.#lookLater();
  }

  #lookLater(): void {
    if (this.#disposing || this.oneShot) return;
    this.#nextLook = this.clock.after(TAKE_OVER_MS, () => {
      void this.#takeOver(false).then(() => this.#lookLater());
    });
  }

  /** One at a time; never rejects. `everywhere`: also from other projects of this directory. */
  #takeOver(everywhere: boolean): Promise<void> {
    this.#takingOver = this.#takingOver
      .then(() => this.#takeOverNow(everywhere))
      .catch(logFailure(this.log, "error", "earlier jobs could not be taken over"));
    return this.#takingOver;
  }

  async #takeOverNow(everywhere: boolean): Promise<void> {
    const { jobs: claimed, notices } = await this.store.claim({ everywhere });
    // The next start takes what was claimed, with our folder.
    if (this.#disposing) return;
    for (const { job } of claimed) this.jobs.add(job);
    this.notices.outbox.adopt(notices);
    for (const { job, isReloaded } of claimed) if (isReloaded) this.#tellOfReload(job);
    // Theirs is ours from here on, as it was left; what became of each is found out now.
    const committed = this.store.commitClaim();
    await Promise.all(
      claimed.map(({ job, lastSign }) =>
        job.kind === "process"
          ? this.processes.recover(job, lastSign)
          : this.tasks.recover(job, lastSign),
      ),
    );
    this.worktrees.recover(claimed.map(({ job }) => job));
    for (const sessionID of this.notices.inUse()) this.#waiting.used(sessionID);
    if (claimed.length + notices.length > 0) await this.notices.findRecipients();
    await committed;
  }

  /** That processes end with OpenCode is plain; that one ended while OpenCode goes on is not. */
  #tellOfReload(job: Job): void {
    const { parentSessionID, kind, notify } = job;
    if (kind !== "process" || !notify) return;
    // The end of the subagent that started it says all.
    const isInSubagent = !job.global && this.jobs.findBySession(parentSessionID) !== undefined;
    if (!isInSubagent) this.notices.outbox.markEnded(job);
  }

  /**
   * Both kinds at once, for the host may cut the closing off (the terminal: after 5 s). The state as it will be is on
   * disk before anything is waited for.
   */
  async #endJobs(): Promise<void> {
    const ending = Promise.allSettled([this.tasks.dispose(), this.processes.dispose()]);
    this.store.saveAsEnding();
    const failed = (await ending).flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
    if (failed.length > 0) throw new AggregateError(failed);
  }

  /** Each step for itself; the exit hooks go last, so that an exit meanwhile still ends and saves what is left. */
  async #dispose(): Promise<void> {
    const steps = [
      () => this.#nextLook?.cancel(),
      () => this.#eventCommand.close(),
      () => this.#control.close(),
      () => this.#page?.close(),
      () => this.notices.close(),
      () => this.worktrees.close(),
      () => this.#endJobs(),
      () => this.#waiting.dispose(),
      () => this.notices.dispose(),
      () => this.store.close(),
      ...this.#exitHooks,
    ];
    try {
      await doAll("background work was not ended in order", steps);
    } catch (thrown) {
      this.log("error", coerceError(thrown).message, { directory: this.directory });
      throw thrown;
    }
  }
}
