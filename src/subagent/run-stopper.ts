/**
 * How a run is stopped: its session is aborted and kept, what the child itself started is ended, and the job ends
 * once the host says that it is idle, or after 10 s with a word that the host did not confirm.
 */
import type { Context } from "../context.js";
import { logFailure } from "../ports.js";
import type { LiveRun, StopIntent } from "./live-run.js";

/** How long a stop waits for the host to say that the session is idle. */
const ABORT_TIMEOUT_MS = 10_000;

export interface RunStopperDeps extends Context {
  /** Ends the tasks and session processes that a session started. */
  endWorkOf: (sessionID: string, reason: StopIntent["reason"]) => Promise<void>;
  examine: (jobID: string) => Promise<void>;
  /** No effect on a run that has ended. */
  end: (jobID: string, live: LiveRun, end: StopIntent) => void;
}

export class RunStopper {
  readonly #deps: RunStopperDeps;
  /** Ends the patience of every stop that is under way. */
  readonly #waiting = new Set<() => void>();

  constructor(deps: RunStopperDeps) {
    this.#deps = deps;
  }

  /** The first intent wins. Never rejects. */
  async stop(jobID: string, sessionID: string, live: LiveRun, intent: StopIntent): Promise<void> {
    live.intent ??= intent;
    const end = live.intent;
    await new Promise<void>((resolve) => {
      const giveUp = (): void => {
        timer.cancel();
        this.#waiting.delete(giveUp);
        resolve();
      };
      const timer = this.#deps.clock.after(ABORT_TIMEOUT_MS, giveUp);
      this.#waiting.add(giveUp);
      void Promise.all([this.#abort(jobID, sessionID, live, end), live.ended]).then(giveUp);
    });
    const doubt = "the host did not confirm the abort; the session may still run";
    const error = end.error ? `${end.error}; ${doubt}` : doubt;
    this.#deps.end(jobID, live, { ...end, error });
  }

  dispose(): void {
    for (const giveUp of this.#waiting) giveUp();
  }

  /** Never rejects. */
  async #abort(jobID: string, sessionID: string, live: LiveRun, intent: StopIntent): Promise<void> {
    const { host, log, endWorkOf, examine, end } = this.#deps;
    const failed = (message: string) => logFailure(log, "warn", message, { id: jobID });
    // The child first, so that it starts nothing more.
    await host.abort(sessionID).catch(failed("a subagent could not be aborted"));
    await endWorkOf(sessionID, intent.reason).catch(
      failed("what a subagent started could not be ended"),
    );
    // A deleted session has no messages that could tell more.
    if (intent.reason === "session_deleted") end(jobID, live, intent);
    else await examine(jobID);
  }
}
