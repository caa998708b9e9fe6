/**
 * One run of a process, from its start to its end. What happens, in this order and once each:
 *
 * 1. `start`: the shell is spawned, guarded by the watchdog, and its record becomes running; or it cannot be,
 *    and the record becomes failed.
 * 2. Output is captured as it comes; it is never paused.
 * 3. The shell exits, by itself or because `kill` was called. A kill that comes when the shell has exited
 *    already changes nothing: the job keeps its real end.
 * 4. What is still on its way is drained, what the shell left running is listed and ended.
 * 5. The output is closed, then `onEnd` is called; `ended` resolves. Nothing is left: no process, no timer, no
 *    listener, no descriptor.
 */
import { closeSync } from "node:fs";
import type { ProcessIdentity, ProcessJob } from "../jobs/job.js";
import type { JobEnd, Quote, ProcessRecords } from "../jobs/registry.js";
import type { Options } from "../options.js";
import { quoteOutputEnd } from "../output/quote.js";
import { waysOf } from "../platform.js";
import { coerceError, logFailure, type Log } from "../ports.js";
import {
  type KillOutcome,
  type KillSystem,
  type KillTarget,
  type KillTree,
  membersOf,
  Sigterm,
  terminateNow,
  withUnverified,
} from "../system/kill-tree.js";
import type { ControlGroup, ControlGroups } from "../system/control-group.js";
import type { JobMembers } from "../system/members.js";
import { JOB_MARKER, openMark, type ProcessNote } from "../system/process-table.js";
import type { TerminalStarter } from "../system/pseudo-terminal.js";
import {
  chooseMover,
  INSTANCE_MARKER,
  jobEnvironment,
  type Shell,
  type SpawnFunction,
  type StartRequest,
} from "../system/spawn.js";
import type { Watchdog } from "../system/watchdog.js";
import { cutText } from "../text.js";
import { within } from "../time.js";
import { Capture, type Announce, type CaptureDeps } from "./capture.js";
import { Drain, type ShellEvents, type ShellExit, ShellProcess } from "./shell-process.js";
import type { RunEnd } from "./life-cycle.js";
import { ProcessInput } from "./input/input.js";
import { InputWatch } from "./input/input-watch.js";
import { Readiness, type Probe } from "./readiness.js";
import type { KillReason } from "./types.js";

/** What is to be started. */
export interface LiveRequest {
  job: ProcessJob;
  shell: Shell;
  /** See `CaptureRequest`. */
  file: string;
  outputLimit: number;
  /** The readyPort answered before the start. */
  wasPortTaken: boolean;
  env: Readonly<Record<string, string>>;
  /** Where its stdin is a terminal. */
  terminal?: TerminalStarter | undefined;
  /** With the line that matched the readyPattern, if there is one. */
  onReady: (line: string | undefined) => void;
  announce: Announce;
  /** Each piece of output as it comes. */
  onOutput?: ((data: Buffer) => void) | undefined;
  /**
   * The shell has exited and has left these running. True: they are not ended, the run goes on until all of them have
   * ended, and how the shell exited is not how it ends.
   */
  adopt?: ((exit: ShellExit, leftovers: readonly ProcessNote[]) => boolean) | undefined;
  /** Its run is over, or is known to be about to: what becomes of the record is decided there. Maybe more than once. */
  onEnd: (end: JobEnd, how: RunEnd) => void;
}

export interface LiveSystem extends KillSystem {
  isAlive(identity: ProcessIdentity): boolean;
}

/** What a running process is given by its manager; tests of the manager pass parts of their own. */
export interface LiveDeps extends CaptureDeps {
  jobs: ProcessRecords;
  log: Log;
  options: Options;
  env: NodeJS.ProcessEnv;
  instanceID: string;
  spawn: SpawnFunction;
  system: LiveSystem;
  killTree: KillTree;
  watchdog: Watchdog;
  /** Undefined: none are used. */
  controlGroups: ControlGroups | undefined;
  probe?: Probe;
}

/** Between two looks at what the shell of a run has left. */
const FIRST_LOOK = 100;
const LONGEST_LOOK = 2_000;

/** So long the pipes may take to close, and the exit to be reported, when every process is verified dead. */
const REPORT_MILLISECONDS = 500;

/** Of a kill that came before the start. */
export const NOTHING_LEFT: KillOutcome = { forced: false, survivors: [], foreign: false };

