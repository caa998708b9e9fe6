/**
 * The workspace of one directory, for all that load the plugin there. It is loaded at its first use: the host waits
 * for a plugin until it has named its hooks and tools, and these need little of the code.
 *
 * The host also loads an instance anew inside one process (a change of the configuration, for one), and does not wait
 * until the old one has closed. The new one is then given what the old one leaves.
 */
import type { Predecessor, Workspace } from "./workspace.js";

export type Load = (predecessor: Predecessor | undefined) => Promise<Workspace>;

/** A second copy of this module must find what the first one keeps: a module variable would not do. */
const WORKSPACES = Symbol.for("opencode-background-manager/workspaces");
const PREDECESSORS = Symbol.for("opencode-background-manager/predecessors");

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
