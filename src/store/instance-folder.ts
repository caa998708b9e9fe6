/**
 * The folder of one instance: `ROOT/PROJECT/INSTANCE/` with `owner.json`, `jobs.json`, `output/` (one file per
 * process, written by the owner of the processes) and, while a claim is under way, `claimed/`. Owns these names
 * and makes the folder when it is first needed, so that an OpenCode without background work leaves nothing.
 * Only its owner writes into it.
 *
 * What cannot be used is set aside there under another name, for people to look at, and never deleted unseen: a whole
 * file as `jobs.json.corrupt-TIME`, single records as `jobs.rejected-TIME.json`. Only the newest five are kept, so that
 * a fault that repeats does not fill the disk.
 */
import { createHash, randomBytes } from "node:crypto";
import { existsSync, readdirSync, utimesSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, isAbsolute, join } from "node:path";
import { outputFile } from "../output/format.js";
import { type Clock, coerceError, errorCode, type Log, type Timer } from "../ports.js";
import {
  checkFolder,
  diskFiles,
  entriesOf,
  newestChange,
  saveSync,
  type StoreFiles,
} from "./files.js";
import { type Owner, OWNER_FILE, writeOwner } from "./owner.js";
import { isSafeName, type Rejected } from "./state-file.js";

export const STATE_FILE = "jobs.json";
export const OUTPUT_FOLDER = "output";
export const CLAIMED_FOLDER = "claimed";

/** `${XDG_STATE_HOME:-~/.local/state}/opencode/background`; a relative XDG_STATE_HOME is invalid and ignored. */
export function defaultRoot(env: NodeJS.ProcessEnv = process.env, home = homedir()): string {
  const state = env["XDG_STATE_HOME"];
  const base = state && isAbsolute(state) ? state : join(home, ".local", "state");
  return join(base, "opencode", "background");
}

/** The folder of a project: its id as it is, or made fit for a path without two ids ever meeting. */
export function projectFolder(root: string, projectID: string): string {
  if (/^[\w-][\w.-]{0,63}$/.test(projectID)) return join(root, projectID);
  const fit = projectID.replaceAll(/[^\w-]/g, "_").slice(0, 40);
  const hash = createHash("sha256").update(projectID).digest("hex").slice(0, 12);
  return join(root, `${fit}~${hash}`);
}

/** Where the output of a process is, in this instance folder. Throws for an id that cannot be a file's name. */
export function outputPath(folder: string, jobID: string): string {
  if (!isSafeName(jobID)) throw new Error(`"${jobID}" is not the id of a job`);
  return outputFile(join(folder, OUTPUT_FOLDER), jobID);
}

/**
 * When a dead owner wrote last, to any file of the folder or of its output; not after `now` (milliseconds since the
 * epoch), whatever the files' times say. Its folders' own times change with a claim.
 */
export function lastSignIn(path: string, now = Date.now()): Date {
  const outputs = join(path, OUTPUT_FOLDER);
  const files = [path, outputs].flatMap((folder) =>
    entriesOf(folder).flatMap((entry) => (entry.isFile() ? join(folder, entry.name) : [])),
  );
  return new Date(Math.min(now, newestChange(files)));
}

const MARK_MILLISECONDS = 60_000;

export class InstanceFolder {
  readonly id = randomBytes(8).toString("hex");
  readonly project: string;
  readonly path: string;
  readonly statePath: string;
  readonly #makeOwner: () => Owner;
  readonly #files: StoreFiles;
  #owner: Owner | undefined;
  /** It was made, or found, in folders that were checked. */
  #isTrusted = false;
  #mark: Timer | undefined;

  /** `project` is a folder in the root; `makeOwner` is asked once, when the folder is first made. */
  constructor(project: string, makeOwner: () => Owner, files: StoreFiles = diskFiles) {
    this.project = project;
    this.path = join(project, this.id);
    this.statePath = join(this.path, STATE_FILE);
    this.#makeOwner = makeOwner;
    this.#files = files;
  }

