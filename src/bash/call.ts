/**
 * One call of `bash`, from its start to its answer. Its command ends, or its time is over, or its user writes, or stops
 * it (ESC): the first of these decides. The host has stored nothing of a call that answers late after ESC, so then
 * the answer comes at once and the processes are ended behind it; and it aborts a call's signal also when the step of
 * a call that has answered long before ends, so a call that has answered listens to it no more.
 */
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { isTerminal } from "../jobs/status.js";
import { logFailure, type Timer } from "../ports.js";
import type { Foreground, ForegroundEnd } from "../process/manager.js";
import { afterLong } from "../time.js";
import type { Workspace } from "../workspace.js";
import { startsInBackground } from "./hint.js";
import { isSleep, type Limits } from "./limits.js";
import { LiveOutput } from "./live.js";
import { CallOutput, type AnswerLimits } from "./output.js";
import {
  ABORTED,
  block,
  endedBySignal,
  exitCode,
  left,
  moved,
  sleepHint,
  stillRuns,
  timedOut,
} from "./wording.js";

export interface CallRequest {
  command: string;
  /** Absolute. */
  cwd: string;
  sessionID: string;
  rootSessionID: string;
  messageID: string;
  /** Undefined where the host does not name it: then nothing is shown meanwhile. */
  callID: string | undefined;
  limits: Limits;
  answerLimits: AnswerLimits;
  /** ESC. */
  abort: AbortSignal;
  /** The user has written in this session. */
  userWrites: AbortSignal;
}

/** As the host takes it. */
export interface CallAnswer {
  title: string;
  output: string;
  metadata: {
    output: string;
    exit: number | null;
    truncated: boolean;
    outputPath?: string;
    /** The process as which it, or what it has left, goes on. */
    processId?: string;
  };
}

/** A host that hangs is not waited for when its user wants an end. */
const ABORT_PATIENCE_MILLISECONDS = 300;

type Event = "over" | "aborted" | "time" | "user";

export class BashCall {
  readonly #workspace: Workspace;
  readonly #request: CallRequest;
  readonly #output: CallOutput;
  readonly #live: LiveOutput;
  readonly #startedAt: number;

