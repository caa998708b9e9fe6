/**
 * A word to the outside: the user's own command (option `onEvent`) gets one JSON line on its stdin for each end,
 * block, stall, crash loop and spent budget, enough for a push message, a sound or a log. Never in the line: command,
 * environment, output and prompt; the words of the end only with `onEventText`.
 *
 * Commands run one at a time, without a shell, in a process group of their own that is killed after 10 s. At most 100
 * events wait; of more the oldest are dropped and counted. Nothing here can fail or delay a job.
 */
import { spawn, type ChildProcess } from "node:child_process";
import type { Context } from "../context.js";
import type { Job } from "../jobs/job.js";
import type { JobChange, Quote } from "../jobs/registry.js";
import { isTerminal } from "../jobs/status.js";
import type { Options } from "../options.js";
import { waysOf } from "../platform.js";
import { coerceError, logFailure } from "../ports.js";

export const EVENT_QUEUE_LIMIT = 100;
export const EVENT_COMMAND_LIMIT_MS = 10_000;

/** What the command reads from its stdin: one line of JSON, then end-of-file. Fields are only ever added. */
interface OutsideEvent {
  /** Of this format. */
  version: 1;
  event: "ended" | "blocked" | "stalled" | "crash_loop" | "budget";
  id: string;
  kind: Job["kind"];
  name: string;
  status: Job["status"];
  endReason?: string | undefined;
  /** Of a process that exited by itself. */
  exitCode?: number | undefined;
  /** Since the start of the latest run. */
  seconds: number;
  /** Absolute path of the project. */
  folder: string;
  /** The session that started the job. */
  sessionID: string;
  /** Absent when the host could not tell it. */
  sessionTitle?: string | undefined;
  /** US dollars, of a subagent. */
  cost?: number | undefined;
  /** With `onEventText`: a subagent's result or a process's last lines, as the notice quotes them. */
  text?: string | undefined;
}

interface EventCommandDeps extends Pick<Context, "jobs" | "clock" | "log"> {
  host: Pick<Context["host"], "session">;
  options: Pick<Options, "onEvent" | "onEventText">;
  directory: string;
}

export class EventCommand {
  readonly #deps: EventCommandDeps;
  readonly #waiting: OutsideEvent[] = [];
  /** Per live job, what was told of it last. */
  readonly #told = new Map<string, { blocked?: string; stalled?: number }>();
  readonly #stopListening: () => void;
  #isRunning = false;
  #isClosed = false;
  #dropped = 0;
  #hasFailed = false;
  #kill: () => void = () => undefined;

  constructor(deps: EventCommandDeps) {
    this.#deps = deps;
    const isWanted = deps.options.onEvent.length > 0;
    this.#stopListening = isWanted
      ? deps.jobs.onChange((change) => this.#heard(change))
      : () => undefined;
  }

  /** Events that were dropped because 100 waited already. */
  get dropped(): number {
    return this.#dropped;
  }

  /** What waits is dropped, and a command that runs is killed: nothing is waited for. */
  close(): void {
    this.#isClosed = true;
    this.#stopListening();
    this.#waiting.length = 0;
    this.#kill();
  }

  #heard({ type, job, quote }: JobChange): void {
    const event = this.#eventOf(type, job);
    if (event === undefined) return;
    this.#waiting.push(this.#describe(event, job, quote));
    if (this.#waiting.length > EVENT_QUEUE_LIMIT) {
      this.#waiting.shift();
      this.#dropped += 1;
      if (this.#dropped === 1) {
        this.#deps.log("warn", "onEvent: the command is too slow, the oldest events are dropped");
      }
    }
    if (!this.#isRunning) void this.#work();
  }

  #eventOf(type: JobChange["type"], job: Job): OutsideEvent["event"] | undefined {
    if (type === "removed" || type === "ended" || isTerminal(job.status)) {
      this.#told.delete(job.id);
      if (type !== "ended") return undefined;
      const reason: string | undefined = job.endReason;
      return reason === "crash_loop" || reason === "budget" ? reason : "ended";
    }
    const before = this.#told.get(job.id) ?? {};
    const { blockedOn } = job;
    const blocked = blockedOn && `${blockedOn.kind} ${blockedOn.requestID ?? ""}`;
    const stalled = job.stalledSince?.getTime();
    if (blocked === undefined && stalled === undefined) this.#told.delete(job.id);
    else this.#told.set(job.id, { blocked, stalled });
    // What an earlier OpenCode left was told by it.
    if (type === "added") return undefined;
    if (blocked !== undefined && blocked !== before.blocked) return "blocked";
    return stalled !== undefined && stalled !== before.stalled ? "stalled" : undefined;
  }

