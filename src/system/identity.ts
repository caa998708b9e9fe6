/**
 * Which process a pid means. A pid is a number that the system hands out again, so before a recorded one is signalled
 * or trusted it is asked about here: same pid, same start time, same boot. Everything is synchronous, because
 * it is asked between a decision and a signal; nothing here ever throws or signals.
 *
 * Linux reads /proc, macOS asks `ps`, Windows asks CIM. A zombie has ended: it counts as dead.
 */
import { execFileSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { ProcessIdentity } from "../jobs/job.js";
import { waysOf, type Ways } from "../platform.js";
import { errorCode } from "../ports.js";

/** What this module asks of the system; tests pass their own. */
export type IdentitySource = typeof systemIdentitySource;

const systemIdentitySource = {
  platform: process.platform,
  /** The whole text of a file; throws when it cannot be read. */
  readFile: (path: string) => readFileSync(path, "utf8"),
  /** The standard output of a program; throws when it fails. */
  run: (file: string, args: readonly string[]) =>
    execFileSync(file, args, {
      encoding: "utf8",
      timeout: 5000,
      windowsHide: true,
      stdio: ["ignore", "pipe", "ignore"],
      // The same words for the same time in every language and time zone.
      env: { ...process.env, LC_ALL: "C", TZ: "UTC" },
    }),
  /** Windows: `SystemRoot`. */
  env: process.env,
};

/**
 * The living process of this number, or undefined when there is none (or the system does not say).
 *
 * @example
 * const owner = identifyProcess(process.pid); // { pid, startTime: "75314", bootID: "6f1e…" }
 */
export function identifyProcess(
  pid: number,
  source: IdentitySource = systemIdentitySource,
): ProcessIdentity | undefined {
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  try {
    const found = IDENTIFY[waysOf(source.platform).processes](pid, source);
    return found && { pid, ...found };
  } catch {
    // No such process, or it ended while it was being asked about: either way there is none to name.
    return undefined;
  }
}

/** True while exactly this process is seen to run: not another one of the same number, not a zombie. */
export function isAlive(
  identity: ProcessIdentity,
  source: IdentitySource = systemIdentitySource,
): boolean {
  const now = identifyProcess(identity.pid, source);
  return now?.startTime === identity.startTime && now.bootID === identity.bootID;
}

/** True when this process is known to be over; a system that does not say (no descriptor is free) proves nothing. */
export function hasEnded(
  identity: ProcessIdentity,
  source: IdentitySource = systemIdentitySource,
): boolean {
  try {
    const now = IDENTIFY[waysOf(source.platform).processes](identity.pid, source);
    return now?.startTime !== identity.startTime || now.bootID !== identity.bootID;
  } catch (thrown) {
    if (waysOf(source.platform).processes === "/proc") return isGone(thrown);
    // The program ran, and failed.
    return thrown instanceof Error && "status" in thrown && typeof thrown.status === "number";
  }
}

/** Of what was asked of /proc: the process has ended, or there was none. */
export function isGone(thrown: unknown): boolean {
  const code = errorCode(thrown);
  return code === "ENOENT" || code === "ESRCH";
}

/** The same: it belongs to another user. */
export function isForbidden(thrown: unknown): boolean {
  const code = errorCode(thrown);
  return code === "EACCES" || code === "EPERM";
}

/** What has ended meanwhile, or belongs to another user, has nothing to say. */
export function orElse<T>(nothing: T, read: () => T): T {
  try {
    return read();
  } catch (thrown) {
    if (isGone(thrown) || isForbidden(thrown)) return nothing;
    throw thrown;
  }
}

/** Linux: whether this process runs as the user that we are; false when the system does not say, and elsewhere. */
export function isOwnUser(pid: number): boolean {
  try {
    return statSync(`/proc/${pid}`).uid === process.geteuid?.();
  } catch {
    // It has ended, or there is no such folder here.
    return false;
  }
}

type Facts = Pick<ProcessIdentity, "startTime" | "bootID">;
type Identify = (pid: number, source: IdentitySource) => Facts | undefined;

const IDENTIFY: Record<Ways["processes"], Identify> = {
  "/proc": onLinux,
  ps: withPs,
  cim: onWindows,
};

/**
 * What /proc/PID/stat says; field numbers as in proc(5). Field 2 is the program's name in brackets (at most 15
 * characters) and may hold brackets and spaces itself: count from the last one.
 */
export function parseProcStat(text: string) {
  const name = text.slice(text.indexOf("(") + 1, text.lastIndexOf(")"));
  const fields = statFields(text);
  // R, S, D, Z, …; a number; the process group.
  const [state, parent, group] = fields;
  // Clock ticks between boot and start.
  const startTime = fields[22 - 3];
  if (!state || !parent || !group || !startTime) return undefined;
  // The signal for its parent is -1: a thread, which can be asked about by its number like a process.
  const isThread = fields[38 - 3] === "-1";
  return { name, state, parent: Number(parent), group: Number(group), startTime, isThread };
}

/** From field 3 on. */
export function statFields(text: string): string[] {
  return text.slice(text.lastIndexOf(")") + 2).split(" ");
}

/** Zombies (Z) and the dying (X) no longer run. */
export function isDeadState(state: string): boolean {
  return state === "Z" || state === "X" || state === "x";
}

function onLinux(pid: number, source: IdentitySource): Facts | undefined {
  const stat = parseProcStat(source.readFile(`/proc/${pid}/stat`));
  if (!stat || isDeadState(stat.state)) return undefined;
  const bootID = source.readFile("/proc/sys/kernel/random/boot_id").trim();
  return { startTime: stat.startTime, bootID };
}

/** `lstart` has whole seconds: two processes of one number within a second look the same. */
function withPs(pid: number, source: IdentitySource): Facts | undefined {
  const answer = source.run("/bin/ps", ["-o", "stat=,lstart=", "-p", String(pid)]).trim();
  const [, state, startTime] = /^(\S+)\s+(\S.*)$/.exec(answer) ?? [];
  if (!state || !startTime || isDeadState(state.charAt(0))) return undefined;
  // Days of one digit come with two spaces: the watchdog's shell compares words.
  return { startTime: startTime.replaceAll(/\s+/g, " "), bootID: "" };
}

function onWindows(pid: number, source: IdentitySource): Facts | undefined {
  const root = source.env["SystemRoot"] ?? source.env["SYSTEMROOT"] ?? "C:\\Windows";
  const shell = join(root, "System32", "WindowsPowerShell", "v1.0", "powershell.exe");
  const query = `(Get-CimInstance Win32_Process -Filter 'ProcessId=${pid}').CreationDate.ToFileTimeUtc()`;
  const startTime = source.run(shell, ["-NoProfile", "-NonInteractive", "-Command", query]).trim();
  return /^\d+$/.test(startTime) ? { startTime, bootID: "" } : undefined;
}
