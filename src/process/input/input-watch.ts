/**
 * Whether a process with an open input waits for what is typed: a line that was begun and not ended has been quiet for
 * two seconds, and one of its processes reads the input that we hold (`system/input-wait.ts`). Then its record is
 * blocked on `input`, or on a `password` where the terminal does not show what is typed, with that line; the next
 * output, a write and the end take that back, and so does a look that finds no reader any more. Where no reader can be
 * told the record has only the open line, and since when.
 *
 * What the user types for it is sealed for a key that each question has of its own, and is kept nowhere.
 *
 * A look costs a look at the machine's processes: while an open line stands still they become rarer, up to one in 30 s.
 */
import type { ProcessJob } from "../../jobs/job.js";
import type { ProcessRecords } from "../../jobs/registry.js";
import { plainLine } from "../../output/plain-text.js";
import { coerceError, UserError, type Clock, type Log, type Timer } from "../../ports.js";
import type { Echo } from "../../system/pseudo-terminal.js";
import type { Announce } from "../capture.js";
import type { SealedAnswer } from "./sealed.js";

export interface InputWatchDeps {
  clock: Clock;
  log: Log;
  jobs: Pick<ProcessRecords, "getProcess" | "updateProcess">;
  /** Whether a process of the job reads its input now; undefined when that cannot be told. */
  isRead: () => Promise<boolean | undefined>;
  /** What its terminal does with what is typed; undefined for a pipe, and where that cannot be told. */
  echo: () => Echo | undefined;
  /**
   * `blocked`: once in a run for the first line of it that was not in an answer, and once for the first password. A
   * further password is asked of the user again.
   */
  announce: (kind: Extract<Parameters<Announce>[0], "blocked" | "again">, line: string) => void;
}

const QUIET_MILLISECONDS = 2_000;
const LONGEST_PAUSE = 30_000;
/** What is kept of an open line; its end is what asks. */
const MOST_CHARACTERS = 1_000;
/** They hold so many characters of any kind. */
const MOST_BYTES = 4 * MOST_CHARACTERS;

/**
 * Programs that take single keys, as npm does, have no echo whatever they ask: there the words say it, at the end of
 * the line, for a shell's prompt may have them in its path.
 */
const ASKS_PASSWORD =
  /(?:pass(?:word|phrase|code)|\bpin|\bsecret|\btoken|\botp)\b[^:?]{0,40}(?:[:?]|[[(][^\])]*hidden[^\])]*[\])])\s*$/iu;

export class InputWatch {
  readonly #id: string;
  readonly #deps: InputWatchDeps;
  #line = "";
  #timer: Timer | undefined;
  #pause = QUIET_MILLISECONDS;
  /** The session knows that it asks for input, or for a password. */
  readonly #told = { input: false, password: false };
  /** The user was called for the line that is open. */
  #isCalled = false;
  /** Counts what has changed, so that a look that was overtaken says nothing. */
  #turn = 0;
  /** Of the question that is open. */
  #answer: SealedAnswer | undefined;

  constructor(id: string, deps: InputWatchDeps) {
    this.#id = id;
    this.#deps = deps;
  }

  /** Of a stream that asks: what was printed, in pieces as they came. */
  output(data: Buffer): void {
    const before = data.length < MOST_BYTES ? this.#line : "";
    const text = before + data.subarray(-MOST_BYTES).toString("utf8");
    this.#line = text.slice(text.lastIndexOf("\n") + 1).slice(-MOST_CHARACTERS);
    this.#begin();
  }

  /** Something was typed: the line that was asked is answered, or goes on. The agent knows that it asks. */
  typed(): void {
    this.#told.input = true;
    this.#begin();
  }

  /** The text of an answer that was sealed for the question that is open. Throws a `UserError` when there is none. */
  open(sealed: string): string {
    const { blockedOn } = this.#deps.jobs.getProcess(this.#id) ?? {};
    if (!blockedOn || !this.#answer)
      throw new UserError("it asks nothing any more; nothing was typed");
    if (blockedOn.kind === "password" && !this.#isHidden(blockedOn.what)) {
      throw new UserError("its terminal would show the password now; nothing was typed");
    }
    try {
      return this.#answer.open(sealed, this.#id);
    } catch (thrown) {
      const cause = coerceError(thrown);
      throw new UserError("the answer is for an earlier question; nothing was typed", { cause });
    }
  }

  stop(): void {
    this.#turn += 1;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #begin(): void {
    this.stop();
    this.#answer = undefined;
    this.#isCalled = false;
    const { blockedOn, openLine } = this.#deps.jobs.getProcess(this.#id) ?? {};
    if (blockedOn ?? openLine) this.#show({ blockedOn: undefined, openLine: undefined });
    this.#pause = QUIET_MILLISECONDS;
    if (plainLine(this.#line).trim() !== "") this.#wait();
  }

  #wait(): void {
    const turn = this.#turn;
    this.#timer = this.#deps.clock.after(this.#pause, () => {
      this.#pause = Math.min(LONGEST_PAUSE, this.#pause * 2);
      void this.#look(turn);
    });
  }

  /** Never rejects. */
  async #look(turn: number): Promise<void> {
    const { clock, log } = this.#deps;
    let answer: SealedAnswer | undefined;
    try {
      const isRead = await this.#deps.isRead();
      // Nothing else turns the echo off and waits: sudo is another user's and cannot be looked at.
      const asks = isRead ?? this.#deps.echo() === "off";
      if (asks) answer = this.#answer ?? (await newAnswer());
    } catch (thrown) {
      const error = coerceError(thrown).message;
      log("debug", `process ${this.#id}: looking for who reads its input failed`, { error });
    }
    if (turn !== this.#turn) return;
    const job = this.#deps.jobs.getProcess(this.#id);
    if (!job) return;
    const what = plainLine(this.#line).trim();
    const since = job.openLine?.since ?? new Date(clock.now() - QUIET_MILLISECONDS);
    const openLine = { text: what, since };
    this.#answer = answer;
    if (answer) {
      const kind = this.#isHidden(what) ? "password" : "input";
      const { parentSessionID: sessionID } = job;
      const sealFor = answer.publicKey;
      this.#show({ openLine, blockedOn: { kind, what, since, sessionID, sealFor } });
      this.#tell(kind, what, job.readyLine?.trim() === what);
    } else this.#show({ openLine, blockedOn: undefined });
    this.#wait();
  }

  #isHidden(line: string): boolean {
    const echo = this.#deps.echo();
    return echo === "off" || (echo === "keys" && ASKS_PASSWORD.test(line));
  }

  #tell(kind: "input" | "password", line: string, wasAnswered: boolean): void {
    const { announce } = this.#deps;
    const isTold = this.#told[kind];
    if (kind === "password") {
      if (!this.#isCalled) announce(isTold ? "again" : "blocked", line);
      this.#isCalled = true;
    } else if (isTold || wasAnswered) return;
    else announce("blocked", line);
    this.#told[kind] = true;
  }

  #show(changes: Pick<ProcessJob, "blockedOn" | "openLine">): void {
    this.#deps.jobs.updateProcess(this.#id, changes);
  }
}

/** Loaded with the first question. */
async function newAnswer(): Promise<SealedAnswer> {
  const { SealedAnswer } = await import("./sealed.js");
  return new SealedAnswer();
}
