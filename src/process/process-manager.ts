/**
 * The processes of one OpenCode instance: the public face of the process room. (Interface first; see types.ts.)
 */
import type { JobFilter } from "../jobs/filter.js";
import type { ProcessJob } from "../jobs/job.js";
import type { JobRegistry } from "../jobs/registry.js";
import type { Options } from "../options.js";
import type { Clock, Log } from "../ports.js";
import type {
  CreateInput,
  CreateOptions,
  CreateResult,
  KillOptions,
  KillReport,
  ReadRequest,
  ReadResult,
  StreamOptions,
  StreamPiece,
} from "./types.js";

export type * from "./types.js";

export interface ProcessManagerDeps {
  jobs: JobRegistry;
  clock: Clock;
  log: Log;
  options: Options;
  /** Absolute; created (0700) when the first output is written. */
  outputFolder: () => string;
  /** A line that the session should hear of (`output`), or readiness that came after `create` returned (`ready`). */
  announce: (job: ProcessJob, kind: "output" | "ready", text: string) => void;
  /** The environment that processes inherit; `process.env` by default. */
  env?: NodeJS.ProcessEnv;
}

export class BackgroundProcessManager {
  constructor(deps: ProcessManagerDeps) {
    void deps;
  }

  /** Throws the `UserError` that `create` would throw for these arguments; nothing is started. */
  check(input: Omit<CreateInput, "parentSessionID" | "rootSessionID">): void {
    throw new Error("not yet", { cause: input });
  }

  /**
   * A process record of an earlier host, already in the registry: one that ran is ended (if it is still the same
   * process it is killed, else only reported) and becomes failed, interrupted.
   */
  recover(job: ProcessJob): void {
    throw new Error("not yet", { cause: job });
  }

  create(input: CreateInput, options?: CreateOptions): Promise<CreateResult> {
    throw new Error("not yet", { cause: [input, options] });
  }

  get(id: string): ProcessJob | undefined {
    throw new Error("not yet", { cause: id });
  }

  list(filter?: JobFilter): ProcessJob[] {
    throw new Error("not yet", { cause: filter });
  }

  /** Throws `UserError` on an empty filter, and kills nothing. */
  kill(filter: JobFilter, options: KillOptions): Promise<KillReport> {
    throw new Error("not yet", { cause: [filter, options] });
  }

  /** Throws `UserError` for an unknown id, a wrong pattern or cursor, or a pattern that takes too long. */
  read(id: string, request?: ReadRequest): Promise<ReadResult> {
    throw new Error("not yet", { cause: [id, request] });
  }

  stream(id: string, options?: StreamOptions): AsyncIterable<StreamPiece> {
    throw new Error("not yet", { cause: [id, options] });
  }

  /** `session.deleted`: ends what belongs to this session or, as its root, to its tree; global ones go on. */
  cleanupSession(sessionID: string): Promise<KillReport> {
    throw new Error("not yet", { cause: sessionID });
  }

  /** Ends everything and lets go of everything. Idempotent: a second call gives the same promise. */
  dispose(): Promise<void> {
    throw new Error("not yet");
  }

  /** Synchronous, for `exit` and signals: SIGTERM to every group, records ended as host_exit; the watchdog does the rest. */
  killAllNow(): void {
    throw new Error("not yet");
  }

  /** Removes ended records and outputs beyond `keepEnded`, `keepDays` and `totalOutputLimit`. Done after every end. */
  prune(): void {
    throw new Error("not yet");
  }
}
