/**
 * Control groups (cgroup v2, Linux): for each run of a process a directory of the kernel's in which it and all that it
 * starts are held, whatever they do to hide; it is left only by a process that moves itself. The shell moves itself
 * before it becomes the user's (`spawn.ts`), because the kernel takes some 10 ms for a move and what a shell starts
 * meanwhile would stay outside.
 *
 * Ours lie below the group that we run in ourselves, where that can be written:
 * OWN/opencode-background.INSTANCE.PID.START for each instance, with the number and the start of its OpenCode, and
 * below it JOB.RUN for each run. All are removed when they are empty. What makes, removes or ends a group waits in the
 * kernel for moves that are under way, so it is asynchronous, and a shell waits for its folder itself; who is in a
 * group is read at once.
 *
 * Where none can be made, or a move fails, processes run without one, and why is said.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { mkdir, rmdir, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { waysOf } from "../platform.js";
import { coerceError, errorCode, logFailure, type Clock, type Log } from "../ports.js";
import { identifyProcess } from "./identity.js";
import { isInside } from "./inside.js";

/** What this module does with files; tests pass faults. */
export type GroupFiles = typeof systemGroupFiles;

export const systemGroupFiles = {
  read: (file: string) => readFileSync(file, "latin1"),
  /** The names of the folders in a folder. */
  folders: (folder: string) =>
    readdirSync(folder, { withFileTypes: true }).flatMap((each) =>
      each.isDirectory() ? [each.name] : [],
    ),
  /** Whether a folder belongs to the user that we are. */
  isOwn: (folder: string) => statSync(folder).uid === process.geteuid?.(),
  /** With the folders above it. */
  make: (folder: string): Promise<unknown> => mkdir(folder, { recursive: true }),
  remove: (folder: string) => rmdir(folder),
  write: (file: string, text: string) => writeFile(file, text, { flag: "r+" }),
};

/** The folder of the group that we run in, or why no group can be made there. */
export type Home = { folder: string } | { why: string };

/** Whether groups can be made by this process, tried once; for people. */
export async function tryControlGroups(
  files: GroupFiles = systemGroupFiles,
  platform?: NodeJS.Platform,
): Promise<Home> {
  const home = findHome(files, platform);
  if ("why" in home) return home;
  const folder = join(home.folder, `${PREFIX}try.${process.pid}`);
  try {
    await files.make(folder);
    await files.remove(folder);
    return home;
  } catch (thrown) {
    return { why: coerceError(thrown).message };
  }
}

const PREFIX = "opencode-background.";
/** Of an instance: PREFIX, then its id, the number of its OpenCode and when that was started. */
const INSTANCE = /^opencode-background\.[0-9a-f]+\.(\d+)\.(\d+)$/u;

function findHome(files: GroupFiles, platform?: NodeJS.Platform): Home {
  if (waysOf(platform).processes !== "/proc") return { why: "only Linux has control groups" };
  try {
    const own = /^0::(\/.*)$/mu.exec(files.read("/proc/self/cgroup"))?.[1];
    if (own === undefined) return { why: "this system has no cgroup v2" };
    // It is above all that this container shows.
    if (own.startsWith("/..")) return { why: "our own group is not shown here" };
    const folder = mountsIn(files.read("/proc/self/mountinfo")).flatMap(({ root, at }) =>
      isInside(root, own) ? [join(at, relative(root, own))] : [],
    )[0];
    if (folder === undefined) return { why: "our own group is in no cgroup v2 that is mounted" };
    // Lines to the watchdog and paths to shells: none that could be taken for two.
    if (/\s/u.test(folder)) return { why: `the path of our own group has white space: ${folder}` };
    if (orWhenGone(undefined, () => files.folders(OOMD))) {
      return { why: "systemd-oomd runs, which would not see what is in groups of ours" };
    }
    // Fails for a threaded group, which holds no processes.
    const pids = files.read(join(folder, "cgroup.procs")).split("\n");
    return pids.includes(`${process.pid}`)
      ? { folder }
      : { why: `${folder} does not list this process` };
  } catch (thrown) {
    return { why: coerceError(thrown).message };
  }
}

/**
 * What runs out of memory is ended by systemd-oomd by its group: one without groups below it, and with a memory
 * controller, which ours cannot have beside processes in the group above. It would end another program in their place.
 */
const OOMD = "/run/systemd/oom";

/** Where cgroup v2 is mounted, and what of it; of /proc/self/mountinfo. */
function mountsIn(mountInfo: string): { root: string; at: string }[] {
  return mountInfo.split("\n").flatMap((line) => {
    const [, , , root, at] = line.split(" ");
    return root && at && / - cgroup2 /u.test(line) ? [{ root: plain(root), at: plain(at) }] : [];
  });
}

/** White space and backslashes are written as octal numbers. */
function plain(path: string): string {
  return path.replaceAll(/\\([0-7]{3})/gu, (_all, code: string) =>
    String.fromCharCode(Number.parseInt(code, 8)),
  );
}

