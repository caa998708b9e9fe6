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
import { hasWorktree, type Job } from "../jobs/job.js";
import type { JobRegistry } from "../jobs/registry.js";
import type { Notice } from "../notices/notice.js";
import { isTerminal } from "../jobs/status.js";
import { coerceError, doAll } from "../ports.js";
import { VERSION } from "../version.js";
import { Claims, type Claimed, type ClaimOptions } from "./claims.js";
import { diskFiles, LARGEST_FILE, type StoreFiles } from "./files.js";
import { InstanceFolder, OUTPUT_FOLDER, projectFolder } from "./instance-folder.js";
import { findOnDisk } from "./instances.js";
import { Ownership, type Processes } from "./owner.js";
import { expired, OutputRetention, type Retention } from "./retention.js";
import { formatState } from "./state-file.js";
import { StateWriter } from "./state-writer.js";

export interface JobStoreOptions extends Omit<ClaimOptions, "folder" | "ownership" | "files"> {
  /** `defaultRoot()`, or a test's own folder. */
  root: string;
  projectID: string;
  jobs: JobRegistry;
  /** All notices that are still owed. */
  notices: () => readonly Notice[];
  /** Ended jobs that are kept, by number and age, and their outputs, by bytes. */
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
  readonly #outputs: OutputRetention;
  readonly #stopListening: () => void;
  /** Folders in `claimed/` whose records are in the registry: named in each write until they are gone. */
  #adopted: string[] = [];
  #closing: Promise<void> | undefined;
  #isEnding = false;

