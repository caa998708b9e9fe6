/**
 * The one way in which processes are ended. SIGTERM to each process of the job once (`Sigterm`), a grace, SIGKILL to
 * the group and to the control group, where there is one, then a sweep: SIGKILL to each process that carries the job's
 * marker or descends from one that belongs to it, again and again until several looks in a row find none and the
 * control group is empty. It returns only then, and names what is left.
 *
 * No other process is ever signalled: not pid 0 or 1, not this process, its parent or its group, and no group whose
 * leader is not the process that was recorded. One that an earlier host recorded must besides carry the job's marker
 * (on Linux, where that can be read) or run as our own user: the store has checked that the record was written by
 * that user.
 *
 * A list of processes that cannot be read (no descriptor is free, `ps` fails) keeps no signal from the group: the
 * group then counts as alive for as long as the system knows its number, and the outcome says what was not seen.
 */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { ProcessIdentity } from "../jobs/job.js";
import { waysOf } from "../platform.js";
import { type Clock, errorCode } from "../ports.js";
import { pause } from "../time.js";
import { hasEnded, identifyProcess, isOwnUser } from "./identity.js";
import { JobMembers, type MembersTarget } from "./members.js";
import { type ProcessEntry, type ProcessNote, systemTable } from "./process-table.js";
import { Scanner } from "./scan.js";
import { isShell } from "./spawn.js";

/** The number of its shell is 0 where it is not known: only the marker counts then. */
export interface KillTarget extends Omit<MembersTarget, "startTime"> {
  /** How the system knew it when it was started. */
  identity: ProcessIdentity | undefined;
  /** We started it and have seen all of it: its group is ours also when the shell itself has ended. */
  held: boolean;
  /** Who of it got SIGTERM from an earlier kill. */
  sigterm?: Sigterm;
}

export interface KillOutcome {
  /** SIGKILL was needed. */
  forced: boolean;
  survivors: ProcessNote[];
  /** The number belongs to another process by now: the group was left alone. */
  foreign: boolean;
  /** Why others than these survivors may be alive: the processes could not be looked up. */
  unverified?: string;
  /** Alive, and perhaps of this job: they hide where they came from, and were left alone. */
  mayBeLeft?: ProcessNote[];
}

/** Adds to what is said of a job's end, if anything is, that others may have survived it. */
export function withUnverified(said: string | undefined, unverified: string | undefined) {
  if (unverified === undefined) return said;
  const words = `who survived could not be verified: ${unverified}`;
  return said === undefined ? words : `${said}; ${words}`;
}

export type KillTree = (target: KillTarget, graceMilliseconds: number) => Promise<KillOutcome>;

export type KillSystem = ReturnType<typeof systemForKill>;

export function systemForKill(clock: Clock) {
  const table = systemTable();
  return {
    platform: process.platform,
    table,
    scanner: new Scanner(table),
    clock,
    /** As `process.kill`: a negative number means a group, 0 only asks; throws ESRCH and EPERM. */
    kill: (pid: number, signal: NodeJS.Signals | 0): void => void process.kill(pid, signal),
    identify: (pid: number) => identifyProcess(pid),
    /** False also when the system does not say. */
    hasEnded: (identity: ProcessIdentity) => hasEnded(identity),
    /** Whether this process runs as the user that we are; false when the system does not say. */
    isOwnUser: (pid: number) => isOwnUser(pid),
    /** Runs a program to its end; never rejects for its exit code. */
    run: (file: string, args: readonly string[]) =>
      new Promise<void>((resolve) => {
        execFile(file, args, { windowsHide: true, timeout: 5_000 }, () => resolve());
      }),
    env: process.env,
    self: { pid: process.pid, parent: process.ppid },
  };
}

/** How long SIGKILL and the sweep may take before survivors are named. */
const SWEEP_MILLISECONDS = 2000;

export function chooseKillTree(system: KillSystem): KillTree {
  const chosen = waysOf(system.platform).hasProcessGroups ? killGroup : killWithTaskkill;
  return (target, grace) => chosen(system, target, grace);
}

/** Throws when the target is nothing that we may end. */
export function assertKillable(
  { pid, held }: Pick<KillTarget, "pid" | "held">,
  system: Pick<KillSystem, "self" | "table">,
): void {
  const { self } = system;
  const isWrong = !Number.isInteger(pid) || pid <= 1 || pid === self.pid || pid === self.parent;
  if (isWrong || pid === ownGroup(system, held)) {
    throw new Error(`refusing to signal process group ${pid}: it is not one of ours`);
  }
}

/** What we started leads a group of its own: of such a one the system need not say which group we are in. */
function ownGroup({ self, table }: Pick<KillSystem, "self" | "table">, held: boolean) {
  try {
    return table.entry(self.pid)?.group;
  } catch (thrown) {
    if (held) return undefined;
    throw thrown;
  }
}

