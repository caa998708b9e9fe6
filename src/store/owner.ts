/**
 * Who owns a folder, and whether that owner still runs. Owns `owner.json` and the one judgement on which claims
 * rest: a folder is taken only from an owner that is known to be gone.
 */
import { readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { identity, type ProcessIdentity } from "../jobs/job.js";
import { waysOf } from "../platform.js";
import { hasEnded, identifyProcess } from "../system/identity.js";
import { errorCode } from "../ports.js";
import { parsedJson } from "../text.js";
import { diskFiles, readTextSync, saveSync, UnsafePath, type StoreFiles } from "./files.js";

const date = z.union([z.date(), z.iso.datetime().transform((text) => new Date(text))]);

export const owner = z.object({
  /** Absent when the system would not say. */
  identity: identity.optional(),
  /** The machine's name: another boot of the same machine is a restart, of another one is not ours to judge. */
  host: z.string(),
  /** Linux: which numbering of pids is meant (a container has its own); elsewhere empty. */
  pidNamespace: z.string(),
  /** Absolute; the directory whose jobs these are. */
  directory: z.string(),
  createdAt: date,
  pluginVersion: z.string(),
  /** Where it listens for other processes of its user, see control/; absent where there are no such sockets. */
  control: z.string().optional(),
  /** When the owner ended in order. */
  closedAt: date.optional(),
});
export type Owner = z.infer<typeof owner>;

/** Where and who we are: the part of an owner that belongs to the process. */
export type Self = Pick<Owner, "identity" | "host" | "pidNamespace">;

/** What is asked of the system; tests pass their own. */
export interface Processes {
  self(): Self;
  /** Only when that is known: a system that does not say proves nothing. */
  hasEnded(identity: ProcessIdentity): boolean;
}

export const systemProcesses: Processes = {
  self: () => ({
    identity: identifyProcess(process.pid),
    host: hostname(),
    pidNamespace: readPidNamespace(),
  }),
  hasEnded: (identity) => hasEnded(identity),
};

function readPidNamespace(): string {
  try {
    return readlinkSync("/proc/self/ns/pid");
  } catch {
    // Not Linux, or a kernel without namespaces: there is only one numbering.
    return "";
  }
}

/**
 * `elsewhere`: on another machine or in another container, or it cannot be told. Never taken for dead by its pid; a
 * folder that shows no sign of life for a day is (see `InstanceFolder.keepMarking`).
 */
export type OwnerState = "alive" | "dead" | "elsewhere";

export class Ownership {
  readonly #processes: Processes;
  #self: Self | undefined;
  /** Processes that were found alive. */
  readonly #alive = new Set<string>();

  constructor(processes: Processes = systemProcesses) {
    this.#processes = processes;
  }

  /** Asked of the system once: on Windows the answer takes half a second. */
  get self(): Self {
    this.#self ??= this.#processes.self();
    return this.#self;
  }

  /** The owner was an instance in the process that we run in. */
  isSelf({ identity: other }: Owner): boolean {
    const own = this.self.identity;
    if (!own || !other) return false;
    return (
      other.pid === own.pid && other.startTime === own.startTime && other.bootID === own.bootID
    );
  }

  stateOf({ identity: known, closedAt, host, pidNamespace }: Owner): OwnerState {
    if (closedAt) return "dead";
    const { self } = this;
    // Without our own identity we cannot conclude that another process has exited.
    if (!known || !self.identity) return "elsewhere";
    const { bootID } = self.identity;
    if (known.bootID !== bootID) {
      const restarted = host === self.host && known.bootID !== "" && bootID !== "";
      return restarted ? "dead" : "elsewhere";
    }
    if (pidNamespace !== self.pidNamespace) return "elsewhere";
    return this.#hasEnded(known) ? "dead" : "alive";
  }

  /**
   * Where the full question starts a program (half a second on Windows), of a process that was found alive it is only
   * asked whether its number still is in use.
   */
  #hasEnded(identity: ProcessIdentity): boolean {
    if (waysOf().processes === "/proc") return this.#processes.hasEnded(identity);
    const key = `${identity.pid} ${identity.startTime} ${identity.bootID}`;
    if (this.#alive.has(key) && pidExists(identity.pid)) return false;
    const hasEnded = this.#processes.hasEnded(identity);
    if (hasEnded) this.#alive.delete(key);
    else this.#alive.add(key);
    return hasEnded;
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

export const OWNER_FILE = "owner.json";

/** Throws the system's error (open, write, fsync, rename). */
export function writeOwner(folder: string, owner: Owner, files: StoreFiles = diskFiles): void {
  saveSync(files, join(folder, OWNER_FILE), JSON.stringify(owner, undefined, 2));
}

/** Undefined when there is none, or none that can be read: for those who only show it. */
export function tryReadOwner(folder: string): Owner | undefined {
  try {
    return readOwnerOrThrow(folder);
  } catch {
    // It cannot be read just now.
    return undefined;
  }
}

/** A non-file in its place is permanent, not transient. */
const NO_FILE = new Set(["ENOENT", "ELOOP", "EMLINK", "EISDIR"]);

/**
 * For a claim. Undefined when there is none: its owner was killed before it was written, or it is broken. Throws
 * the system's error when it cannot be read just now (rights, open files, a disk's fault): its owner may live.
 */
export function readOwnerOrThrow(folder: string): Owner | undefined {
  let text: string;
  try {
    text = readTextSync(join(folder, OWNER_FILE));
  } catch (thrown) {
    if (thrown instanceof UnsafePath || NO_FILE.has(errorCode(thrown) ?? "")) return undefined;
    throw thrown;
  }
  // When it is broken, the folder's age decides.
  return owner.safeParse(parsedJson(text)).data;
}
