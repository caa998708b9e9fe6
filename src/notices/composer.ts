/**
 * Puts the entries for one parent into words: one block per job, with the end of what it said or printed, read
 * at that moment. A text that cannot be read is tried again where nobody waits; then the notice says so.
 */
import { coerceError, type Clock, type Log, type Timer } from "../ports.js";
import type { Job } from "../jobs/job.js";
import type { JobRegistry } from "../jobs/registry.js";
import { isTerminal } from "../jobs/status.js";
import type { Notice } from "./notice.js";
import {
  chooseBlocks,
  composeNotice,
  type Excerpt,
  type News,
  type NoticeBlock,
} from "./wording.js";

/** An excerpt that is not there by then is left out rather than waited for. */
const EXCERPT_TIMEOUT_MS = 5_000;
const RETRY_MS = 1_000;

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

  /** `tries`: how often a result is asked for that cannot be read. */
  async compose(notices: readonly Notice[], tries: number): Promise<string> {
    const { full, brief } = chooseBlocks(this.#news(notices));
    const blocks = await Promise.all(full.map((news) => this.#block(news, tries)));
    return composeNotice(blocks, brief, this.#deps.clock.now());
  }

  #news(notices: readonly Notice[]): News[] {
    const byJob = new Map<string, Notice[]>();
    for (const notice of notices) {
      byJob.set(notice.jobID, [...(byJob.get(notice.jobID) ?? []), notice]);
    }
    return [...byJob].flatMap(([id, ofJob]) => {
      const job = this.#deps.jobs.get(id);
      return job ? { job, notices: ofJob } : [];
    });
  }

  async #block({ job, notices }: News, tries: number): Promise<NoticeBlock> {
    const leftRunning =
      job.kind === "subagent" && job.sessionID
        ? this.#deps.jobs
            .byParent(job.sessionID)
            .filter((other) => other.kind === "process" && !isTerminal(other.status))
        : [];
    const ended = notices.some(({ kind }) => kind === "ended");
    const excerpt = ended ? await this.#excerpt(job, tries) : undefined;
    return { job, notices, leftRunning, excerpt };
  }

  async #excerpt(job: Job, tries: number): Promise<Excerpt | undefined> {
    let timer: Timer | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = this.#deps.clock.after(EXCERPT_TIMEOUT_MS, () => resolve(undefined));
    });
    try {
      return await Promise.race([this.#read(job, tries), late]);
    } finally {
      timer?.cancel();
    }
  }

  async #read(job: Job, tries: number): Promise<Excerpt | undefined> {
    const { excerpt, clock, log } = this.#deps;
    for (let left = tries - 1; ; left--) {
      try {
        return await excerpt(job);
      } catch (thrown) {
        const error = coerceError(thrown).message;
        const more = left > 0 ? "will be tried again" : "a notice goes out without it";
        log("warn", `a result could not be read: ${more}`, { id: job.id, error });
      }
      if (left <= 0) return undefined;
      await new Promise<void>((resolve) => void clock.after(RETRY_MS, resolve));
    }
  }
}