export class LiveProcess {
  readonly id: string;
  readonly capture: Capture;
  /** The record is terminal and everything is let go. */
  readonly ended: Promise<void>;
  /** Undefined where its stdin is closed. */
  readonly input: ProcessInput | undefined;
  readonly #request: LiveRequest;
  readonly #deps: LiveDeps;
  #resolveEnded: () => void = () => undefined;
  #shell: ShellProcess | undefined;
  #forksBefore: number | undefined;
  #controlGroup: ControlGroup | undefined;
  /** The shell was seen to be in its control group, or not to have come there. */
  #isGroupKnown = false;
  #readiness: Readiness | undefined;
  #drain: Drain | undefined;
  #quote: Quote | undefined;
  #cannotStart: Error | undefined;
  #mayBeLeft: ProcessNote[] = [];
  readonly #sigterm: Sigterm;
  /** Undefined where its stdin is closed. */
  readonly #inputWatch: InputWatch | undefined;
  /** What its stdin is to the system, as it was when it began. */
  #inputName: Promise<string | undefined> | undefined;
  #killReason: KillReason | undefined;
  #killing: Promise<KillOutcome> | undefined;
  /** What the shell has left running goes on as this run. */
  #adopted = false;
  /** Ends a pause of the wait for what was adopted. */
  #look: () => void = () => undefined;