  constructor(options: JobStoreOptions) {
    this.#options = options;
    const { root, projectID, directory, clock, log, jobs, files = diskFiles } = options;
    const ownership = new Ownership(options.processes);
    // When this instance began, not when it first wrote: its jobs are never older.
    const createdAt = new Date(clock.now());
    const about = { directory, createdAt, pluginVersion: VERSION };
    const makeOwner = () => ({ ...ownership.self, ...about });
    const folder = new InstanceFolder(projectFolder(root, projectID), makeOwner, files);
    this.#folder = folder;
    this.#claims = new Claims({ ...options, folder, ownership, files });
    this.#writer = new StateWriter({
      path: folder.statePath,
      prepare: () => this.#prepare(),
      content: () => this.#content(),
      onFailure: (error) => options.onWriteFailure?.(error),
      clock,
      log,
      files,
    });
    const outputs = join(folder.path, OUTPUT_FOLDER);
    this.#outputs = new OutputRetention({ ...options, folder: outputs, files });
    this.#stopListening = jobs.onChange(() => this.#writer.markDirty());
  }

  /** The folder of this instance; it may not exist yet. */
  get folder(): string {
    return this.#folder.path;
  }

  /**
   * Why the state cannot be written just now, for people; undefined while it can, and before the first write. Jobs go
   * on meanwhile, and writing is tried again and again.
   */
  get problem(): string | undefined {
    const { failure } = this.#writer;
    return failure && `the state cannot be saved in ${this.folder}: ${failure.message}`;
  }

  /** Other processes of this user find the instance's socket by it. Throws the system's error. */
  setControl(path: string): void {
    this.#folder.setControl(path);
  }

  /** The notices changed. Changes of jobs come from the registry. */
  markDirty(): void {
    this.#writer.markDirty();
  }

  /** The folder of all output files; it exists afterwards. Throws the system's error (mkdir, open, write). */
  outputFolder(): string {
    return this.#folder.outputFolder();
  }

  /**
   * What dead owners left: each record once, whichever instances start at this moment, and none that the registry
   * knows. The registry does not have them yet: add what becomes of them, then call `commitClaim`. `everywhere` looks
   * also for this directory in sibling projects. Never rejects; what cannot be read is set aside and logged.
   */
  async claim({ everywhere = false } = {}): Promise<Claimed> {
    if (!this.#closing) this.#claims.take({ everywhere });
    const { jobs, notices } = await this.#claims.read();
    const known = new Set(this.#options.notices().map((notice) => notice.id));
    return {
      jobs: jobs.filter(({ job }) => !this.#options.jobs.get(job.id)),
      notices: notices.filter((notice) => !known.has(notice.id)),
    };
  }

  /**
   * Writes the state with the claimed records and then removes the folders that they came from. Call it in the
   * tick in which the last of them was added. Never rejects: when the write fails, it is retried like any other,
   * and the folders stay for the next start, which knows by our state that they are done. After `close` they stay,
   * too: then nothing is written any more.
   */
  async commitClaim(): Promise<void> {
    if (this.#closing || this.#claims.finished.length === 0) return;
    this.#adopted = this.#claims.finished;
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
    this.#outputs.sweep(this.#options.clock.now());
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
   * Its processes are being ended: from now on they are written as ended with the host, who may not wait until each of
   * them is. A failure is logged, and the write is tried again.
   */
  saveAsEnding(): void {
    this.#isEnding = true;
    if (!this.#options.jobs.all().some(isRunningProcess)) return;
    this.#writer.markDirty();
    this.#writer.flushSync();
  }

  /**
   * A job that is not in memory: from the folders of the other owners in this project, dead or alive. Read only;
   * never rejects.
   */
  lookup(id: string): Promise<Job | undefined> {
    return findOnDisk(this.#folder.project, id, this.#folder.id);
  }

  /** An orderly end: saves and gives the folder free for the next start. Never rejects; twice is once. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { log, clock, jobs, notices } = this.#options;
    await doAll("the last state could not be saved", [
      () => this.#stopListening(),
      () => this.#outputs.stop(),
      () => this.#writer.close(),
      () => {
        const isEmpty = jobs.size === 0 && notices().length === 0 && this.#folder.isBare;
        if (isEmpty) this.#folder.remove();
        // Also after a write that failed: what is on disk is the next start's to settle.
        else this.#folder.release(new Date(clock.now()));
      },
      () => this.#folder.stopMarking(),
    ]).catch((thrown: unknown) => {
      log("error", coerceError(thrown).message, { folder: this.folder });
    });
  }

  /**
   * Retention goes with the write, so that memory and disk forget the same jobs at the same time; before anything
   * that may fail, so that a disk which refuses does not let them grow without end.
   */
  #prepare(): void {
    this.#expire(this.#options.retention.keepEnded);
    this.#folder.ensure();
    this.#folder.keepMarking(this.#options.clock, this.#options.log);
  }

  #expire(keepEnded: number): void {
    const { jobs, notices, retention, clock } = this.#options;
    const owed = new Set(notices().map((notice) => notice.jobID));
    const isOwed = (job: Job): boolean => owed.has(job.id) || hasWorktree(job);
    const limits = { ...retention, keepEnded };
    for (const job of expired(jobs.all(), limits, clock.now(), isOwed)) jobs.remove(job.id);
  }

  /** What is too large to be read again loses its oldest ended jobs. */
  #content(): string {
    let text = this.#format();
    let keepEnded = this.#options.jobs.all().filter(({ status }) => isTerminal(status)).length;
    while (keepEnded > 0 && Buffer.byteLength(text) > LARGEST_FILE) {
      keepEnded = Math.floor(keepEnded / 2);
      this.#options.log("warn", "the state is too large; its oldest ended jobs go", { keepEnded });
      this.#expire(keepEnded);
      text = this.#format();
    }
    return text;
  }

  #format(): string {
    const { jobs, notices, clock } = this.#options;
    const savedAt = new Date(clock.now());
    const all = jobs.all();
    return formatState({
      savedAt,
      adopted: this.#adopted,
      jobs: this.#isEnding ? all.map((job) => asEnding(job, savedAt)) : all,
      notices: [...notices()],
    });
  }
}

function asEnding(job: Job, completedAt: Date): Job {
  if (!isRunningProcess(job)) return job;
  return { ...job, status: "cancelled", endReason: "host_exit", completedAt };
}

function isRunningProcess({ kind, status }: Job): boolean {
  return kind === "process" && status === "running";
}
