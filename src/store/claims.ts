/**
 * Takes over the folders of owners that are gone: of this project, and of this directory in other projects, because
 * the host gives a directory another project id when it becomes a git repository. A folder is taken by renaming it
 * into our own `claimed/`, which only one of many can do; from then on its records are ours to adopt. Promises that
 * a crash at any point loses nothing and doubles nothing:
 *
 * 1. `take` renames. A crash leaves it inside our folder, which the next start takes as a whole.
 * 2. `read` moves the output files over and reads the records, those of folders inside folders too.
 * 3. Our own state file is written with the adopted records and, in the same write, the names of their folders: a
 *    later claim that finds those folders knows that they are done.
 * 4. `discard` removes them.
 */
import { basename, dirname, join } from "node:path";
import type { Job } from "../jobs/job.js";
import type { Notice } from "../notices/notice.js";
import { coerceError, errorCode, type Clock, type Log } from "../ports.js";
import {
  checkFolder,
  entriesOf,
  foldersIn,
  isOwnFile,
  newestChange,
  readStartSync,
  type StoreFiles,
} from "./files.js";
import {
  CLAIMED_FOLDER,
  type InstanceFolder,
  lastSignIn,
  moveQuarantined,
  OUTPUT_FOLDER,
  setAside,
  STATE_FILE,
  writeRejected,
} from "./instance-folder.js";
import { readOwnerOrThrow, type Owner, type Ownership } from "./owner.js";
import type { Retention } from "./retention.js";
import { readStateFile, STATE_VERSION, type State } from "./state-file.js";

export interface ClaimOptions {
  folder: InstanceFolder;
  /** Absolute; only the folders of dead owners in this same directory are adopted. */
  directory: string;
  ownership: Ownership;
  files: StoreFiles;
  clock: Clock;
  log: Log;
  /** Folders of other directories without a write for so many `keepDays` are dropped. */
  retention: Pick<Retention, "keepDays">;
  /**
   * Whether a project, by its folder's name, is one of the host's as ours is: what dead owners of this directory left
   * there is claimed, too. None by default.
   */
  isSibling?: ((project: string) => boolean) | undefined;
}

/** What dead owners left. */
export interface Claimed {
  jobs: ClaimedJob[];
  notices: Notice[];
}

export interface ClaimedJob {
  job: Job;
  /** The last sign of life of its owner. If it ran then, it has ended at that moment, as far as is known. */
  lastSign: Date;
  /** An instance in this same operating system process ended it when the host reloaded it. */
  isReloaded: boolean;
}

interface Contents {
  state: State;
  owner: Owner | undefined;
  lastSign: Date;
}

/** Milliseconds without a write. A folder without an owner may be one that is being made right now. */
const OWNERLESS_AGE = 60_000;
/** An owner of whom we cannot tell whether it runs; one that does gives a sign each hour. */
const ELSEWHERE_AGE = 24 * 3600_000;
const DAY = 24 * 3600_000;

export class Claims {
  readonly #options: ClaimOptions;
  readonly #claimed: string;
  /** Names in `claimed/` that hold nothing any more which our own state file will not. */
  readonly #finished = new Set<string>();
  /** Folders that cannot be claimed are looked at again and again, and logged once. */
  readonly #reported = new Set<string>();

  constructor(options: ClaimOptions) {
    this.#options = options;
    this.#claimed = join(options.folder.path, CLAIMED_FOLDER);
  }

