/** What a running process is given by its manager; tests of the manager pass parts of their own. */
import type { ProcessIdentity, ProcessJob } from "../jobs/job.js";
import type { JobRegistry } from "../jobs/registry.js";
import type { Options } from "../options.js";
import type { Clock, Log } from "../ports.js";
import type { KillSystem, KillTree } from "../system/kill-tree.js";
import type { OutputFs } from "../output/log.js";
import type { PatternGuard } from "../output/pattern-guard.js";
import type { Probe } from "./readiness.js";
import type { Shell, SpawnFunction } from "../system/spawn.js";
import type { Watchdog } from "../system/watchdog.js";

/** A line that the session should hear of, or readiness that came after the start had returned. */
export type AnnouncementKind = "output" | "ready";

/** What is to be started. */
export interface LiveRequest {
  job: ProcessJob;
  shell: Shell;
  /** Where the output goes. */
  file: string;
  env: Readonly<Record<string, string>>;
  onReady: () => void;
  onNotify: (text: string) => void;
}

export interface LiveSystem extends KillSystem {
  isAlive(identity: ProcessIdentity): boolean;
}

export interface LiveDeps {
  jobs: JobRegistry;
  clock: Clock;
  log: Log;
  options: Options;
  env: NodeJS.ProcessEnv;
  instanceID: string;
  spawn: SpawnFunction;
  system: LiveSystem;
  killTree: KillTree;
  watchdog: Watchdog;
  guard: PatternGuard;
  /** Tells the session of a process; never throws. */
  announce: (id: string, kind: AnnouncementKind, text: string) => void;
  outputFs?: OutputFs;
  probe?: Probe;
}
