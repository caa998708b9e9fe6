/**
 * What instances have on disk, for those who only look (the command line, the terminal UI, a lookup of one record):
 * once, or again after each change, and then only what has changed is parsed. Never writes, never claims, never
 * throws for what it finds; what cannot be read is a problem in words. A folder in which a claim is under way shows
 * its own records and those that it has not adopted yet.
 */
import { lstatSync } from "node:fs";
import { join } from "node:path";
import type { Job } from "../jobs/job.js";
import type { Notice } from "../notices/notice.js";
import { coerceError, silentLog, systemClock, type Clock, type Log, type Timer } from "../ports.js";
import { entriesOf, foldersIn, readText } from "./files.js";
import {
  CLAIMED_FOLDER,
  isQuarantined,
  lastSignIn,
  projectFolder,
  STATE_FILE,
} from "./instance-folder.js";
import { Ownership, tryReadOwner, type Owner, type OwnerState, type Processes } from "./owner.js";
import { isSafeName, parseState, readStateFile, type FileReading } from "./state-file.js";
import { FolderWatch } from "./watch-folders.js";

export interface InstanceView {
  /** Absolute; `outputPath(folder, jobID)` is where a process's output is. */
  folder: string;
  /** Undefined when there is none, or none that can be read. */
  owner: Owner | undefined;
  /** `elsewhere`: on another machine or in another container; also without an owner. */
  state: OwnerState;
  /** When its state was written last; undefined before the first time. */
  savedAt: Date | undefined;
  /** When it wrote last, to whatever file: of a dead owner the end of what still counts as running in its records. */
  lastSign: Date;
  jobs: Job[];
  notices: Notice[];
  /** One line each, for people. */
  problems: string[];
}

class InstanceReader {
  readonly #root: string;
  readonly #projectID: string | undefined;
  readonly #ownership: Ownership;
  /** Of the last time, by the file's path. */
  #readings = new Map<string, { stamp: string; reading: FileReading }>();
  #before: ReadonlyMap<string, { stamp: string; reading: FileReading }> = new Map();

  constructor(root: string, projectID: string | undefined, processes?: Processes) {
    this.#root = root;
    this.#projectID = projectID;
    this.#ownership = new Ownership(processes);
  }

  get projects(): string[] {
    if (this.#projectID !== undefined) return [projectFolder(this.#root, this.#projectID)];
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
    for (const folder of this.folders) views.push(await this.#view(folder));
    const made = ({ owner }: InstanceView): number => owner?.createdAt.getTime() ?? 0;
    return views.sort((a, b) => made(a) - made(b));
  }

  async #view(folder: string): Promise<InstanceView> {
    const owner = tryReadOwner(folder);
    const state = owner ? this.#ownership.stateOf(owner) : "elsewhere";
    const view: InstanceView = {
      folder,
      owner,
      state,
      savedAt: undefined,
      lastSign: lastSignIn(folder),
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
    if (view.savedAt && view.savedAt > view.lastSign) view.lastSign = view.savedAt;
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
    // What could not be read may be readable later, though its stamp stays: rights, descriptors, a disk's fault.
    if (reading.kind !== "unavailable" && reading.kind !== "misplaced") {
      this.#readings.set(path, { stamp, reading });
    }
    return reading;
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

/** Never rejects. `except` is the name of a folder that is not looked into: the asker's own. */
export async function findOnDisk(
  project: string,
  id: string,
  except?: string,
): Promise<Job | undefined> {
  if (!isSafeName(id)) return undefined;
  for (const name of foldersIn(project)) {
    if (name === except) continue;
    const folder = join(project, name);
    const places = foldersIn(join(folder, CLAIMED_FOLDER));
    for (const place of [folder, ...places.map((each) => join(folder, CLAIMED_FOLDER, each))]) {
      const job = await findInFile(join(place, STATE_FILE), id);
      if (job) return job;
    }
  }
  return undefined;
}

async function findInFile(path: string, id: string): Promise<Job | undefined> {
  let text: string;
  try {
    text = await readText(path);
  } catch {
    // Missing, renamed this very moment or unreadable: then it is not here.
    return undefined;
  }
  // Most files do not have it: parsing them would cost far more than looking.
  if (!text.includes(JSON.stringify(id))) return undefined;
  const reading = parseState(text);
  return reading.kind === "read" ? reading.jobs.find((job) => job.id === id) : undefined;
}

/** Of one project, or of all without `projectID`. Never rejects. Folders come in the order in which they were made. */
export function readInstances(
  root: string,
  projectID?: string,
  processes?: Processes,
): Promise<InstanceView[]> {
  return new InstanceReader(root, projectID, processes).read();
}

export interface InstanceWatch {
  /** Reads again and calls back, also without a change on disk: an owner's death changes no file. */
  refresh(): void;
  close(): void;
}

export interface WatchOptions {
  clock?: Clock;
  log?: Log;
  processes?: Processes;
}

/** At most five updates a second. */
const UPDATE_MILLISECONDS = 200;
/** Only where the system cannot watch (out of watches): how often to look. */
const POLL_MILLISECONDS = 2000;

/**
 * Calls back soon with what is there, and again after each change. Nothing runs while nothing changes. Does not
 * keep the process alive; `close` ends it, and nothing is called back afterwards. Without `projectID` of all projects.
 *
 * @example
 * const watch = watchInstances(defaultRoot(), projectID, (instances) => show(instances));
 */
export function watchInstances(
  root: string,
  projectID: string | undefined,
  callback: (instances: InstanceView[]) => void,
  { clock = systemClock, log = silentLog, processes }: WatchOptions = {},
): InstanceWatch {
  const reader = new InstanceReader(root, projectID, processes);
  let timer: Timer | undefined;
  let updating = false;
  let again = false;
  let closed = false;
  let lastUpdate = Number.NEGATIVE_INFINITY;

  const schedule = (pause = UPDATE_MILLISECONDS): void => {
    if (closed || timer) return;
    if (updating) {
      again = true;
      return;
    }
    const wait = lastUpdate + pause - clock.monotonic();
    timer = clock.after(Math.max(0, wait), () => {
      timer = undefined;
      update().catch((thrown: unknown) => {
        log("error", "a listener for changes on disk failed", { error: coerceError(thrown).stack });
      });
    });
  };
  const folders = new FolderWatch(() => schedule(), log);

  function watchAll(): boolean {
    const roots = projectID === undefined ? [root] : [];
    return folders.set([...roots, ...reader.projects, ...reader.folders]);
  }

  async function update(): Promise<void> {
    updating = true;
    again = false;
    lastUpdate = clock.monotonic();
    try {
      // First watch, then read: what changes in between is seen. But a folder may have been made just before its parent
      // was watched, and then nothing tells of it: it is watched from now on, and read again.
      watchAll();
      const instances = await reader.read();
      if (!closed) callback(instances);
      again ||= watchAll();
    } finally {
      updating = false;
      if (again) schedule();
      else if (!folders.canWatch) schedule(POLL_MILLISECONDS);
    }
  }

  schedule();
  return {
    refresh: () => schedule(),
    close() {
      closed = true;
      timer?.cancel();
      folders.close();
    },
  };
}
