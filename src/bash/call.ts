/**
 * One call of `bash`, from its start to its answer. Its command ends, or its time is over, or its user writes, or stops
 * it (ESC): the first of these decides. The host has stored nothing of a call that answers late after ESC, so then
 * the answer comes at once and the processes are ended behind it; and it aborts a call's signal also when the step of
 * a call that has answered long before ends, so a call that has answered listens to it no more.
 */
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { isTerminal } from "../jobs/status.js";
import { logFailure } from "../ports.js";
import type { Foreground, ForegroundEnd } from "../process/manager.js";
import { afterLong } from "../time.js";
import type { Workspace } from "../workspace.js";
import { isSleep, startsInBackground, type Limits } from "./limits.js";
import { type AnswerLimits, CallOutput, LiveOutput } from "./output.js";
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

interface CallRequest {
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
  /** Aborted when the call has answered: nothing is waited for any more. */
  readonly #waits = new AbortController();
  readonly #aborted: Promise<Event>;

  constructor(workspace: Workspace, request: CallRequest) {
    const { host, clock, log, ids } = workspace;
    const { sessionID, messageID, callID, answerLimits, abort } = request;
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
    this.#aborted = as("aborted", untilAborted(abort, this.#waits.signal));
  }

  /** Throws a `UserError` for what cannot be started. */
  async run(): Promise<CallAnswer> {
    const { abort, userWrites, limits } = this.#request;
    try {
      if (abort.aborted) return this.#answer({ notes: [ABORTED] });
      const command = await this.#start();
      const ends = [overOf(command), this.#aborted, this.#untilTime()];
      if (limits.movesForUser) ends.push(as("user", untilAborted(userWrites, this.#waits.signal)));
      return await this.#settle(command, await Promise.race(ends));
    } finally {
      this.#waits.abort();
      this.#output.close();
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

  async #settle(command: Foreground, event: Event): Promise<CallAnswer> {
    const { limits } = this.#request;
    if (event === "aborted") return this.#stopped(command);
    if (event === "over") return this.#over(command, await command.over);
    if (event === "time" && limits.afterwards === "end") return this.#timedOut(command);
    // Where it cannot be moved, it has ended in this very moment.
    if (command.move(limits.endSeconds)) {
      if (await this.#isAbortedBefore(this.#workspace.persist())) return this.#stopped(command);
      if (!isTerminal(command.job.status)) return this.#moved(command);
    }
    return this.#settle(command, await Promise.race([overOf(command), this.#aborted]));
  }

  /** What was announced is on disk. */
  async #moved(command: Foreground): Promise<CallAnswer> {
    const { clock } = this.#workspace;
    await this.#live.stop();
    command.answered(false);
    const { id } = command;
    const ran = clock.monotonic() - this.#startedAt;
    const notes = moved(this.#continued(id), ran, this.#request.limits.endSeconds);
    return this.#answer({ head: stillRuns(id), notes, processId: id, none: "(no output yet)" });
  }

  async #over(command: Foreground, end: ForegroundEnd): Promise<CallAnswer> {
    const { exit } = end;
    if (end.type === "ended") {
      await this.#live.stop();
      command.answered(true);
      const { endReason } = command.job;
      const isOurs = endReason === "host_exit" || endReason === "session_deleted";
      const notes = isOurs ? [ABORTED] : exit.signal === null ? [] : [endedBySignal(exit.signal)];
      return this.#answer({ notes, exit: isOurs ? null : exitCode(exit) });
    }
    if (await this.#isAbortedBefore(this.#workspace.persist())) return this.#stopped(command);
    await this.#live.stop();
    const { id, job } = command;
    const hasEnded = isTerminal(job.status);
    command.answered(hasEnded);
    if (hasEnded) return this.#answer({ notes: [], exit: exitCode(exit) });
    const notes = [left(this.#continued(id), end.leftovers, job.notify)];
    return this.#answer({ notes, exit: exitCode(exit), processId: id });
  }

  /** As the host's own bash: ended, with all its descendants, before it is answered. */
  async #timedOut(command: Foreground): Promise<CallAnswer> {
    const { limits, command: text } = this.#request;
    if (await this.#isAbortedBefore(this.#kill(command, "timeout"))) return this.#stopped(command);
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
    await command.life.kill(reason).catch(failed);
  }

  /** Before this has settled. */
  async #isAbortedBefore(done: Promise<void>): Promise<boolean> {
    return (await Promise.race([as("over", done), this.#aborted])) === "aborted";
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

  #untilTime(): Promise<Event> {
    const { clock } = this.#workspace;
    return new Promise((resolve) => {
      const timer = afterLong(clock, this.#request.limits.milliseconds, () => resolve("time"));
      this.#waits.signal.addEventListener("abort", () => timer.cancel());
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

/** This event, once that has happened. */
async function as(event: Event, happened: Promise<unknown>): Promise<Event> {
  await happened;
  return event;
}

function overOf({ over }: Foreground): Promise<Event> {
  return as("over", over);
}

/** Listens until `over` is aborted. */
function untilAborted(signal: AbortSignal, over: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true, signal: over });
  });
}

/** Where the host keeps long outputs of its own tools: what is there may be read without a question. */
function outputFolder(): string {
  const data = process.env["XDG_DATA_HOME"];
  const base = data && isAbsolute(data) ? data : join(homedir(), ".local", "share");
  return join(base, "opencode", "tool-output");
}
