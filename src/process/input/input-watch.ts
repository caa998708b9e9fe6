/**
 * Whether a process with an open input waits for what is typed: a line that was begun and not ended has been quiet for
 * two seconds, and one of its processes reads the input that we hold (`system/input-wait.ts`). Then its record is
 * blocked on `input`, with that line; the next output, a write and the end take that back, and so does a look that finds
 * no reader any more. Where no reader can be told the record has only the open line, and since when.
 *
 * A look costs a look at the machine's processes: while an open line stands still they become rarer, up to one in 30 s.
 */
import type { ProcessJob } from "../../jobs/job.js";
import { plainLine } from "../../output/plain-text.js";
import { coerceError, type Clock, type Log, type Timer } from "../../ports.js";
import type { ProcessRecords } from "../records.js";

export interface InputWatchDeps {
  clock: Clock;
  log: Log;
  jobs: Pick<ProcessRecords, "getProcess" | "updateProcess">;
  /** Whether a process of the job reads its input now. */
  isRead: () => Promise<boolean>;
  /** Called once, for the first line of a run that was not in an answer. */
  onBlocked: (line: string) => void;
}

const QUIET_MILLISECONDS = 2_000;
const LONGEST_PAUSE = 30_000;
/** What is kept of an open line; its end is what asks. */
const MOST_CHARACTERS = 1_000;
/** They hold so many characters of any kind. */
const MOST_BYTES = 4 * MOST_CHARACTERS;

export class InputWatch {
  readonly #id: string;
  readonly #deps: InputWatchDeps;
  #line = "";
  #timer: Timer | undefined;
  #pause = QUIET_MILLISECONDS;
  #isTold = false;
  /** Counts what has changed, so that a look that was overtaken says nothing. */
  #turn = 0;

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
    this.#isTold = true;
    this.#begin();
  }

  stop(): void {
    this.#turn += 1;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #begin(): void {
    this.stop();
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
    const { clock, isRead, onBlocked, log } = this.#deps;
    let isWaiting = false;
    try {
      isWaiting = await isRead();
    } catch (thrown) {
      const error = coerceError(thrown).message;
      log("debug", `process ${this.#id}: looking for who reads its input failed`, { error });
    }
    if (turn !== this.#turn) return;
    const job = this.#deps.jobs.getProcess(this.#id);
    if (!job) return;
    const text = plainLine(this.#line).trim();
    const since = job.openLine?.since ?? new Date(clock.now() - QUIET_MILLISECONDS);
    const blockedOn = { kind: "input" as const, what: text, since, sessionID: job.parentSessionID };
    this.#show({ openLine: { text, since }, blockedOn: isWaiting ? blockedOn : undefined });
    if (isWaiting && !this.#isTold && job.readyLine?.trim() !== text) {
      this.#isTold = true;
      onBlocked(text);
    }
    this.#wait();
  }

  #show(changes: Pick<ProcessJob, "blockedOn" | "openLine">): void {
    this.#deps.jobs.updateProcess(this.#id, changes);
  }
}
