/**
 * Reads what instances have on disk, again and again, and parses only what has changed since. Never writes, never
 * claims, never throws for what it finds; what cannot be read is a problem in words. A folder in which a claim is
 * under way shows its own records and those that it has not adopted yet.
 */
import { lstatSync } from "node:fs";
import { join } from "node:path";
import type { Job } from "../jobs/job.js";
import type { Notice } from "../notices/notice.js";
import { entriesOf, foldersIn } from "./folders.js";
import { CLAIMED_FOLDER, projectFolder, STATE_FILE } from "./instance-folder.js";
import { Ownership, readOwner, type Owner, type OwnerState, type Processes } from "./owner.js";
import { isQuarantined } from "./quarantine.js";
import { readStateFile, type FileReading } from "./read-file.js";

export interface InstanceView {
  /** Absolute; `outputPath(folder, jobID)` is where a process's output is. */
  folder: string;
  /** Undefined when there is none, or none that can be read. */
  owner: Owner | undefined;
  /** `elsewhere`: on another machine or in another container; also without an owner. */
  state: OwnerState;
  /** The owner runs, as far as this machine can tell. */
  alive: boolean;
  /** When its state was written last; undefined before the first time. */
  savedAt: Date | undefined;
  jobs: Job[];
  notices: Notice[];
  /** One line each, for people. */
  problems: string[];
}

export interface InstanceFilter {
  /** Only this project's; all projects without it. */
  projectID?: string;
  /** Only those that were made for this directory. */
  directory?: string;
}

export class InstanceReader {
  readonly #root: string;
  readonly #filter: InstanceFilter;
  readonly #ownership: Ownership;
  /** Of the last time, by the file's path. */
  #readings = new Map<string, { stamp: string; reading: FileReading }>();
  #before: ReadonlyMap<string, { stamp: string; reading: FileReading }> = new Map();
  /** Owners that were found alive, by their folder. */
  readonly #alive = new Map<string, number>();

  constructor(root: string, filter: InstanceFilter, processes?: Processes) {
    this.#root = root;
    this.#filter = filter;
    this.#ownership = new Ownership(processes);
  }

  get projects(): string[] {
    const { projectID } = this.#filter;
    if (projectID !== undefined) return [projectFolder(this.#root, projectID)];
    const names = foldersIn(this.#root).filter((name) => !name.startsWith("."));
    return names.map((name) => join(this.#root, name));
  }

  get folders(): string[] {
    return this.projects.flatMap((path) => foldersIn(path).map((name) => join(path, name)));
  }

  async read(): Promise<InstanceView[]> {
    const views: InstanceView[] = [];
    this.#before = this.#readings;
    this.#readings = new Map();
    const { directory } = this.#filter;
    for (const folder of this.folders) {
      const owner = readOwner(folder);
      if (directory === undefined || owner?.directory === directory) {
        views.push(await this.#view(folder, owner));
      }
    }
    const made = ({ owner }: InstanceView): number => owner?.createdAt.getTime() ?? 0;
    return views.sort((a, b) => made(a) - made(b));
  }

  async #view(folder: string, owner: Owner | undefined): Promise<InstanceView> {
    const state = this.#stateOf(folder, owner);
    const view: InstanceView = {
      folder,
      owner,
      state,
      alive: state === "alive",
      savedAt: undefined,
      jobs: [],
      notices: [],
      problems: owner ? [] : ["no owner file that can be read"],
    };
    for (const { name } of entriesOf(folder)) {
      if (isQuarantined(name)) view.problems.push(`set aside: ${name}`);
    }
    const own = await this.#readState(join(folder, STATE_FILE));
    this.#add(view, own, "");
    view.savedAt = own.kind === "read" ? own.savedAt : undefined;
    const adopted = new Set(own.kind === "read" ? own.adopted : []);
    for (const name of foldersIn(join(folder, CLAIMED_FOLDER))) {
      if (adopted.has(name)) continue;
      const path = join(folder, CLAIMED_FOLDER, name, STATE_FILE);
      this.#add(view, await this.#readState(path), `${CLAIMED_FOLDER}/${name}: `);
    }
    return view;
  }

  #add(view: InstanceView, reading: FileReading, where: string): void {
    if (reading.kind === "missing") return;
    if (reading.kind === "newer") {
      view.problems.push(`${where}written by a newer plugin (version ${reading.version})`);
    } else if (reading.kind !== "read") {
      view.problems.push(`${where}${STATE_FILE}: ${reading.problem}`);
    } else {
      for (const { problem } of reading.rejected)
        view.problems.push(`${where}a record: ${problem}`);
      const known = new Set([...view.jobs, ...view.notices].map(({ id }) => id));
      view.jobs.push(...reading.jobs.filter(({ id }) => !known.has(id)));
      view.notices.push(...reading.notices.filter(({ id }) => !known.has(id)));
    }
  }

  async #readState(path: string): Promise<FileReading> {
    const stamp = stampOf(path);
    if (stamp === undefined) return { kind: "missing" };
    const before = this.#before.get(path);
    const reading = before?.stamp === stamp ? before.reading : await readStateFile(path);
    this.#readings.set(path, { stamp, reading });
    return reading;
  }

  /** Who was found alive once is asked only whether the pid still is: the full question is dear on Windows. */
  #stateOf(folder: string, owner: Owner | undefined): OwnerState {
    if (!owner) return "elsewhere";
    const pid = this.#alive.get(folder);
    if (pid !== undefined && !owner.closedAt && pidExists(pid)) return "alive";
    const state = this.#ownership.stateOf(owner);
    if (state === "alive" && owner.identity) this.#alive.set(folder, owner.identity.pid);
    else this.#alive.delete(folder);
    return state;
  }
}

function pidExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    // ESRCH: gone. EPERM: another user's, so it was never our owner's.
    return false;
  }
}

/** Changes whenever the file was replaced: each write is a new file. */
function stampOf(path: string): string | undefined {
  try {
    const { ino, size, mtimeMs } = lstatSync(path);
    return `${ino} ${size} ${mtimeMs}`;
  } catch {
    // Missing, or renamed at this moment.
    return undefined;
  }
}
