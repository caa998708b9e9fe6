/** What a `BackgroundProcessManager` is given, and what it makes of it for its processes. */
import { randomBytes } from "node:crypto";
import type { ProcessJob } from "../jobs/job.js";
import type { JobRegistry } from "../jobs/registry.js";
import type { NoticePort } from "../notices/port.js";
import type { Options } from "../options.js";
import { coerceError, type Clock, type Log } from "../ports.js";
import { isAlive } from "../system/identity.js";
import { chooseKillTree, systemForKill } from "../system/kill-tree.js";
import type { AnnouncementKind, LiveDeps, LiveSystem } from "./live-deps.js";
import type { OutputFs } from "../output/log.js";
import { PatternGuard } from "../output/pattern-guard.js";
import type { Probe } from "./readiness.js";
import { systemSpawn, type SpawnFunction } from "../system/spawn.js";
import { Watchdog } from "../system/watchdog.js";

export interface ProcessManagerDeps {
  jobs: JobRegistry;
  clock: Clock;
  log: Log;
  options: Options;
  /** Absolute; made (0700) when the first output is written. Each output is `PROCESS_ID.log` in it. */
  outputFolder: () => string;
  /** What it throws is logged. */
  announce: (job: ProcessJob, kind: AnnouncementKind, text: string) => void;
  /** See NoticePort; left out where nobody is told of ends. */
  hold?: NoticePort["hold"];
  /** A process is started for this session: it is in use, and may be woken. */
  used?: (sessionID: string) => void;
  /** The environment that processes inherit, and in which the shell is looked up; `process.env` by default. */
  env?: NodeJS.ProcessEnv;
  /** For tests: parts of the system. */
  spawn?: SpawnFunction;
  system?: LiveSystem;
  outputFs?: OutputFs;
  probe?: Probe;
  watchdog?: Watchdog;
}

export function buildDeps(deps: ProcessManagerDeps): LiveDeps {
  const { jobs, clock, log, options, outputFs, probe, env = process.env } = deps;
  const instanceID = randomBytes(8).toString("hex");
  const system: LiveSystem = deps.system ?? {
    ...systemForKill(clock),
    isAlive: (identity) => isAlive(identity),
  };
  return {
    jobs,
    clock,
    log,
    options,
    env,
    instanceID,
    spawn: deps.spawn ?? systemSpawn,
    system,
    killTree: chooseKillTree(system),
    watchdog: deps.watchdog ?? new Watchdog({ clock, log, instanceID, env }),
    guard: new PatternGuard(clock),
    announce: (id, kind, text) => announce(deps, id, kind, text),
    outputFs,
    probe,
  };
}

function announce(deps: ProcessManagerDeps, id: string, kind: AnnouncementKind, text: string) {
  const job = deps.jobs.getProcess(id);
  if (!job) return;
  try {
    deps.announce(job, kind, text);
  } catch (thrown) {
    const error = coerceError(thrown).message;
    deps.log("error", "a line of output could not be announced", { id, error });
  }
}
