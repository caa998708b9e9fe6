/**
 * The output of one process on its way in: into the log, past the watch, and (at most once a second, not once a
 * piece) as numbers into the record. Those who follow the output are called for every piece.
 */
import type { ProcessJob } from "../jobs/job.js";
import type { ProcessRecords } from "../jobs/registry.js";
import type { Clock } from "../ports.js";
import type { StreamNumber } from "../output/format.js";
import { OutputLog, type OutputFs } from "../output/log.js";
import type { PatternGuard } from "../output/pattern.js";
import { OutputWatch } from "../output/watch.js";
import { throttle, type Throttled } from "../time.js";

/**
 * Tells the session of a process: a line of its output that it asked for, that it is ready now although the
 * start has returned before, or that it waits for input, with its open line; `again`: for the user alone, it asks for a
 * password once more. Never throws.
 */
export type Announce = (kind: "output" | "ready" | "blocked" | "again", text: string) => void;

/** What a capture is given by its manager. */
export interface CaptureDeps {
  jobs: Pick<ProcessRecords, "updateProcess">;
  clock: Clock;
  guard: PatternGuard;
  outputFs?: OutputFs;
}

export interface CaptureRequest {
  job: ProcessJob;
  /** Where the output goes, and how many bytes of it are kept. */
  file: string;
  outputLimit: number;
  announce: Announce;
  /** A line matched the readyPattern. */
  onReadyLine: (line: string) => void;
}

const PUBLISH_MILLISECONDS = 1000;

export class Capture {
  readonly log: OutputLog;
  readonly #watch: OutputWatch;
  readonly #publish: Throttled;
  readonly #listeners = new Set<() => void>();
  #isClosed = false;

  constructor(
    { job, file, outputLimit, announce, onReadyLine }: CaptureRequest,
    { jobs, clock, guard, outputFs }: CaptureDeps,
  ) {
    this.log = new OutputLog(file, outputLimit, clock, outputFs);
    const onNotify = (text: string) => announce("output", text);
    this.#watch = new OutputWatch({
      notifyPattern: job.notifyPattern,
      readyPattern: job.readyPattern,
      guard,
      clock,
      onNotify,
      onReady: onReadyLine,
      onProblem: onNotify,
    });
    this.#publish = throttle(clock, PUBLISH_MILLISECONDS, () => {
      jobs.updateProcess(job.id, { output: this.counters });
    });
  }

  /** What the record says of the output. */
  get counters(): ProcessJob["output"] {
    const { bytes, dropped, missing } = this.log;
    return { bytes, dropped, missingSince: missing?.since, missingError: missing?.error };
  }

  /** Everything that will ever be is in the file. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  take(stream: StreamNumber, data: Buffer): void {
    this.log.append(stream, data);
    this.#watch.push(stream, data);
    this.#publish.call();
    this.wake();
  }

  /** No output follows: resolves when the last line has been watched. */
  settle(): Promise<void> {
    return this.#watch.end();
  }

  close(): void {
    this.#publish.cancel();
    this.#watch.close();
    this.log.close();
    this.#isClosed = true;
  }

  /** Called after each piece and by `wake`; returns the function that stops it. */
  onOutput(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Calls those who follow because of something besides output: the end. */
  wake(): void {
    for (const listener of this.#listeners) listener();
  }
}