/**
 * Without waiting, for a host that is going and has no watchdog: SIGTERM to the group, or the tree's end; nothing
 * when it is not ours.
 */
export function terminateNow(system: KillSystem, target: KillTarget): void {
  if (!waysOf(system.platform).hasProcessGroups) {
    void killWithTaskkill(system, target);
    return;
  }
  if (!isGroupOurs(system, target)) return;
  assertKillable(target, system);
  if (target.sigterm?.takeGroup(target.pid) ?? true) signal(system, -target.pid, "SIGTERM");
}

async function killGroup(
  system: KillSystem,
  target: KillTarget,
  grace: number,
): Promise<KillOutcome> {
  const ours = isGroupOurs(system, target);
  if (ours) assertKillable(target, system);
  const members = membersOf(system, target, ours);
  // A timer that keeps the process awake: our clock's do not, and a kill that was begun is finished.
  const awake = setInterval(() => undefined, 60_000);
  try {
    const forced = !(await endsInTime(system, target, members, { ours, grace }));
    if (forced) {
      if (isGroupOurs(system, target)) signal(system, -target.pid, "SIGKILL");
      await strikeInside(system, target);
    }
    const survivors = await sweep(system, target, members);
    const { problem: unverified } = members;
    const mayBeLeft = members.mayBelong();
    const outcome = {
      forced,
      survivors,
      foreign: !ours,
      ...(mayBeLeft.length > 0 && { mayBeLeft }),
    };
    if (unverified === undefined) return outcome;
    if (ours && survivors.length === 0 && groupExists(system, target.pid)) {
      survivors.push({ pid: target.pid, command: `a process of group ${target.pid}` });
    }
    return { ...outcome, unverified };
  } finally {
    clearInterval(awake);
  }
}

/** Whether SIGTERM was enough. */
async function endsInTime(
  system: KillSystem,
  target: KillTarget,
  members: JobMembers,
  { ours, grace }: { ours: boolean; grace: number },
): Promise<boolean> {
  const { clock } = system;
  const { sigterm = new Sigterm(), pid } = target;
  const begin = clock.monotonic();
  for (let time = FIRST_PAUSE; ; time = Math.min(LONGEST_PAUSE, time * 2)) {
    const found = await members.find();
    const isUnseen = members.problem !== undefined;
    const isGone = !isUnseen || (ours && !groupExists(system, pid));
    if (found.length === 0 && isGone) return true;
    const past = clock.monotonic() - begin;
    const isLate = past >= grace / 2;
    if (isUnseen && ours && sigterm.takeGroup(pid)) signal(system, -pid, "SIGTERM");
    const due = sigterm.take(found, pid, isLate);
    for (const each of due) signal(system, each, "SIGTERM");
    if (past >= grace) return false;
    // What they have started gets it when they have ended.
    if (due.length > 0) time = FIRST_PAUSE;
    await pause(clock, Math.min(time, (isLate ? grace : grace / 2) - past));
  }
}

/** The processes of a target, as this system shows them; `withGroup` when its group is ours. */
export function membersOf(
  system: KillSystem,
  { pid, identity, jobID, forksBefore, controlGroup }: KillTarget,
  withGroup: boolean,
): JobMembers {
  const isSinceBoot = identity?.bootID === system.identify(system.self.pid)?.bootID;
  const startTime = isSinceBoot ? identity?.startTime : undefined;
  return new JobMembers(system, { pid, jobID, startTime, forksBefore, controlGroup }, withGroup);
}

/** A number is reused only after its group has died out: while our own leader lives or was just seen, it is ours. */
export function isGroupOurs(system: KillSystem, target: KillTarget): boolean {
  const { pid, identity, held } = target;
  const now = system.identify(pid);
  if (!now || !identity) return held;
  if (now.startTime !== identity.startTime || now.bootID !== identity.bootID) return false;
  return held || isTrusted(system, target);
}

/** What a record says is acted upon only when the process itself says the same, or could have been started by us. */
function isTrusted(system: KillSystem, { pid, jobID }: KillTarget): boolean {
  if (waysOf(system.platform).processes !== "/proc" || system.isOwnUser(pid)) return true;
  try {
    return system.table.jobsOf(pid)?.includes(jobID) ?? false;
  } catch {
    // It could not be read: it has not said so.
    return false;
  }
}

/** A process that has ended is of the group until its parent asks for the exit code. */
function groupExists(system: KillSystem, group: number): boolean {
  try {
    system.kill(-group, 0);
    return true;
  } catch (thrown) {
    return errorCode(thrown) !== "ESRCH";
  }
}

/** Between two looks at what SIGTERM has ended, in milliseconds; doubled while nothing happens. */
const FIRST_PAUSE = 5;
const LONGEST_PAUSE = 100;

