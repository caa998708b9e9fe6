/**
 * Tells that something changed in one of some folders, which may not exist yet, vanish and come back. For a
 * missing folder the nearest existing parent is watched, and there only the name that leads to it. Nothing runs
 * while nothing changes, unless the system refuses to watch: then `canWatch` is false and the caller must poll.
 */
import { lstatSync, watch, type FSWatcher } from "node:fs";
import { basename, dirname } from "node:path";
import { coerceError, type Log } from "../ports.js";

interface Watched {
  watcher: FSWatcher;
  /** The folder that is watched; another one of the same name is not. */
  inode: number;
  /** Undefined: every change counts. */
  only: string | undefined;
}

export class FolderWatch {
  readonly #onChange: () => void;
  readonly #log: Log;
  readonly #watched = new Map<string, Watched>();
  #canWatch = true;
  #closed = false;

  constructor(onChange: () => void, log: Log) {
    this.#onChange = onChange;
    this.#log = log;
  }

  get canWatch(): boolean {
    return this.#canWatch;
  }

  /**
   * From now on these folders, and no others. Call it again after each change: folders come and go. True when one is
   * watched that was not before: what happened there until now was not told.
   */
  set(folders: readonly string[]): boolean {
    if (this.#closed) return false;
    this.#canWatch = true;
    const wanted = new Map<string, string | undefined>();
    for (const folder of folders) {
      const { path, only } = nearest(folder);
      // Two missing folders below one parent: then every name counts.
      wanted.set(path, wanted.has(path) && wanted.get(path) !== only ? undefined : only);
    }
    for (const [path, { inode, only }] of this.#watched) {
      if (wanted.get(path) !== only || !wanted.has(path) || inodeOf(path) !== inode)
        this.#drop(path);
    }
    const added = [...wanted].filter(([path]) => !this.#watched.has(path));
    for (const [path, only] of added) this.#add(path, only);
    return added.some(([path]) => this.#watched.has(path));
  }

  close(): void {
    this.#closed = true;
    for (const path of this.#watched.keys()) this.#drop(path);
  }

  #add(path: string, only: string | undefined): void {
    try {
      const watcher = watch(path, { persistent: false }, (_event, name) => {
        const isItself = name === basename(path);
        // Perhaps it is gone, and another one is in its place: watched anew, if it is there.
        if (isItself) this.#drop(path);
        if (only === undefined || name === null || name === only || isItself) this.#onChange();
      });
      watcher.on("error", (error) => {
        this.#log("debug", "a folder is not watched any more", { path, error: error.message });
        this.#drop(path);
        this.#onChange();
      });
      this.#watched.set(path, { watcher, inode: inodeOf(path) ?? 0, only });
    } catch (thrown) {
      // No more watches on this machine, or the folder has just gone: a reader looks again later.
      this.#log("warn", "a folder cannot be watched", { path, error: coerceError(thrown).message });
      this.#canWatch = false;
    }
  }

  #drop(path: string): void {
    this.#watched.get(path)?.watcher.close();
    this.#watched.delete(path);
  }
}

/** The folder itself, or its nearest parent that exists with the name in it that leads down. */
function nearest(folder: string): { path: string; only: string | undefined } {
  let path = folder;
  let only: string | undefined;
  while (inodeOf(path) === undefined && dirname(path) !== path) {
    only = basename(path);
    path = dirname(path);
  }
  return { path, only };
}

function inodeOf(path: string): number | undefined {
  try {
    const found = lstatSync(path, { throwIfNoEntry: false });
    return found?.isDirectory() ? found.ino : undefined;
  } catch {
    // Below a file, or behind a folder that we may not enter: not there for us.
    return undefined;
  }
}
