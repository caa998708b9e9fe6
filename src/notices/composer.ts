/**
 * Puts the entries for one parent into words: one block per job, with the end of what it said or printed, read
 * at that moment.
 */
import { coerceError, type Clock, type Log } from "../ports.js";
import type { Job } from "../jobs/job.js";
import type { JobRegistry } from "../jobs/registry.js";
import { isTerminal } from "../jobs/status.js";
import type { Notice } from "./notice.js";
import { composeNotice, type Excerpt, type NoticeBlock } from "./wording.js";

/** An excerpt that is not there by then is left out rather than waited for. */
const EXCERPT_TIMEOUT_MS = 5_000;

export interface ComposerDeps {
  jobs: JobRegistry;
  clock: Clock;
  log: Log;
  /** The end of a job's result or output, and its whole length. */
  excerpt: (job: Job) => Promise<Excerpt>;
}

export class Composer {
  readonly #deps: ComposerDeps;

  constructor(deps: ComposerDeps) {
    this.#deps = deps;
  }

  async compose(notices: readonly Notice[]): Promise<string> {
    const { jobs } = this.#deps;
    const ids = [...new Set(notices.map(({ jobID }) => jobID))];
    const blocks = ids.flatMap((id) => {
      const job = jobs.get(id);
      return job
        ? this.#block(
            job,
            notices.filter(({ jobID }) => jobID === id),
          )
        : [];
    });
    return composeNotice(await Promise.all(blocks), this.#deps.clock.now());
  }

  async #block(job: Job, notices: readonly Notice[]): Promise<NoticeBlock> {
    const leftRunning =
      job.kind === "subagent" && job.sessionID
        ? this.#deps.jobs
            .byParent(job.sessionID)
            .filter((other) => other.kind === "process" && !isTerminal(other.status))
        : [];
    const ended = notices.some(({ kind }) => kind === "ended");
    return { job, notices, leftRunning, excerpt: ended ? await this.#excerpt(job) : undefined };
  }

  async #excerpt(job: Job): Promise<Excerpt | undefined> {
    const { excerpt, clock, log } = this.#deps;
    let stopWaiting = (): void => undefined;
    const late = new Promise<undefined>((resolve) => {
      const timer = clock.after(EXCERPT_TIMEOUT_MS, () => resolve(undefined));
      stopWaiting = () => timer.cancel();
    });
    try {
      return await Promise.race([excerpt(job), late]);
    } catch (thrown) {
      log("warn", "a notice goes out without its result", {
        id: job.id,
        error: coerceError(thrown).message,
      });
      return undefined;
    } finally {
      stopWaiting();
    }
  }
}
