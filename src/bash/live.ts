/**
 * The output of a running call on its user's screen: at most four times a second, one write after the other, and none
 * once it was stopped. A short command is never shown before its answer. What the host refuses costs the picture,
 * not the call.
 */
import type { RunningCall } from "../host/host.js";
import { logFailure, type Clock, type Log, type Timer } from "../ports.js";
import { within } from "../time.js";

const PAUSE_MILLISECONDS = 250;
/** A host that does not take a write within this time is not waited for: the answer is worth more. */
const PATIENCE_MILLISECONDS = 1_000;

interface LiveDeps {
  clock: Clock;
  log: Log;
  /** Asked at the first output; undefined where nothing can be shown. */
  find: () => Promise<RunningCall | undefined>;
  /** As it is now. */
  output: () => string;
}

export class LiveOutput {
  readonly #deps: LiveDeps;
  #call: Promise<RunningCall | undefined> | undefined;
  #timer: Timer | undefined;
  #writing: Promise<void> | undefined;
  #isStopped = false;
  #isStale = false;

  constructor(deps: LiveDeps) {
    this.#deps = deps;
  }

  /** Something was printed. */
  changed(): void {
    this.#isStale = true;
    if (this.#isStopped || this.#timer || this.#writing) return;
    this.#timer = this.#deps.clock.after(PAUSE_MILLISECONDS, () => this.#write());
  }

  /** Resolves when no write is under way any more, or the host does not end the last one in time. */
  async stop(patience = PATIENCE_MILLISECONDS): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    if (this.#writing) await within(this.#deps.clock, patience, this.#writing);
  }

  #write(): void {
    const { log, find, output } = this.#deps;
    this.#timer = undefined;
    this.#isStale = false;
    this.#writing = (async () => {
      const call = await (this.#call ??= find());
      if (!this.#isStopped) await call?.show(output());
    })()
      .catch(logFailure(log, "debug", "the output of a running call could not be shown"))
      .then(() => {
        this.#writing = undefined;
        if (this.#isStale) this.changed();
      });
  }
}