  #describe(event: OutsideEvent["event"], job: Job, quote: Quote | undefined): OutsideEvent {
    const { id, kind, name, status, endReason, parentSessionID } = job;
    const until = job.completedAt?.getTime() ?? this.#deps.clock.now();
    const since = (job.startedAt ?? job.createdAt).getTime();
    return {
      version: 1,
      event,
      id,
      kind,
      name,
      status,
      endReason,
      exitCode: job.kind === "process" ? job.exitCode : undefined,
      seconds: Math.max(0, Math.round((until - since) / 100) / 10),
      folder: this.#deps.directory,
      sessionID: parentSessionID,
      cost: job.kind === "subagent" ? job.cost : undefined,
      text: this.#deps.options.onEventText ? quote?.text : undefined,
    };
  }

  async #work(): Promise<void> {
    const { host, log } = this.#deps;
    const failed = logFailure(log, "debug", "onEvent: the session's title could not be read");
    this.#isRunning = true;
    for (let event = this.#waiting.shift(); event; event = this.#waiting.shift()) {
      try {
        const session = await host.session(event.sessionID).catch(failed);
        // Closing may have happened during the request.
        if (!this.#isClosed) await this.#run({ ...event, sessionTitle: session?.title });
      } catch (thrown) {
        this.#failed(coerceError(thrown).message);
      }
    }
    this.#isRunning = false;
  }

  /** Resolves when the command has exited; rejects when it cannot start, fails or takes too long. */
  #run(event: OutsideEvent): Promise<void> {
    const { clock, directory, log, options } = this.#deps;
    const [file = "", ...args] = options.onEvent;
    const { hasProcessGroups } = waysOf();
    return new Promise((resolve, reject) => {
      const child = spawn(file, args, {
        cwd: directory,
        detached: hasProcessGroups,
        stdio: ["pipe", "ignore", "ignore"],
        windowsHide: true,
      });
      const settle = (problem: string | undefined): void => {
        timer.cancel();
        this.#kill = () => undefined;
        if (problem === undefined) resolve();
        else reject(new Error(problem));
      };
      const late = `took longer than ${EVENT_COMMAND_LIMIT_MS / 1000} s`;
      let isLate = false;
      this.#kill = () => {
        const problem = killed(child, hasProcessGroups);
        // One of another user (sudo) may not be ended: it is left alone, and what waits goes on.
        if (problem !== undefined) settle(`could not be ended: ${problem}`);
      };
      const timer = clock.after(EVENT_COMMAND_LIMIT_MS, () => {
        isLate = true;
        this.#kill();
      });
      child.once("error", (error) => settle(error.message));
      child.once("exit", (code, signal) => {
        if (isLate) settle(late);
        else settle(code === 0 ? undefined : `exit ${code ?? signal}`);
      });
      // A command that does not read its stdin is as good as one that does: EPIPE is no failure.
      child.stdin.on("error", logFailure(log, "debug", "onEvent: the event was not read"));
      child.stdin.end(`${JSON.stringify(event)}\n`);
    });
  }

  /** Logged once: a wrong path must not fill the log. */
  #failed(error: string): void {
    if (this.#hasFailed || this.#isClosed) return;
    this.#hasFailed = true;
    const message = "onEvent: the command failed; further failures are not logged";
    this.#deps.log("warn", message, { command: this.#deps.options.onEvent[0], error });
  }
}

/** Why it could not be ended with its group; undefined when it was, or had ended before. */
function killed({ pid }: ChildProcess, hasProcessGroups: boolean): string | undefined {
  if (pid === undefined) return undefined;
  try {
    process.kill(hasProcessGroups ? -pid : pid, "SIGKILL");
  } catch (thrown) {
    if (!(thrown instanceof Error && "code" in thrown && thrown.code === "ESRCH")) {
      return coerceError(thrown).message;
    }
  }
  return undefined;
}