  /** The folders that may be removed once the next write of our state is on disk; it must name them. */
  get finished(): string[] {
    return [...this.#finished];
  }

  /** Takes all folders whose owners are gone; with `everywhere` from sibling projects, too. Never throws. */
  take({ everywhere }: { everywhere: boolean }): void {
    const { folder, isSibling } = this.#options;
    const root = dirname(folder.project);
    try {
      folder.check();
    } catch (thrown) {
      this.#report(root, "nothing can be taken over", coerceError(thrown).message);
      return;
    }
    this.#takeFrom(folder.project, false);
    if (!everywhere || !isSibling) return;
    for (const name of foldersIn(root)) {
      const project = join(root, name);
      if (project !== folder.project && isSibling(name)) this.#takeFrom(project, true);
    }
  }

  /** The records of all taken folders that are not adopted yet; of two with one id the newer. Never rejects. */
  async read(): Promise<Claimed> {
    this.#flatten();
    const found = new Map<string, Contents>();
    for (const name of foldersIn(this.#claimed)) {
      if (this.#finished.has(name)) continue;
      try {
        const contents = await this.#readFolder(name);
        if (contents) found.set(name, contents);
      } catch (thrown) {
        this.#log(name, "its files could not be taken over", coerceError(thrown).message);
      }
    }
    const done = new Set([...found.values()].flatMap(({ state }) => state.adopted));
    const fresh = [...found].filter(([name]) => !done.has(name)).map(([, contents]) => contents);
    fresh.sort((a, b) => b.state.savedAt.getTime() - a.state.savedAt.getTime());
    const jobs = new Map<string, ClaimedJob>();
    const notices = new Map<string, Notice>();
    for (const { state, owner, lastSign } of fresh) {
      for (const job of state.jobs) {
        if (jobs.has(job.id)) continue;
        const isReloaded = owner !== undefined && this.#wasReloaded(job, owner);
        jobs.set(job.id, { job: isReloaded ? asReloaded(job) : job, lastSign, isReloaded });
      }
      for (const notice of state.notices) {
        if (!notices.has(notice.id)) notices.set(notice.id, notice);
      }
    }
    return { jobs: [...jobs.values()], notices: [...notices.values()] };
  }

  /** Removes what is finished. Only when our state file on disk names it. */
  discard(names: readonly string[]): void {
    for (const name of names) {
      try {
        this.#options.files.remove(join(this.#claimed, name));
        this.#finished.delete(name);
      } catch (thrown) {
        this.#log(name, "it could not be removed", coerceError(thrown).message);
      }
    }
  }

  #takeFrom(project: string, onlyOurs: boolean): void {
    const { folder } = this.#options;
    for (const name of foldersIn(project)) {
      const path = join(project, name);
      if (path === folder.path) continue;
      try {
        if (this.#isClaimable(path, onlyOurs)) this.#take(path);
      } catch (thrown) {
        this.#report(path, "a folder could not be claimed", coerceError(thrown).message);
      }
    }
  }

  #isClaimable(path: string, onlyOurs: boolean): boolean {
    const { directory, ownership, clock, retention } = this.#options;
    checkFolder(path);
    const owner = readOwnerOrThrow(path);
    const parts = entriesOf(path).map((entry) => join(path, entry.name));
    const age = clock.now() - newestChange([path, ...parts]);
    if (!owner) {
      if (onlyOurs || age < OWNERLESS_AGE) return false;
    } else {
      const ours = owner.directory === directory;
      if (onlyOurs && !ours) return false;
      const state = ownership.stateOf(owner);
      if (state === "alive") return false;
      if (state === "elsewhere" && (!ours || age < ELSEWHERE_AGE)) return false;
      if (!ours && age < retention.keepDays * DAY) return false;
    }
    const version = peekVersion(path);
    if (version <= STATE_VERSION) return true;
    this.#report(path, "it is of a newer plugin and was left alone", `version ${version}`);
    return false;
  }

  /** Ended by its instance's closing, while the process went on: the host has only loaded the instance anew. */
  #wasReloaded({ endReason, completedAt }: Job, owner: Owner): boolean {
    return (
      endReason === "host_exit" &&
      completedAt !== undefined &&
      // An instance may have taken over what an earlier process ended with itself.
      completedAt >= owner.createdAt &&
      this.#options.ownership.isSelf(owner)
    );
  }

  #take(path: string): void {
    const { folder, files } = this.#options;
    folder.ensure();
    files.makeFolder(this.#claimed);
    try {
      files.rename(path, join(this.#claimed, basename(path)));
    } catch (thrown) {
      // Another instance was faster.
      if (errorCode(thrown) !== "ENOENT") throw thrown;
    }
  }

  /** Folders that a dead claimer had taken come up to the others, so that paths do not grow with each crash. */
  #flatten(): void {
    const names = foldersIn(this.#claimed);
    for (let name = names.pop(); name !== undefined; name = names.pop()) {
      const inner = join(this.#claimed, name, CLAIMED_FOLDER);
      for (const deeper of foldersIn(inner)) {
        try {
          this.#options.files.rename(join(inner, deeper), join(this.#claimed, deeper));
          names.push(deeper);
        } catch (thrown) {
          this.#log(deeper, "it could not be taken over", coerceError(thrown).message);
        }
      }
    }
  }

  /** Undefined when the folder has no records for us. Marks it finished unless it must be looked at again. */
  async #readFolder(name: string): Promise<Contents | undefined> {
    const { folder, directory, files, clock } = this.#options;
    const path = join(this.#claimed, name);
    const owner = readOwnerOrThrow(path);
    if (owner && owner.directory !== directory) {
      this.#finished.add(name);
      return undefined;
    }
    const lastSign = lastSignIn(path, clock.now());
    this.#moveOutput(path);
    moveQuarantined(path, folder.path, files);
    const statePath = join(path, STATE_FILE);
    const reading = await readStateFile(statePath);
    if (reading.kind === "newer" || reading.kind === "unavailable") {
      const what = reading.kind === "newer" ? `version ${reading.version}` : reading.problem;
      this.#log(name, "its state was left alone", what);
      return undefined;
    }
    if (reading.kind === "broken" || reading.kind === "misplaced") {
      const aside = setAside(statePath, folder.path, new Date(clock.now()), files);
      this.#log(name, "its state cannot be used and was set aside", reading.problem, aside);
    } else if (reading.kind === "read" && reading.rejected.length > 0) {
      const aside = writeRejected(reading.rejected, folder.path, new Date(clock.now()), files);
      const problems = reading.rejected.map(({ problem }) => problem).slice(0, 3);
      this.#log(name, "some records were set aside", problems.join("; "), aside);
    }
    this.#finished.add(name);
    if (reading.kind !== "read") return undefined;
    const { savedAt } = reading;
    const latest = Math.min(clock.now(), Math.max(savedAt.getTime(), lastSign.getTime()));
    return { state: reading, owner, lastSign: new Date(latest) };
  }

  #moveOutput(from: string): void {
    const { folder, files } = this.#options;
    const target = join(folder.path, OUTPUT_FOLDER);
    const source = join(from, OUTPUT_FOLDER);
    for (const entry of entriesOf(source)) {
      if (!entry.isFile()) continue;
      // Another user's file goes with the folder.
      if (!isOwnFile(join(source, entry.name))) continue;
      files.makeFolder(target);
      files.rename(join(source, entry.name), join(target, entry.name));
    }
  }

  #report(path: string, message: string, problem: string): void {
    const key = `${path} ${problem}`;
    if (this.#reported.has(key)) return;
    this.#reported.add(key);
    this.#options.log("warn", message, { path, problem });
  }

  #log(folder: string, message: string, problem: string, setAside?: string): void {
    this.#options.log("warn", `claimed folder: ${message}`, { folder, problem, setAside });
  }
}

function asReloaded(job: Job): Job {
  const endReason = "reloaded" as const;
  if (job.kind === "process") return { ...job, endReason };
  const runs = job.runs.map((run, at) =>
    at === job.runs.length - 1 ? { ...run, endReason } : run,
  );
  return { ...job, endReason, runs };
}

/** From the first bytes, because a big file would otherwise be parsed twice; 0 when they do not say. */
function peekVersion(path: string): number {
  try {
    const [, version] =
      /^\s*\{\s*"version"\s*:\s*(\d+)/.exec(readStartSync(join(path, STATE_FILE), 64)) ?? [];
    return Number(version ?? 0);
  } catch {
    // Missing or misplaced: told when it is read.
    return 0;
  }
}
