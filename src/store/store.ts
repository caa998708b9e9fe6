/**
 * The jobs of one instance on disk: binds the registry and the notices to one folder that only this instance
 * writes. Constructing it touches nothing; the folder is made with the first write, the first output file or the
 * first claim. The state on disk is behind the memory by 2 s at most; `flush` closes the gap.
 *
 * Coming back after a crash is three steps for the caller: `claim()` gives the records of dead owners; the
 * managers decide what became of each and add them to the registry and the outbox; then, in the same tick as the
 * adding, `commitClaim()`. Until that has been written, a crash gives the records to the next start.
 */
import { join } from "node:path";
import type { Job } from "../jobs/job.js";
import type { JobChange, JobRegistry } from "../jobs/registry.js";
import type { Notice } from "../notices/notice.js";
import { coerceError, type Clock, type Log } from "../ports.js";
import { Claims } from "./claims.js";
import { diskFiles, type StoreFiles } from "./files.js";
import { findOnDisk, type StoredJob } from "./find-on-disk.js";
import { Heartbeat } from "./heartbeat.js";
import { InstanceFolder, OUTPUT_FOLDER, outputPath, projectFolder } from "./instance-folder.js";
import { sweepOutput } from "./output-folder.js";
import { Ownership, type Processes } from "./owner.js";
import { expired, type Retention } from "./retention.js";
import { formatState } from "./state-file.js";
import { StateWriter } from "./state-writer.js";

export interface JobStoreOptions {
  /** `defaultRoot()`, or a test's own folder. */
  root: string;
  projectID: string;
  /** Absolute; only the folders of dead owners in this same directory are claimed. */
  directory: string;
  pluginVersion: string;
  clock: Clock;
  log: Log;
  jobs: JobRegistry;
  /** All notices that are still owed. */
  notices: () => readonly Notice[];
  /** Ended jobs that are kept, by number and age. */
  retention: Retention;
  /** Called when writing begins to fail, once for each row of failures; for a toast. */
  onWriteFailure?: (error: Error) => void;
  files?: StoreFiles;
  processes?: Processes;
}

export class JobStore {
  readonly #options: JobStoreOptions;
  readonly #folder: InstanceFolder;
  readonly #writer: StateWriter;
  readonly #claims: Claims;
  readonly #heartbeat: Heartbeat;
  readonly #stopListening: () => void;
  /** Folders in `claimed/` whose records are in the registry: named in each write until they are gone. */
  #adopted: string[] = [];
  #closing: Promise<void> | undefined;