  constructor(workspace: Workspace, request: CallRequest) {
    const { host, clock, log, ids } = workspace;
    const { sessionID, messageID, callID, answerLimits } = request;
    this.#workspace = workspace;
    this.#request = request;
    this.#output = new CallOutput(answerLimits, join(outputFolder(), ids.next("tool")), log);
    this.#live = new LiveOutput({
      clock,
      log,
      find: async () =>
        callID === undefined ? undefined : host.runningCall(sessionID, messageID, callID),
      output: () => this.#output.shown,
    });
    this.#startedAt = clock.monotonic();
  }

  /** Throws a `UserError` for what cannot be started. */
  async run(): Promise<CallAnswer> {
    const { abort, userWrites } = this.#request;
    if (abort.aborted) return this.#answer({ notes: [ABORTED] });
    let command: Foreground;
    try {
      command = await this.#start();
    } catch (thrown) {
      this.#output.close();
      throw thrown;
    }
    const waits = new AbortController();
    const aborted = untilAborted(abort, waits.signal).then((): Event => "aborted");
    try {
      const over = command.over.then((): Event => "over");
      const user = untilAborted(userWrites, waits.signal).then((): Event => "user");
      const ends: Promise<Event>[] = [over, aborted, this.#untilTime(waits.signal)];
      if (this.#request.limits.movesForUser) ends.push(user);
      return await this.#settle(command, await Promise.race(ends), aborted);
    } finally {
      waits.abort();
    }
  }

  #start(): Promise<Foreground> {
    const { command, cwd, sessionID, rootSessionID, messageID } = this.#request;
    return this.#workspace.processes.startForeground({
      command,
      cwd,
      parentSessionID: sessionID,
      rootSessionID,
      parentMessageID: messageID,
      tellsLeft: startsInBackground(command),
      onOutput: (data) => {
        this.#output.take(data);
        this.#live.changed();
      },
    });
  }

  async #settle(command: Foreground, event: Event, aborted: Promise<Event>): Promise<CallAnswer> {
    const { limits } = this.#request;
    if (event === "aborted") return this.#stopped(command);
    if (event === "over") return this.#over(command, await command.over, aborted);
    if (event === "time" && limits.afterwards === "end") return this.#timedOut(command, aborted);
    if (!command.move(limits.endSeconds)) {
      // It has ended in this very moment.
      return this.#settle(command, await Promise.race([overOf(command), aborted]), aborted);
    }
    // What was announced is on disk.
    const saved = this.#workspace.persist().then((): Event => "time");
    if ((await Promise.race([saved, aborted])) === "aborted") return this.#stopped(command);
    if (isTerminal(command.job.status)) {
      return this.#settle(command, await Promise.race([overOf(command), aborted]), aborted);
    }
    await this.#live.stop();
    command.answered(false);
    const { id } = command;
    const continued = this.#continued(id);
    const notes = moved(continued, this.#ran(), limits.endSeconds);
    return this.#answer({ head: stillRuns(id), notes, processId: id, none: "(no output yet)" });
  }

  async #over(
    command: Foreground,
    end: ForegroundEnd,
    aborted: Promise<Event>,
  ): Promise<CallAnswer> {
    const { exit } = end;
    if (end.type === "ended") {
      await this.#live.stop();
      command.answered(true);
      const { endReason } = command.job;
      const isOurs = endReason === "host_exit" || endReason === "session_deleted";
      const notes = isOurs ? [ABORTED] : exit.signal === null ? [] : [endedBySignal(exit.signal)];
      return this.#answer({ notes, exit: isOurs ? null : exitCode(exit) });
    }
    const saved = this.#workspace.persist().then((): Event => "over");
    if ((await Promise.race([saved, aborted])) === "aborted") return this.#stopped(command);
    await this.#live.stop();
    const { id, job } = command;
    const hasEnded = isTerminal(job.status);
    command.answered(hasEnded);
    if (hasEnded) return this.#answer({ notes: [], exit: exitCode(exit) });
    const notes = [left(this.#continued(id), end.leftovers, job.notify)];
    return this.#answer({ notes, exit: exitCode(exit), processId: id });
  }

  /** As the host's own bash: ended, with all its descendants, before it is answered. */
  async #timedOut(command: Foreground, aborted: Promise<Event>): Promise<CallAnswer> {
    const { limits, command: text } = this.#request;
    const killed = this.#kill(command, "timeout").then((): Event => "time");
    if ((await Promise.race([killed, aborted])) === "aborted") return this.#stopped(command);
    await this.#live.stop();
    command.answered(true);
    const notes = [timedOut(limits.milliseconds), ...(isSleep(text) ? [sleepHint(text)] : [])];
    return this.#answer({ notes });
  }

  /** By its user. It is ended behind the answer. */
  async #stopped(command: Foreground): Promise<CallAnswer> {
    void this.#kill(command, "cancelled_by_user");
    await this.#live.stop(ABORT_PATIENCE_MILLISECONDS);
    command.answered(true);
    return this.#answer({ notes: [ABORTED] });
  }

  async #kill(command: Foreground, reason: "timeout" | "cancelled_by_user"): Promise<void> {
    const { log } = this.#workspace;
    const failed = logFailure(log, "error", "a command could not be ended", { id: command.id });
    await command.kill(reason).catch(failed);
  }

  #answer({ notes, head = "", none = "(no output)", exit = null, processId }: Said): CallAnswer {
    const { command } = this.#request;
    const rest = block(notes);
    const { text, isCut, file } = this.#output.end(head + rest);
    const output = head + (text === "" ? none : text) + rest;
    const shown = this.#output.shown === "" ? none + rest : this.#output.shown;
    const goesOn = processId === undefined ? "" : `\n\n(goes on in the background: ${processId})`;
    return {
      title: command,
      output,
      metadata: {
        output: shown + (head === "" ? "" : goesOn),
        exit,
        truncated: isCut,
        ...(file !== undefined && { outputPath: file }),
        ...(processId !== undefined && { processId }),
      },
    };
  }

  #continued(id: string) {
    const { sessionID, rootSessionID } = this.#request;
    return { id, isChild: sessionID !== rootSessionID, oneShot: this.#workspace.oneShot };
  }

  #ran(): number {
    return this.#workspace.clock.monotonic() - this.#startedAt;
  }

  #untilTime(over: AbortSignal): Promise<Event> {
    const { limits } = this.#request;
    return new Promise((resolve) => {
      const timer: Timer = afterLong(this.#workspace.clock, limits.milliseconds, () =>
        resolve("time"),
      );
      over.addEventListener("abort", () => timer.cancel());
    });
  }
}

interface Said {
  notes: readonly string[];
  head?: string;
  /** In place of an output that is empty. */
  none?: string;
  exit?: number | null;
  processId?: string;
}

function overOf(command: Foreground): Promise<Event> {
  return command.over.then((): Event => "over");
}

/** Listens until `over` is aborted. */
function untilAborted(signal: AbortSignal, over: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else {
      const abort = (): void => resolve();
      signal.addEventListener("abort", abort, { once: true });
      over.addEventListener("abort", () => signal.removeEventListener("abort", abort));
    }
  });
}

/** Where the host keeps long outputs of its own tools: what is there may be read without a question. */
export function outputFolder(env: NodeJS.ProcessEnv = process.env, home = homedir()): string {
  const data = env["XDG_DATA_HOME"];
  const base = data && isAbsolute(data) ? data : join(home, ".local", "share");
  return join(base, "opencode", "tool-output");
}
