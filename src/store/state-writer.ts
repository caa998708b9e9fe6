/**
 * Writes one file again and again, so that it always holds a whole state: the old one or the new one. Owns the
 * decision when to write (after 500 ms of quiet, after 2 s at the latest), the temporary file beside the target
 * and the retries. At most one write is under way; changes meanwhile make one more. A failure ends nothing: it
 * is retried ever more slowly, logged and announced once.
 */
import { coerceError, type Clock, type Log, type Timer } from "../ports.js";
import { diskFiles, save, saveSync, type StoreFiles } from "./files.js";

export interface StateWriterOptions {
  /** The file; its folder exists, or `prepare` makes it. */
  path: string;
  /** The whole text, asked for when a write begins. */
  content: () => string;
  /** Called before each write; what it throws counts as a failed write. */
  prepare?: () => void;
  clock: Clock;
  log: Log;
  /** Called with the first error of a row of failures, for a toast. */
  onFailure?: (error: Error) => void;
  files?: StoreFiles;
  platform?: NodeJS.Platform;
}

/** Milliseconds without a change until a write. */
const QUIET = 500;
/** Milliseconds after the first unsaved change at which a write happens, quiet or not. */
const LONGEST = 2000;
/** Milliseconds until a failed write is tried again; the last one goes on for ever. */
const RETRIES = [1000, 2000, 5000, 15_000];
const LAST_RETRY = 60_000;

export class StateWriter {
  readonly #options: StateWriterOptions;
  readonly #files: StoreFiles;
  /** Changes so far, and how many of them the file holds. */
  #changed = 0;
  #saved = 0;
  #lastChangeAt = 0;
  #dirtySince: number | undefined;
  #timer: Timer | undefined;
  #inFlight: Promise<void> | undefined;
  #failures = 0;
  #lastError: Error | undefined;
  #closed = false;

  constructor(options: StateWriterOptions) {
    this.#options = options;
    this.#files = options.files ?? diskFiles;
  }

  /** Why the newest attempt failed; undefined when it succeeded, and before the first. */
  get failure(): Error | undefined {
    return this.#lastError;
  }

  /** Something changed. Cheap: ten thousand calls in a row set one timer. */
  markDirty(): void {
    if (this.#closed) return;
    this.#changed += 1;
    this.#lastChangeAt = this.#options.clock.monotonic();
    this.#dirtySince ??= this.#lastChangeAt;
    if (!this.#inFlight && !this.#timer) this.#arm();
  }

  /** Resolves when all changes so far are on disk; rejects with the error of the one attempt that it makes. */
  async flush(): Promise<void> {
    const wanted = this.#changed;
    // A write under way may have begun before the last change: it counts only if it brings us far enough.
    if (this.#inFlight && this.#saved < wanted) await this.#inFlight;
    if (this.#saved < wanted) await this.#attempt();
    if (this.#saved < wanted) throw this.#lastError ?? new Error("the state was not written");
  }

  /** The same at once, for the host's exit. False when it failed. */
  flushSync(): boolean {
    if (this.#saved >= this.#changed) return true;
    const { path, prepare, content, platform } = this.#options;
    try {
      prepare?.();
      const target = this.#changed;
      saveSync(this.#files, path, content(), platform);
      this.#succeeded(target);
      return true;
    } catch (thrown) {
      this.#failed(coerceError(thrown));
      if (!this.#inFlight && !this.#timer && !this.#closed) this.#arm();
      return false;
    }
  }

  /** The last write; later changes are ignored. Rejects when it failed. */
  async close(): Promise<void> {
    this.#closed = true;
    try {
      await this.flush();
    } finally {
      this.#disarm();
    }
  }

  #arm(): void {
    const { clock } = this.#options;
    this.#disarm();
    this.#timer = clock.after(Math.max(0, this.#due() - clock.monotonic()), () => {
      this.#timer = undefined;
      // Changes since the timer was set only moved the moment: look again then.
      if (this.#failures === 0 && this.#due() > clock.monotonic()) this.#arm();
      else void this.#attempt();
    });
  }

  /** When the next write is due, by the monotonic clock. */
  #due(): number {
    const now = this.#options.clock.monotonic();
    if (this.#failures > 0) return now + (RETRIES[this.#failures - 1] ?? LAST_RETRY);
    const since = this.#dirtySince ?? now;
    return Math.min(this.#lastChangeAt + QUIET, since + LONGEST);
  }

  #disarm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** Never rejects. */
  #attempt(): Promise<void> {
    this.#inFlight ??= this.#write().finally(() => {
      this.#inFlight = undefined;
      if (this.#saved < this.#changed && !this.#closed) this.#arm();
    });
    return this.#inFlight;
  }

  async #write(): Promise<void> {
    this.#disarm();
    const { path, prepare, content, platform, clock } = this.#options;
    try {
      prepare?.();
      const target = this.#changed;
      this.#dirtySince = undefined;
      // A state that `flushSync` saved meanwhile is newer and must not be replaced by this one.
      const isOvertaken = (): boolean => this.#saved >= target;
      const saving = { isOvertaken, clock, platform };
      if (await save(this.#files, path, content(), saving)) this.#succeeded(target);
    } catch (thrown) {
      this.#failed(coerceError(thrown));
    }
  }

  #succeeded(target: number): void {
    this.#saved = Math.max(this.#saved, target);
    if (this.#failures > 0) {
      this.#options.log("info", "the state is written again", { path: this.#options.path });
    }
    this.#failures = 0;
    this.#lastError = undefined;
    if (this.#saved >= this.#changed) {
      this.#dirtySince = undefined;
      this.#disarm();
    }
  }

  #failed(error: Error): void {
    const { path, log, onFailure } = this.#options;
    this.#failures += 1;
    this.#lastError = error;
    if (this.#failures > 1) return;
    log("error", "the state could not be written; trying again", { path, error: error.message });
    try {
      onFailure?.(error);
    } catch (thrown) {
      log("error", "a listener for failed writes failed", { error: coerceError(thrown).stack });
    }
  }
}