  /** The folder as it must be, also after it was deleted. Throws the system's error, or an UnsafePath. */
  ensure(): void {
    if (this.#isTrusted && existsSync(join(this.path, OWNER_FILE))) return;
    this.#owner ??= this.#makeOwner();
    // Before as well: behind a link nothing is made.
    this.check();
    this.#files.makeFolder(this.path);
    this.check();
    writeOwner(this.path, this.#owner, this.#files);
    this.#isTrusted = true;
  }

  /**
   * The root, the project's folder and this one, as far as they exist, are ours alone or are mended. Above the root it
   * is the user's choice. Throws an UnsafePath for another user's folder or a link, or the system's error.
   */
  check(): void {
    for (const path of [dirname(this.project), this.project, this.path]) {
      try {
        checkFolder(path);
      } catch (thrown) {
        if (errorCode(thrown) !== "ENOENT") throw thrown;
      }
    }
  }

  /** Where this instance listens stands in its owner file. Throws the system's error. */
  setControl(path: string): void {
    this.#owner = { ...(this.#owner ?? this.#makeOwner()), control: path };
    if (this.#isTrusted && existsSync(this.path)) writeOwner(this.path, this.#owner, this.#files);
  }

  /**
   * Marks the folder as in use, once a minute until `stopMarking`; again is once. After a crash this is the last sign
   * of life, and so the end of what ran; on another machine or in another container with the same home, who cannot ask
   * our system takes a folder without such signs over after a day. No timer keeps the host awake.
   */
  keepMarking(clock: Clock, log: Log): void {
    this.#mark ??= clock.after(MARK_MILLISECONDS, () => {
      this.#mark = undefined;
      this.keepMarking(clock, log);
      const path = join(this.path, OWNER_FILE);
      try {
        const now = new Date();
        if (this.#owner && existsSync(path)) utimesSync(path, now, now);
      } catch (thrown) {
        const error = coerceError(thrown).message;
        log("warn", "the state folder could not be marked as in use", { error });
      }
    });
  }

  stopMarking(): void {
    this.#mark?.cancel();
    this.#mark = undefined;
  }

  /** Nothing but its own two files: no output, nothing set aside, no claim under way. */
  get isBare(): boolean {
    return entriesOf(this.path).every((entry) => {
      if (entry.name === OWNER_FILE || entry.name === STATE_FILE) return true;
      return entry.isDirectory() && entriesOf(join(this.path, entry.name)).length === 0;
    });
  }

  /** Throws the system's error (mkdir). */
  outputFolder(): string {
    const path = join(this.path, OUTPUT_FOLDER);
    this.ensure();
    this.#files.makeFolder(path);
    return path;
  }

  /** An orderly end: the next start may take the folder at once, while this process goes on. */
  release(now: Date): void {
    if (!this.#owner || !existsSync(this.path)) return;
    this.#owner = { ...this.#owner, closedAt: now };
    writeOwner(this.path, this.#owner, this.#files);
  }

  remove(): void {
    this.#files.remove(this.path);
  }
}

const KEPT = 5;
const FORM = /\.(?:corrupt|rejected)-(\d{8}T\d{9}Z(?:-\d+)?)(?:\.json)?$/;

export function isQuarantined(name: string): boolean {
  return FORM.test(name);
}

/** Moves a file (or whatever is in its place) into our folder. Returns where to; throws the system's error. */
export function setAside(path: string, folder: string, now: Date, files = diskFiles): string {
  const target = freeName((time) => join(folder, `${basename(path)}.corrupt-${time}`), now);
  files.rename(path, target);
  trim(folder, files);
  return target;
}

/** Returns the new file's path; throws the system's error (open, write, fsync, rename). */
export function writeRejected(
  rejected: readonly Rejected[],
  folder: string,
  now: Date,
  files: StoreFiles = diskFiles,
): string {
  const target = freeName((time) => join(folder, `jobs.rejected-${time}.json`), now);
  saveSync(files, target, JSON.stringify(rejected, undefined, 2));
  trim(folder, files);
  return target;
}

/** What another owner had set aside comes along with its folder. */
export function moveQuarantined(from: string, folder: string, files: StoreFiles): void {
  for (const name of readdirSync(from).filter(isQuarantined)) {
    files.rename(join(from, name), join(folder, name));
  }
  trim(folder, files);
}

function trim(folder: string, files: StoreFiles): void {
  const time = (name: string): string => FORM.exec(name)?.[1] ?? "";
  const names = readdirSync(folder).filter(isQuarantined);
  names.sort((a, b) => (time(a) < time(b) ? 1 : -1));
  for (const name of names.slice(KEPT)) files.remove(join(folder, name));
}

function freeName(name: (time: string) => string, now: Date): string {
  const time = now.toISOString().replaceAll(/[-:.]/g, "");
  for (let count = 0; ; count += 1) {
    const path = name(count === 0 ? time : `${time}-${count}`);
    if (!existsSync(path)) return path;
  }
}
