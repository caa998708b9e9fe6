/**
 * The workspace of one directory, for everyone who loads the plugin there. It is loaded at its first use: the host
 * waits for a plugin until it has named its hooks and tools, and these need little of the code.
 */
import type { Workspace } from "./workspace.js";

export type Load = () => Promise<Workspace>;

/** A second copy of this module must find the first one's workspaces: a module variable would not do. */
const REGISTRY = Symbol.for("opencode-background-manager/workspaces");

export class Shared {
  /** Everyone who loaded the plugin; the first one handles the events. */
  readonly #users = new Set<symbol>();
  readonly #load: Load;
  readonly #forget: () => void;
  #loading: Promise<Workspace> | undefined;

  private constructor(load: Load, forget: () => void) {
    this.#load = load;
    this.#forget = forget;
  }

  /** The one that is there for this directory, else a new one; `load` is asked at most once. */
  static of(directory: string, load: Load): Shared {
    const known = registry();
    const shared = known.get(directory) ?? new Shared(load, () => known.delete(directory));
    known.set(directory, shared);
    return shared;
  }

  /** Rejects, always with the same error, when it could not be loaded. */
  workspace(): Promise<Workspace> {
    this.#loading ??= this.#load();
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

  /** The last one to leave ends what runs. */
  async leave(user: symbol): Promise<void> {
    if (!this.#users.delete(user) || this.#users.size > 0) return;
    this.#forget();
    const workspace = await this.#loading?.catch(() => undefined);
    await workspace?.dispose();
  }
}

function registry(): Map<string, Shared> {
  const known: unknown = Reflect.get(globalThis, REGISTRY);
  if (isRegistry(known)) return known;
  const created = new Map<string, Shared>();
  Reflect.set(globalThis, REGISTRY, created);
  return created;
}

function isRegistry(value: unknown): value is Map<string, Shared> {
  return value instanceof Map;
}
