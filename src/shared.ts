/**
 * The workspace of one directory, for all that load the plugin there. It is loaded at its first use: the host waits
 * for a plugin until it has named its hooks and tools, and these need little of the code.
 *
 * The host also loads an instance anew inside one process (a change of the configuration, for one), and does not wait
 * until the old one has closed. The new one is then given what the old one leaves.
 *
 * The worktree of a task is a directory with an instance of its own, in the same process. What comes there belongs to
 * the workspace that the task belongs to: so its jobs, limits and notices are those of one workspace.
 */
import { randomUUID } from "node:crypto";
import type { Predecessor, Workspace } from "./workspace.js";
import type { Homes } from "./worktree/worktrees.js";

type Load = (predecessor: Predecessor | undefined) => Promise<Workspace>;

/** A second copy of this module must find what the first one keeps: a module variable would not do. */
const WORKSPACES = Symbol.for("opencode-background-manager/workspaces");
const PREDECESSORS = Symbol.for("opencode-background-manager/predecessors");
/** By the folder of a worktree: the directory that it belongs to. */
const HOMES = Symbol.for("opencode-background-manager/homes");
/** Worktrees that are being made, and whose folders are not known yet. */
const COMING = Symbol.for("opencode-background-manager/coming");

export class Shared {
  /** One for each time the plugin was loaded; the first one handles the events. */
  readonly #users = new Set<symbol>();
  readonly #directory: string;
  readonly #load: Load;
  #loading: Promise<Workspace> | undefined;

  private constructor(directory: string, load: Load) {
    this.#directory = directory;
    this.#load = load;
  }

  /** The one that is there for this directory, else a new one; `load` is asked at most once. */
  static of(directory: string, load: Load): Shared {
    const known = kept<Shared>(WORKSPACES);
    const shared = known.get(directory) ?? new Shared(directory, load);
    known.set(directory, shared);
    return shared;
  }

  /** An earlier instance of this directory has been closed in this process, or is closing. */
  get hasPredecessor(): boolean {
    return kept<Predecessor>(PREDECESSORS).has(this.#directory);
  }

  /**
   * Where the work of this directory is done: here, or, for a worktree, where its task belongs. Undefined while that is
   * not there: its instance was closed, and no other has begun.
   */
  async home(): Promise<Shared | undefined> {
    const homes = kept<string>(HOMES);
    const coming = kept<Promise<unknown>>(COMING);
    if (!this.#loading && !homes.has(this.#directory)) {
      while (coming.size > 0) await Promise.allSettled(coming.values());
    }
    const home = homes.get(this.#directory);
    return home === undefined ? this : kept<Shared>(WORKSPACES).get(home);
  }

  /** For the workspace of this directory. */
  get homes(): Homes {
    const [homes, coming] = [kept<string>(HOMES), kept<Promise<unknown>>(COMING)];
    return {
      claim: (folder) => void homes.set(folder, this.#directory),
      release: (folder) => void homes.delete(folder),
      during: async (making) => {
        const id = randomUUID();
        coming.set(id, making);
        try {
          return await making;
        } finally {
          coming.delete(id);
        }
      },
    };
  }

  /** Rejects, always with the same error, when it could not be loaded. */
  workspace(): Promise<Workspace> {
    if (!this.#loading) {
      const predecessors = kept<Predecessor>(PREDECESSORS);
      const predecessor = predecessors.get(this.#directory);
      predecessors.delete(this.#directory);
      this.#loading = this.#load(predecessor);
    }
    return this.#loading;
  }

  join(): symbol {
    const user = Symbol("user");
    this.#users.add(user);
    return user;
  }

  leads(user: symbol): boolean {
    return [...this.#users][0] === user;
  }

  /** The last one to leave ends what runs; what could not be ended in order is logged by the workspace. */
  async leave(user: symbol): Promise<void> {
    if (!this.#users.delete(user) || this.#users.size > 0) return;
    kept<Shared>(WORKSPACES).delete(this.#directory);
    if (!this.#loading) return;
    const closed = close(this.#loading);
    kept<Predecessor>(PREDECESSORS).set(this.#directory, closed);
    await closed;
  }
}

async function close(loading: Promise<Workspace>): Predecessor {
  const workspace = await loading.catch(() => undefined);
  const used = workspace?.notices.inUse() ?? [];
  // Its errors were logged, and the host has nothing to do about them.
  await workspace?.dispose().catch(() => undefined);
  return used;
}

function kept<T>(key: symbol): Map<string, T> {
  const known: unknown = Reflect.get(globalThis, key);
  if (isMap<T>(known)) return known;
  const created = new Map<string, T>();
  Reflect.set(globalThis, key, created);
  return created;
}

function isMap<T>(value: unknown): value is Map<string, T> {
  return value instanceof Map;
}
