/**
 * The output of one process on its way in: into the log, past the watch, and (at most once a second, not once a
 * piece) as numbers into the record. Those who follow the output are called for every piece.
 */
import type { ProcessJob } from "../jobs/job.js";
import type { ProcessRecords } from "../jobs/registry.js";
import type { Options } from "../options.js";
import type { Clock, Timer } from "../ports.js";
import type { StreamNumber } from "../output/format.js";
import { OutputLog, type OutputFs } from "../output/log.js";
import type { PatternGuard } from "../output/pattern.js";
import { OutputWatch } from "../output/watch.js";

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
  options: Pick<Options, "outputLimit">;
  guard: PatternGuard;
  outputFs?: OutputFs;
}

export interface CaptureRequest {
  job: ProcessJob;
  /** Where the output goes. */
  file: string;
  announce: Announce;
  /** A line matched the readyPattern. */
  onReadyLine: (line: string) => void;
}

const PUBLISH_MILLISECONDS = 1000;

export class Capture {
  readonly log: OutputLog;
  readonly #id: string;
  readonly #deps: CaptureDeps;
  readonly #watch: OutputWatch;
  readonly #listeners = new Set<() => void>();
  #timer: Timer | undefined;
  #isClosed = false;

  constructor({ job, file, announce, onReadyLine }: CaptureRequest, deps: CaptureDeps) {
    this.#id = job.id;
    this.#deps = deps;
    this.log = new OutputLog(file, deps.options.outputLimit, deps.clock, deps.outputFs);
    const onNotify = (text: string) => announce("output", text);
    this.#watch = new OutputWatch({
      notifyPattern: job.notifyPattern,
      readyPattern: job.readyPattern,
      guard: deps.guard,
      clock: deps.clock,
      onNotify,
      onReady: onReadyLine,
      onProblem: onNotify,
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
    if (!this.#timer) this.#publish();
    for (const listener of this.#listeners) listener();
  }

  /** No output follows: resolves when the last line has been watched. */
  settle(): Promise<void> {
    return this.#watch.end();
  }

  close(): void {
    this.#timer?.cancel();
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

  #publish(): void {
    const published = this.log.bytes;
    this.#deps.jobs.updateProcess(this.#id, { output: this.counters });
    this.#timer = this.#deps.clock.after(PUBLISH_MILLISECONDS, () => {
      this.#timer = undefined;
      if (this.log.bytes !== published) this.#publish();
    });
  }
}