/** Three clean looks in a row: a process in the middle of fork or exec can hide from one. */
const CLEAN_LOOKS = 3;
/** Between two looks at a list of processes that cannot be read. */
const BLIND_MILLISECONDS = 100;

/** All in its control group at once; where the system cannot, the sweep kills each. */
async function strikeInside({ self }: KillSystem, { controlGroup }: KillTarget): Promise<void> {
  await controlGroup?.kill([self.pid, self.parent]);
}

async function sweep(
  system: KillSystem,
  target: KillTarget,
  members: JobMembers,
): Promise<ProcessNote[]> {
  const end = system.clock.monotonic() + SWEEP_MILLISECONDS;
  for (let clean = 0; clean < CLEAN_LOOKS && system.clock.monotonic() < end;) {
    const isClean = await members.strike((pid) => signal(system, pid, "SIGKILL"));
    clean = isClean ? clean + 1 : 0;
    if (!isClean) await strikeInside(system, target);
    // A system that cannot be asked is given time; a process that forks is not.
    await (members.problem === undefined ? nextTurn() : pause(system.clock, BLIND_MILLISECONDS));
  }
  return members.notes();
}

/** The tree must be whole for `taskkill /T` to find it, so this comes before any other signal. */
async function killWithTaskkill(system: KillSystem, target: KillTarget): Promise<KillOutcome> {
  const { env, self } = system;
  if (target.pid <= 1 || target.pid === self.pid || target.pid === self.parent) {
    throw new Error(`refusing to end process ${target.pid}: it is not one of ours`);
  }
  const hasEnded = () => target.identity !== undefined && system.hasEnded(target.identity);
  const unverified = "Windows did not say whether the shell has ended";
  if (!isGroupOurs(system, target)) {
    const outcome = { forced: false, survivors: [], foreign: true };
    return hasEnded() ? outcome : { ...outcome, unverified };
  }
  const root = env["SystemRoot"] ?? env["SYSTEMROOT"] ?? "C:\\Windows";
  const taskkill = join(root, "System32", "taskkill.exe");
  await system.run(taskkill, ["/PID", String(target.pid), "/T", "/F"]);
  const now = system.identify(target.pid);
  const isLeft = now !== undefined && now.startTime === target.identity?.startTime;
  const survivors = isLeft ? [{ pid: target.pid, command: `pid ${target.pid}` }] : [];
  const outcome = { forced: true, survivors, foreign: false };
  return isLeft || hasEnded() ? outcome : { ...outcome, unverified };
}

function signal(system: KillSystem, pid: number, name: NodeJS.Signals): void {
  try {
    system.kill(pid, name);
  } catch (thrown) {
    const code = errorCode(thrown);
    // ESRCH: it has ended meanwhile. EPERM: another user's (sudo); it stays in the list of survivors.
    if (code !== "ESRCH" && code !== "EPERM") throw thrown;
  }
}

/**
 * Who of a job gets SIGTERM, and when: each process once. The shell and what it started itself get it at once; any
 * other process when its parent has ended, or after half the grace. Wrappers that hand a signal on (npm, nodemon,
 * `node --watch`, timeout) would otherwise double it, which many programs take for "end now, unsaved".
 *
 * A shell that has become the command (`exec`, and the last command of `bash -c`) is that command: what it started is
 * its own affair until it has ended.
 */
export class Sigterm {
  /** By number, with their start. */
  readonly #told = new Map<number, string>();
  readonly #onTold: (pids: readonly number[]) => void;
  #group: number | undefined;

  /** `onTold` hears who is about to get it. */
  constructor(onTold: (pids: readonly number[]) => void = () => undefined) {
    this.#onTold = onTold;
  }

  /** A group got it as a whole, because its members could not be seen. False when it had got it before. */
  takeGroup(group: number): boolean {
    if (this.#group === group || this.#told.size > 0) return false;
    this.#group = group;
    return true;
  }

  /** Those who get it now. `members` are all that are alive, `shell` is the number of the one that leads them. */
  take(members: readonly ProcessEntry[], shell: number, isLate: boolean): number[] {
    const alive = new Map(members.map((entry) => [entry.pid, entry]));
    const leader = alive.get(shell);
    const startsOthers = leader !== undefined && isShell(leader.name);
    const due = members.filter((entry) => {
      const { pid, parent, startTime, group } = entry;
      if (group === this.#group || this.#told.get(pid) === startTime) return false;
      return isLate || pid === shell || !alive.has(parent) || (startsOthers && parent === shell);
    });
    for (const { pid, startTime } of due) this.#told.set(pid, startTime);
    const pids = due.map(({ pid }) => pid);
    if (pids.length > 0) this.#onTold(pids);
    return pids;
  }
}