/** The group of one run. */
export class ControlGroup {
  readonly path: string;
  readonly #files: GroupFiles;
  #wasEntered = false;

  readonly #made: Promise<unknown>;

  /** `made` resolves when its folder is there, or cannot be made. */
  constructor(
    path: string,
    files: GroupFiles = systemGroupFiles,
    made: Promise<unknown> = Promise.resolve(),
  ) {
    this.path = path;
    this.#files = files;
    this.#made = made;
  }

  /** Who is in it and in the groups below it; throws when the system does not say. */
  pids(): number[] {
    return this.#all().flatMap((folder) =>
      orWhenGone("", () => this.#readPids(folder))
        .split("\n")
        // 0: of a process that our own numbers do not reach.
        .flatMap((line) => (Number(line) > 0 ? [Number(line)] : [])),
    );
  }

  #readPids(folder: string): string {
    try {
      return this.#files.read(join(folder, "cgroup.procs"));
    } catch (thrown) {
      // Made threaded by its own processes, it shows threads only; the first of each has the number of its process.
      if (!isCode(thrown, ["EOPNOTSUPP", "ENOTSUP"])) throw thrown;
      return this.#files.read(join(folder, "cgroup.threads"));
    }
  }

  /** No process lives in it, nor below; throws when the system does not say. */
  isEmpty(): boolean {
    const events = orWhenGone("populated 0", () =>
      this.#files.read(join(this.path, "cgroup.events")),
    );
    return /^populated 0$/mu.test(events);
  }

  /** A process is in it or has been: the shell has moved itself. Throws when the system does not say. */
  wasEntered(): boolean {
    this.#wasEntered ||= !this.isEmpty() || this.#hasRun();
    return this.#wasEntered;
  }

  #hasRun(): boolean {
    const used = orWhenGone("", () => this.#files.read(join(this.path, "cpu.stat")));
    return Number(/^usage_usec (\d+)$/mu.exec(used)?.[1] ?? 0) > 0;
  }

  /** SIGKILL to all in it at once, but not when one of these is among them. False where the system has none. */
  async kill(never: readonly number[]): Promise<boolean> {
    try {
      const pids = this.pids();
      if (never.some((pid) => pids.includes(pid))) return false;
      await this.#files.write(join(this.path, "cgroup.kill"), "1");
      return true;
    } catch {
      // Linux before 5.14, or it is gone: each is killed by its number, and what lives after that is named.
      return false;
    }
  }

  /** With the groups below it. False: it is still in use. Throws for any other reason that it is still there. */
  async remove(): Promise<boolean> {
    await this.#made;
    for (let tries = 1; ; tries += 1) {
      try {
        for (const folder of this.#all().toReversed()) {
          await this.#files.remove(folder).catch(ignoring(GONE));
        }
        return true;
      } catch (thrown) {
        if (!isCode(thrown, IN_USE)) throw thrown;
        // The kernel may count one that has just ended for a moment.
        if (tries === TRIES) return false;
      }
      // A timer that keeps the process awake: our clock's do not.
      await sleep(PAUSE_MILLISECONDS);
    }
  }

  /** Itself first, each before those below it. */
  #all(): string[] {
    const found = [this.path];
    for (const folder of found) {
      const below = orWhenGone([], () => this.#files.folders(folder));
      for (const name of below) found.push(join(folder, name));
    }
    return found;
  }
}

const TRIES = 20;
const PAUSE_MILLISECONDS = 5;

const GONE = ["ENOENT", "ENODEV"];
const IN_USE = ["EBUSY", "ENOTEMPTY"];

function orWhenGone<T>(instead: T, read: () => T): T {
  try {
    return read();
  } catch (thrown) {
    if (isCode(thrown, GONE)) return instead;
    throw thrown;
  }
}

function isCode(thrown: unknown, codes: readonly string[]): boolean {
  return codes.includes(errorCode(thrown) ?? "");
}

function ignoring(codes: readonly string[]): (thrown: unknown) => void {
  return (thrown) => {
    if (!isCode(thrown, codes)) throw thrown;
  };
}

/**
 * The group that an earlier OpenCode recorded for a job, if that can be one: it has a name of ours with this job's id,
 * is mounted, and belongs to our user.
 */
export function recordedGroup(
  { id, controlGroup }: { id: string; controlGroup?: string | undefined },
  files: GroupFiles = systemGroupFiles,
): ControlGroup | undefined {
  if (controlGroup === undefined || waysOf().processes !== "/proc") return undefined;
  const [job, run, ...more] = basename(controlGroup).split(".");
  const isNamed = job === id && /^\d+$/u.test(run ?? "") && more.length === 0;
  // As it is written: without "..".
  if (!isNamed || join(controlGroup) !== controlGroup) return undefined;
  if (!INSTANCE.test(basename(dirname(controlGroup)))) return undefined;
  try {
    const mounts = mountsIn(files.read("/proc/self/mountinfo"));
    const isMounted = mounts.some(({ at }) => isInside(at, controlGroup));
    if (!isMounted || !files.isOwn(controlGroup)) return undefined;
    return new ControlGroup(controlGroup, files);
  } catch {
    // It is gone, as it should be; or it cannot be looked at, and then the job is found without it.
    return undefined;
  }
}

