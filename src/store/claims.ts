/**
 * Takes over the folders of owners that are gone. A folder is taken by renaming it into our own `claimed/`, which
 * only one of many can do; from then on its records are ours to adopt. Promises that a crash at any point loses
 * nothing and doubles nothing:
 *
 * 1. `take` renames. A crash leaves it inside our folder, which the next start takes as a whole.
 * 2. `read` moves the output files over and reads the records, those of folders inside folders too.
 * 3. Our own state file is written with the adopted records and, in the same write, the names of their folders:
 *    whoever finds those folders later knows that they are done.
 * 4. `discard` removes them.
 */
import { lstatSync } from "node:fs";
import { join } from "node:path";
import type { Job } from "../jobs/job.js";
import type { Notice } from "../notices/notice.js";
import { coerceError, type Clock, type Log } from "../ports.js";
import { errorCode, type StoreFiles } from "./files.js";
import { entriesOf, foldersIn } from "./folders.js";
import {
  CLAIMED_FOLDER,
  OUTPUT_FOLDER,
  STATE_FILE,
  type InstanceFolder,
} from "./instance-folder.js";
import { demandOwner, type Ownership } from "./owner.js";
import { moveQuarantined, setAside, writeRejected } from "./quarantine.js";
import { readStateFile } from "./read-file.js";
import { readStartSync } from "./read-text.js";
import { STATE_VERSION, type State } from "./state-file.js";

export interface ClaimOptions {
  folder: InstanceFolder;
  /** Only folders of this directory are adopted. */
  directory: string;
  ownership: Ownership;
  files: StoreFiles;
  clock: Clock;
  log: Log;
  /** Folders of other directories that nobody wrote to for so long are dropped. */
  keepDays: number;
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

  constructor(options: ClaimOptions) {
    this.#options = options;
    this.#claimed = join(options.folder.path, CLAIMED_FOLDER);
  }

  /** The folders that may be removed once the next write of our state is on disk; it must name them. */
  get finished(): string[] {
    return [...this.#finished];
  }

  /** Takes all folders whose owners are gone. Never throws. */
  take(): void {
    const { folder, log } = this.#options;
    for (const name of foldersIn(folder.project)) {
      if (name === folder.id) continue;
      try {
        if (this.#isClaimable(join(folder.project, name))) this.#take(name);
      } catch (thrown) {
        log("warn", "a folder could not be claimed", { name, error: coerceError(thrown).message });
      }
    }
  }

  /** The records of all taken folders that are not adopted yet; of two with one id the newer. Never rejects. */
  async read(): Promise<{ jobs: Job[]; notices: Notice[] }> {
    this.#flatten();
    const states = new Map<string, State>();
    for (const name of foldersIn(this.#claimed)) {
      if (this.#finished.has(name)) continue;
      try {
        const state = await this.#readFolder(name);
        if (state) states.set(name, state);
      } catch (thrown) {
        this.#log(name, "its files could not be taken over", coerceError(thrown).message);
      }
    }
    const done = new Set([...states.values()].flatMap((state) => state.adopted));
    const fresh = [...states].filter(([name]) => !done.has(name)).map(([, state]) => state);
    fresh.sort((a, b) => b.savedAt.getTime() - a.savedAt.getTime());
    return {
      jobs: firstOfEach(fresh.flatMap((state) => state.jobs)),
      notices: firstOfEach(fresh.flatMap((state) => state.notices)),
    };
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

  #isClaimable(path: string): boolean {
    const { directory, ownership, clock, keepDays } = this.#options;
    const owner = demandOwner(path);
    const age = clock.now() - lastWrite(path);
    if (!owner) {
      if (age < OWNERLESS_AGE) return false;
    } else {
      const state = ownership.stateOf(owner);
      if (state === "alive") return false;
      const ours = owner.directory === directory;
      if (state === "elsewhere" && (!ours || age < ELSEWHERE_AGE)) return false;
      if (!ours && age < keepDays * DAY) return false;
    }
    const version = peekVersion(path);
    if (version <= STATE_VERSION) return true;
    this.#log(path, "it is of a newer plugin and was left alone", `version ${version}`);
    return false;
  }

  #take(name: string): void {
    const { folder, files } = this.#options;
    folder.ensure();
    files.makeFolder(this.#claimed);
    try {
      files.rename(join(folder.project, name), join(this.#claimed, name));
    } catch (thrown) {
      // Somebody else was faster.
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
  async #readFolder(name: string): Promise<State | undefined> {
    const { folder, directory, files, clock } = this.#options;
    const path = join(this.#claimed, name);
    const owner = demandOwner(path);
    if (owner && owner.directory !== directory) {
      this.#finished.add(name);
      return undefined;
    }
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
    return reading.kind === "read" ? reading : undefined;
  }

  #moveOutput(from: string): void {
    const { folder, files } = this.#options;
    const target = join(folder.path, OUTPUT_FOLDER);
    const source = join(from, OUTPUT_FOLDER);
    for (const entry of entriesOf(source)) {
      if (!entry.isFile()) continue;
      files.makeFolder(target);
      files.rename(join(source, entry.name), join(target, entry.name));
    }
  }

  #log(folder: string, message: string, problem: string, setAside?: string): void {
    this.#options.log("warn", `claimed folder: ${message}`, { folder, problem, setAside });
  }
}

/** The newest change of the folder or of what is in it, in milliseconds since the epoch. */
function lastWrite(path: string): number {
  const paths = [path, ...entriesOf(path).map((entry) => join(path, entry.name))];
  const times = paths.map((each) => lstatSync(each, { throwIfNoEntry: false })?.mtimeMs ?? 0);
  return Math.max(...times);
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

function firstOfEach<T extends { id: string }>(records: readonly T[]): T[] {
  const first = new Map<string, T>();
  for (const record of records) if (!first.has(record.id)) first.set(record.id, record);
  return [...first.values()];
}
