/**
 * The folder of one instance: `ROOT/PROJECT/INSTANCE/` with `owner.json`, `jobs.json`, `output/` (one file per
 * process, written by whoever runs the processes) and, while a claim is under way, `claimed/`. Owns these names
 * and makes the folder when it is first needed, so that an OpenCode without background work leaves nothing.
 * Nobody but its owner writes into it.
 */
import { createHash, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { outputFile } from "../output/format.js";
import { diskFiles, type StoreFiles } from "./files.js";
import { entriesOf } from "./folders.js";
import { OWNER_FILE, writeOwner, type Owner } from "./owner.js";
import { isSafeName } from "./state-file.js";

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

export class InstanceFolder {
  readonly id = randomBytes(8).toString("hex");
  readonly project: string;
  readonly path: string;
  readonly statePath: string;
  readonly #makeOwner: () => Owner;
  readonly #files: StoreFiles;
  #owner: Owner | undefined;

  /** `makeOwner` is asked once, when the folder is first made. */
  constructor(project: string, makeOwner: () => Owner, files: StoreFiles = diskFiles) {
    this.project = project;
    this.path = join(project, this.id);
    this.statePath = join(this.path, STATE_FILE);
    this.#makeOwner = makeOwner;
    this.#files = files;
  }

  /** The folder as it must be, also after somebody deleted it. Throws the system's error. */
  ensure(): void {
    if (this.#owner && existsSync(join(this.path, OWNER_FILE))) return;
    this.#owner ??= this.#makeOwner();
    this.#files.makeFolder(this.path);
    writeOwner(this.path, this.#owner, this.#files);
  }

  /** Writes the owner again: the folder is in use, whoever looks from where. Throws the system's error. */
  touch(): void {
    if (this.#owner && this.exists) writeOwner(this.path, this.#owner, this.#files);
  }

  get exists(): boolean {
    return existsSync(this.path);
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
    if (!this.#owner || !this.exists) return;
    this.#owner = { ...this.#owner, closedAt: now };
    writeOwner(this.path, this.#owner, this.#files);
  }

  remove(): void {
    this.#files.remove(this.path);
  }
}