/** While a process is moved none is started on the whole machine: a flood of starts goes without after so many. */
const MOVES_AT_ONCE = 8;
/** In which one more may follow. */
const MOVE_MILLISECONDS = 250;

interface ControlGroupsDeps {
  instanceID: string;
  clock: Clock;
  log: Log;
  files?: GroupFiles;
}

/** Those of an instance. */
export class ControlGroups {
  readonly #deps: ControlGroupsDeps;
  readonly #files: GroupFiles;
  readonly #removals = new Set<Promise<void>>();
  #folder: string | undefined;
  #isTried = false;
  #canMake = false;
  /** How many may follow now, as of the last. */
  #moves = MOVES_AT_ONCE;
  #lastMove = 0;

  constructor(deps: ControlGroupsDeps) {
    this.#deps = deps;
    this.#files = deps.files ?? systemGroupFiles;
  }

  /** All of the instance's lie below it; undefined: none can be made, or was not tried yet. */
  get folder(): string | undefined {
    return this.#folder;
  }

  /** Ask before each `open`. False where none can be made, and in a flood of starts. */
  mayOpen(): boolean {
    if (!this.#isTried) this.#find();
    return this.#folder !== undefined && this.#mayMove();
  }

  /**
   * That of a run that is about to begin; undefined where none can be made. Its folder may be there a moment later:
   * only the first is waited for. Never rejects.
   */
  async open(jobID: string, run: number): Promise<ControlGroup | undefined> {
    const folder = this.#folder;
    if (folder === undefined) return undefined;
    const path = join(folder, `${jobID}.${run}`);
    const made = this.#make(path);
    const group = new ControlGroup(path, this.#files, made);
    return this.#canMake || (await made) ? group : undefined;
  }

  /** A shell did not get into its group: none is tried any more. */
  failed(group: ControlGroup): void {
    this.#folder = undefined;
    const { log } = this.#deps;
    log("warn", "a shell could not move into its control group: processes run without", {
      path: group.path,
    });
  }

  /** Its run is over: removed when it is empty, with the instance's when that was the last. */
  release(group: ControlGroup): void {
    const { log } = this.#deps;
    const removal = this.#remove(group).catch(
      logFailure(log, "warn", "a control group could not be removed", { path: group.path }),
    );
    this.#removals.add(removal);
    void removal.finally(() => this.#removals.delete(removal));
  }

  /** Resolves when what was released is removed. Never rejects. */
  async close(): Promise<void> {
    await Promise.all(this.#removals);
  }

  #mayMove(): boolean {
    const now = this.#deps.clock.monotonic();
    const since = now - this.#lastMove;
    this.#moves = Math.min(MOVES_AT_ONCE, this.#moves + since / MOVE_MILLISECONDS);
    this.#lastMove = now;
    if (this.#moves < 1) return false;
    this.#moves -= 1;
    return true;
  }

  #find(): void {
    this.#isTried = true;
    const { instanceID, log } = this.#deps;
    const home = findHome(this.#files);
    const self = identifyProcess(process.pid);
    if ("why" in home || !self) {
      const why = "why" in home ? home.why : "this process cannot be identified";
      log("debug", "no control groups", { why });
      return;
    }
    this.#folder = join(home.folder, `${PREFIX}${instanceID}.${self.pid}.${self.startTime}`);
    const message = "control groups of earlier OpenCodes could not be removed";
    this.#removals.add(this.#clean(home.folder).catch(logFailure(log, "debug", message)));
  }

  async #make(path: string): Promise<boolean> {
    const files = this.#files;
    try {
      await files.make(path).catch((thrown: unknown) => {
        // The run before may have taken the instance's folder away in the middle of it.
        if (!isCode(thrown, GONE)) throw thrown;
        return files.make(path);
      });
      this.#canMake = true;
      return true;
    } catch (thrown) {
      this.#folder = undefined;
      const error = coerceError(thrown).message;
      this.#deps.log("info", "no control group can be made: processes run without", { error });
      return false;
    }
  }

  async #remove(group: ControlGroup): Promise<void> {
    if (!(await group.remove())) return;
    // In use: another run has its own there.
    await this.#files.remove(dirname(group.path)).catch(ignoring([...GONE, ...IN_USE]));
  }

  /** What other OpenCodes left that are gone, as far as it is empty. */
  async #clean(home: string): Promise<void> {
    for (const name of this.#files.folders(home)) {
      const [, pid, startTime] = INSTANCE.exec(name) ?? [];
      if (pid === undefined || identifyProcess(Number(pid))?.startTime === startTime) continue;
      await new ControlGroup(join(home, name), this.#files).remove();
    }
  }
}