  constructor(options: JobStoreOptions) {
    this.#options = options;
    const { root, projectID, directory, pluginVersion, clock, log, jobs, retention } = options;
    const files = options.files ?? diskFiles;
    const ownership = new Ownership(options.processes);
    const makeOwner = () => {
      const createdAt = new Date(clock.now());
      return { ...ownership.self, directory, createdAt, pluginVersion };
    };
    this.#folder = new InstanceFolder(projectFolder(root, projectID), makeOwner, files);
    const { keepDays } = retention;
    const folder = this.#folder;
    this.#claims = new Claims({ folder, directory, ownership, files, clock, log, keepDays });
    this.#heartbeat = new Heartbeat(() => folder.touch(), clock, log);
    this.#writer = new StateWriter({
      path: folder.statePath,
      prepare: () => this.#prepare(),
      content: () => this.#content(),
      onFailure: (error) => options.onWriteFailure?.(error),
      clock,
      log,
      files,
    });
    this.#stopListening = jobs.onChange((change) => this.#onChange(change));
  }

  /** The folder of this instance; it may not exist yet. */
  get folder(): string {
    return this.#folder.path;
  }

  /** The notices changed. Changes of jobs are heard from the registry. */
  markDirty(): void {
    this.#writer.markDirty();
  }

  /** The folder of all output files; it exists afterwards. Throws the system's error (mkdir, open, write). */
  outputFolder(): string {
    return this.#folder.outputFolder();
  }

  /**
   * The records that dead owners left: each once, whoever else starts at this moment, and none that the
   * registry knows. They are in nobody's registry yet: add what becomes of them, then call `commitClaim`.
   * Never rejects; what cannot be read is set aside and logged.
   */
  async claim(): Promise<{ jobs: Job[]; notices: Notice[] }> {
    this.#claims.take();
    const { jobs, notices } = await this.#claims.read();
    const known = new Set(this.#options.notices().map((notice) => notice.id));
    return {
      jobs: jobs.filter((job) => !this.#options.jobs.get(job.id)),
      notices: notices.filter((notice) => !known.has(notice.id)),
    };
  }

  /**
   * Writes the state with the claimed records and then removes the folders that they came from. Call it in the
   * tick in which the last of them was added. Never rejects: when the write fails, it is retried like any other,
   * and the folders stay for the next start, which knows by our state that they are done.
   */
  async commitClaim(): Promise<void> {
    this.#adopted = this.#claims.finished;
    if (this.#adopted.length === 0) return;
    this.#writer.markDirty();
    try {
      await this.#writer.flush();
    } catch (thrown) {
      const error = coerceError(thrown).message;
      this.#options.log("warn", "claimed folders stay until the next start", { error });
      return;
    }
    this.#claims.discard(this.#adopted);
    this.#adopted = this.#claims.finished;
    this.#sweepOutput();
  }

  /** Everything up to now is on disk; rejects with the system's error (mkdir, open, write, fsync, rename). */
  flush(): Promise<void> {
    return this.#writer.flush();
  }

  /** The same at once, when the host goes. False when it failed. */
  flushSync(): boolean {
    return this.#writer.flushSync();
  }

  /**
   * A job that is not in memory: from the folders of the other owners in this project, dead or alive. Read only;
   * never rejects.
   */
  lookup(id: string): Promise<StoredJob | undefined> {
    return findOnDisk(this.#folder.project, id, this.#folder.id);
  }

  /** An orderly end: saves and gives the folder free for the next start. Never rejects; twice is once. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { log, clock, jobs, notices } = this.#options;
    this.#stopListening();
    try {
      await this.#writer.close();
      const isEmpty = jobs.size === 0 && notices().length === 0 && this.#folder.isBare;
      if (isEmpty) this.#folder.remove();
      else this.#folder.release(new Date(clock.now()));
    } catch (thrown) {
      const error = coerceError(thrown).message;
      log("error", "the last state could not be saved", { error, folder: this.folder });
    } finally {
      this.#heartbeat.stop();
    }
  }

  /** An output file lives as long as its record. */
  #onChange({ type, job }: JobChange): void {
    this.#writer.markDirty();
    if (type !== "removed" || job.kind !== "process") return;
    const files = this.#options.files ?? diskFiles;
    files.remove(outputPath(this.folder, job.id));
  }

  /**
   * Retention goes with the write, so that memory and disk forget the same jobs at the same time; before anything
   * that may fail, so that a disk which refuses does not let them grow without end.
   */
  #prepare(): void {
    const { jobs, notices, retention, clock } = this.#options;
    const owed = new Set(notices().map((notice) => notice.jobID));
    const isOwed = (job: Job): boolean => owed.has(job.id);
    for (const job of expired(jobs.all(), retention, clock.now(), isOwed)) jobs.remove(job.id);
    this.#folder.ensure();
    this.#heartbeat.start();
  }

  #content(): string {
    const { jobs, notices, clock } = this.#options;
    return formatState({
      savedAt: new Date(clock.now()),
      adopted: this.#adopted,
      jobs: jobs.all(),
      notices: [...notices()],
    });
  }

  #sweepOutput(): void {
    const { jobs, clock, retention, log } = this.#options;
    const files = this.#options.files ?? diskFiles;
    const isKnown = (id: string): boolean => jobs.get(id) !== undefined;
    const oldest = clock.now() - retention.keepDays * 24 * 3600_000;
    sweepOutput(join(this.folder, OUTPUT_FOLDER), { isKnown, oldest, files, log });
  }
}