  constructor(request: LiveRequest, deps: LiveDeps) {
    const { job, announce } = request;
    this.id = job.id;
    const target = {
      write: (text: string) => {
        const isWritten = this.#shell?.write(text) ?? false;
        this.#inputWatch?.typed();
        return isWritten;
      },
      endInput: () => this.#shell?.endInput(),
    };
    if (job.stdin) {
      this.input = new ProcessInput(target, job.stdin === "terminal");
      this.#inputWatch = new InputWatch(job.id, {
        ...deps,
        isRead: () => this.#isInputRead(),
        echo: () => this.#shell?.echo,
        announce,
      });
    }
    this.#request = request;
    this.#deps = deps;
    const onReadyLine = (line: string) =>
      this.#readiness?.matched(cutText(line, LONGEST_READY_LINE));
    this.capture = new Capture({ ...request, onReadyLine }, deps);
    this.#sigterm = new Sigterm((pids) => deps.watchdog.told(this.id, pids));
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
  }

  /** When it cannot be started its record is failed, with the system's message. */
  async start(): Promise<void> {
    const { clock, jobs, watchdog, probe, controlGroups, instanceID } = this.#deps;
    const { job, wasPortTaken } = this.#request;
    const env = jobEnvironment(this.#deps.env, this.#request.env, { jobID: this.id, instanceID });
    const group = controlGroups?.mayOpen() ? await this.#openGroup(env, controlGroups) : undefined;
    if (this.#killReason) {
      this.#end();
      return;
    }
    try {
      watchdog.prepare(controlGroups?.folder);
      const shell = this.#startShell(env, group);
      // No await where it was started: a kill must find it.
      this.#shell = shell instanceof ShellProcess ? shell : await shell;
    } catch (thrown) {
      this.#end(coerceError(thrown));
      return;
    }
    void this.#shell.closed.then(() => this.#look());
    const { identity } = this.#shell;
    if (identity) watchdog.guard(this.id, identity);
    jobs.updateProcess(this.id, { identity, controlGroup: group?.path });
    if (this.input) this.#inputName = this.#nameInput(this.#shell.pid);
    jobs.start(this.id, new Date(clock.now()));
    const onReady = (readyLine: string | undefined) => {
      jobs.updateProcess(this.id, { readyAt: new Date(clock.now()), readyLine });
      this.#request.onReady(readyLine);
    };
    const system = { clock, probe, wasTaken: wasPortTaken, onReady };
    this.#readiness = new Readiness(job, system);
  }

  /**
   * Resolves when the job has ended, or when it cannot be ended: then the survivors are in the outcome, and the
   * next call tries again. Undefined: it had exited by itself before, or could not be started. Throws when the kill
   * was refused; then nothing was done.
   */
  async kill(reason: KillReason): Promise<KillOutcome | undefined> {
    const shell = this.#shell;
    if (this.#adopted || !shell?.hasExited()) this.#killReason ??= reason;
    if (!shell) {
      // Not started yet: `start` sees the reason and starts nothing.
      await this.ended;
      return this.#cannotStart ? undefined : NOTHING_LEFT;
    }
    if (!this.#killReason) {
      // Its own end is under way: hurry it.
      this.#drain?.finish();
      await this.#untilEnded(shell);
      return undefined;
    }
    this.#killing ??= this.#killTree();
    this.#look();
    const outcome = await this.#killing.catch((thrown: unknown) => {
      this.#killing = undefined;
      this.#killReason = undefined;
      throw thrown;
    });
    const shellLives = !shell.exit && outcome.survivors.some(({ pid }) => pid === shell.pid);
    if (shellLives) {
      this.#killing = undefined;
      this.#deps.jobs.updateProcess(this.id, { survivors: outcome.survivors });
    } else await this.#untilEnded(shell);
    return outcome;
  }

  get hasEnded(): boolean {
    return this.capture.isClosed;
  }

  /** Types what its user has answered; see `InputWatch.open`. Throws a `UserError` when it asks nothing. */
  answer(sealed: string): void {
    const line = this.#inputWatch?.open(sealed);
    if (line !== undefined) this.input?.typedByUser(line);
  }

  /** The numbers of all its processes. */
  async members(): Promise<number[]> {
    if (!this.#shell) return [];
    const members = membersOf(this.#deps.system, this.#target(this.#shell), true);
    return (await members.find()).map(({ pid }) => pid);
  }

  /**
   * The record's end, and SIGTERM where no watchdog sends it when the host is gone; synchronously. The kill goes on if
   * the host does.
   */
  killNow(): void {
    if (this.#adopted || !this.#shell?.exit) this.#killReason ??= "host_exit";
    const isGuarded = this.#deps.watchdog.isGuarding(this.id);
    if (this.#shell && !isGuarded) terminateNow(this.#deps.system, this.#target(this.#shell));
    this.#tellEnd();
    this.kill("host_exit").catch(this.#failed("ending it (host_exit)"));
  }

  async #openGroup(
    env: NodeJS.ProcessEnv,
    controlGroups: ControlGroups,
  ): Promise<StartRequest["group"]> {
    const { job, shell } = this.#request;
    const mover = chooseMover(shell, env);
    this.#controlGroup = mover && (await controlGroups.open(this.id, job.run ?? 1));
    return mover && this.#controlGroup && { path: this.#controlGroup.path, mover };
  }

  /** When its shell has printed something, or has ended by itself: by then it has moved, or never will. */
  #checkGroup(): void {
    const group = this.#controlGroup;
    if (!group || this.#isGroupKnown) return;
    this.#isGroupKnown = true;
    try {
      if (group.wasEntered()) return;
      this.#controlGroup = undefined;
      this.#deps.controlGroups?.failed(group);
      this.#deps.controlGroups?.release(group);
      this.#deps.jobs.updateProcess(this.id, { controlGroup: undefined });
    } catch (thrown) {
      this.#failed("looking into its control group")(thrown);
    }
  }

  #startShell(env: NodeJS.ProcessEnv, group: StartRequest["group"]): ShellProcess | Promise<never> {
    const { job, shell, terminal } = this.#request;
    const { spawn, system } = this.#deps;
    this.#forksBefore = this.#tried("counting processes", () => system.table.counter()?.forks);
    const hasInput = job.stdin !== undefined;
    const isMarked = waysOf(system.platform).processes === "/proc";
    const mark = isMarked
      ? this.#tried("marking it", () => openMark(env[INSTANCE_MARKER] ?? "", env[JOB_MARKER] ?? ""))
      : undefined;
    const request = { command: job.command, cwd: job.cwd, shell, env, hasInput, mark, group };
    const events: ShellEvents = {
      onOutput: (stream, data) => {
        this.capture.take(stream, data);
        this.#checkGroup();
        this.#inputWatch?.output(data);
        this.#request.onOutput?.(data);
        this.#drain?.output();
      },
      onExit: () => this.#exited(),
      onError: this.#failed("its handle"),
    };
    try {
      if (terminal) return ShellProcess.startInTerminal(request, terminal, system, events);
      return ShellProcess.start(request, spawn, system, events);
    } finally {
      if (mark !== undefined) closeSync(mark);
    }
  }

  /** What the system cannot do now keeps the process from no start. */
  #tried<T>(what: string, work: () => T): T | undefined {
    try {
      return work();
    } catch (thrown) {
      return this.#failed(what)(thrown);
    }
  }

  #nameInput(pid: number): Promise<string | undefined> {
    const named = loadInputWait().then(({ descriptorOf }) => descriptorOf(pid, 0));
    return named.catch(this.#failed("looking at its input"));
  }

  /** Undefined when it cannot be told. */
  async #isInputRead(): Promise<boolean | undefined> {
    let input = await this.#inputName;
    // node-pty returns before its child has the terminal: until then its stdin is our own.
    if (this.#shell && this.input?.isTerminal && !input?.startsWith("/dev/pts/")) {
      this.#inputName = this.#nameInput(this.#shell.pid);
      input = await this.#inputName;
    }
    if (input === undefined) return undefined;
    const { findReader } = await loadInputWait();
    const reader = await findReader(await this.members(), input);
    return reader === "unknown" ? undefined : reader !== undefined;
  }

  #exited(): void {
    this.#finish().catch((thrown: unknown) => {
      this.#failed("its end")(thrown);
      this.#end();
    });
  }

  async #finish(): Promise<void> {
    const shell = this.#shell;
    if (!shell) return;
    if (!this.#killReason) this.#checkGroup();
    const leftovers = this.#killing ? [] : await this.#endLeftovers(shell);
    const { survivors, unverified, forced, mayBeLeft = this.#mayBeLeft } = await this.#killed();
    await within(this.#deps.clock, REPORT_MILLISECONDS, shell.closed);
    shell.release();
    await this.capture.settle();
    this.capture.log.retry();
    const failed = this.#howItEnded().status === "failed";
    // Where the output cannot be read the notice leads to it all the same.
    this.#quote = await quoteOutputEnd(this.#request.file, { failed }).catch(
      this.#failed("reading the end of its output"),
    );
    const exit = this.#adopted ? undefined : shell.exit;
    this.#deps.jobs.updateProcess(this.id, {
      exitCode: exit?.code ?? undefined,
      signal: exit?.signal ?? undefined,
      leftovers: leftovers.length > 0 ? leftovers : undefined,
      forced: forced || undefined,
      survivors: survivors.length > 0 ? survivors : undefined,
      mayBeLeft: mayBeLeft.length > 0 ? mayBeLeft : undefined,
      error: withUnverified(this.#howItEnded().error, unverified),
    });
    this.#end();
  }

  /** What the shell left running: listed, then ended. A kill that was called meanwhile is waited for instead. */
  async #endLeftovers(shell: ShellProcess): Promise<ProcessNote[]> {
    const { system, clock } = this.#deps;
    const drain = new Drain(clock);
    this.#drain = drain;
    void shell.closed.then(() => drain.finish());
    await drain.over;
    if (!waysOf(system.platform).hasProcessGroups) return [];
    const members = membersOf(system, this.#target(shell), true);
    const leftovers = await members.notes();
    const { problem } = members;
    this.#mayBeLeft = members.mayBelong();
    // The system did not say what is left: the kill asks once more.
    if (problem !== undefined) this.#failed("looking for what it left")(problem);
    if (members.areAllGone) return leftovers;
    const isNoneLeft = problem === undefined && leftovers.length === 0;
    if (isNoneLeft && (await isClean(members))) return leftovers;
    // What hid from the first look may have been found by the others.
    if (this.#adopt(shell, isNoneLeft ? await members.notes() : leftovers)) {
      await this.#untilGone(members);
      return [];
    }
    this.#killing ??= this.#killTree();
    return leftovers;
  }

  #adopt({ exit }: ShellProcess, leftovers: readonly ProcessNote[]): boolean {
    if (!exit || leftovers.length === 0 || this.#killReason) return false;
    this.#adopted = this.#request.adopt?.(exit, leftovers) ?? false;
    return this.#adopted;
  }

  /** Nothing reports the end of what is no child of ours: it is looked for, or ended by `kill`. */
  async #untilGone(members: JobMembers): Promise<void> {
    const { clock } = this.#deps;
    for (let time = FIRST_LOOK; ; time = Math.min(LONGEST_LOOK, time * 2)) {
      await new Promise<void>((resolve) => {
        const timer = clock.after(time, resolve);
        this.#look = () => {
          timer.cancel();
          resolve();
        };
      });
      if (this.#killing) return;
      const left = await members.find();
      if (left.length === 0 && members.problem === undefined) return;
    }
  }

  async #killed(): Promise<Omit<KillOutcome, "foreign">> {
    try {
      return (await this.#killing) ?? NOTHING_LEFT;
    } catch (thrown) {
      this.#failed("ending what it left")(thrown);
      return { forced: false, survivors: [], unverified: coerceError(thrown).message };
    }
  }

  async #untilEnded(shell: ShellProcess): Promise<void> {
    const { clock } = this.#deps;
    if (!shell.exit && !(await within(clock, REPORT_MILLISECONDS, this.ended)) && !shell.exit) {
      this.#failed("its exit")("the shell is gone, but its exit was never reported");
      shell.presumeExit();
    }
    await this.ended;
  }

  /** Lets go of everything, in this order: the last bytes can be read when the end is told. */
  #end(cannotStart?: Error): void {
    this.#inputWatch?.stop();
    this.#readiness?.stop();
    this.capture.close();
    this.#deps.watchdog.release(this.id);
    this.#deps.jobs.updateProcess(this.id, {
      output: this.capture.counters,
      openLine: undefined,
      controlGroup: undefined,
    });
    if (this.#controlGroup) this.#deps.controlGroups?.release(this.#controlGroup);
    this.#cannotStart = cannotStart;
    this.#tellEnd();
    this.#resolveEnded();
    this.capture.wake();
  }

  #tellEnd(): void {
    const { clock, jobs } = this.#deps;
    const cannotStart = this.#cannotStart;
    const failed = { status: "failed", reason: "error", error: cannotStart?.message } as const;
    const end = cannotStart ? failed : this.#howItEnded();
    const error = jobs.getProcess(this.id)?.error ?? end.error;
    const byItself = end.status === "completed" ? "completed" : "failed";
    const how = cannotStart ? "never_started" : this.#killReason ? "killed" : byItself;
    this.#request.onEnd({ ...end, error, at: new Date(clock.now()), quote: this.#quote }, how);
  }

  #howItEnded(): Omit<JobEnd, "at"> {
    if (this.#killReason) {
      const job = this.#deps.jobs.getProcess(this.id) ?? this.#request.job;
      return describeKill(job, this.#killReason);
    }
    const exit = this.#shell?.exit;
    // Of what is no child of ours it is not known, and nothing speaks for a failure.
    if (this.#adopted || exit?.code === 0) return { status: "completed", reason: "finished" };
    const how = exit?.signal ? `signal ${exit.signal}` : `exit code ${exit?.code ?? "unknown"}`;
    return { status: "failed", reason: "error", error: how };
  }

  #target({ pid, identity }: ShellProcess): KillTarget {
    return {
      pid,
      identity,
      held: true,
      jobID: this.id,
      forksBefore: this.#forksBefore,
      sigterm: this.#sigterm,
      controlGroup: this.#controlGroup,
    };
  }

  #killTree(): Promise<KillOutcome> {
    const { killTree, options } = this.#deps;
    if (!this.#shell) throw new Error("nothing was started");
    return killTree(this.#target(this.#shell), options.killGraceMilliseconds);
  }

  #failed(what: string) {
    return logFailure(this.#deps.log, "warn", `process ${this.id}: ${what} failed`);
  }
}

/** Only for those that have an input. */
const loadInputWait = () => import("../system/input-wait.js");

/** On a busy machine a look may meet strangers in the middle of their start or end; it is taken again. */
const LOOKS = 3;

async function isClean(members: JobMembers): Promise<boolean> {
  for (let look = 0; look < LOOKS; look++) {
    if (await members.strike(() => undefined)) return true;
    if (members.problem !== undefined) return false;
  }
  return false;
}

const LONGEST_READY_LINE = 500;

/** How a job ended that we have ended. */
export function describeKill(
  { timeoutSeconds }: Pick<ProcessJob, "timeoutSeconds">,
  reason: KillReason,
): Omit<JobEnd, "at"> {
  if (reason !== "timeout") return { status: "cancelled", reason };
  const error = `ended after ${timeoutSeconds} s (timeoutSeconds)`;
  return { status: "failed", reason: "timeout", error };
}
