/**
 * The processes of this machine: numbers, parents and groups, and on Linux which carry our marker in their
 * environment, or our mark. Windows is not asked: there `taskkill` knows a tree. Only reads. A process that ends while
 * it is being looked at is not in the answer, and another user's that hides its environment counts as unmarked.
 *
 * The mark of a job's processes is descriptor 3: an empty file of ours that has no name any more, and which /proc still
 * calls by the one it had, with the ids of its jobs. It is inherited by whatever a process starts and survives what a
 * daemon does to hide its origin: a session of its own, the end of its parent, an environment that was overwritten with
 * a title (redis, nginx). A program that closes all its descriptors loses it.
 */
import { execFile, execFileSync } from "node:child_process";
import {
  closeSync,
  constants,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  unlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { waysOf, type Ways } from "../platform.js";
import { isDeadState, isForbidden, isGone, orElse, parseProcStat } from "./identity.js";

/** A process by its number and command line (at most 200 characters). */
export interface ProcessNote {
  pid: number;
  command: string;
}

/** The environment variable that every process of a job inherits: the ids of the jobs it belongs to, joined by ":". */
export const JOB_MARKER = "OPENCODE_BACKGROUND_JOB";

export interface ProcessEntry {
  pid: number;
  /** Of its program, without the folder; it may have given itself another. */
  name: string;
  parent: number;
  group: number;
  /** Tells two processes of one number apart; empty where the list does not say. */
  startTime: string;
  /** A zombie: it has ended, and its exit code was not asked for yet. */
  dead: boolean;
  /** Where the list says it by itself. */
  command?: string;
}

/** How far the system has come with giving out process numbers: one after the other, then again from the lowest. */
export interface PidCounter {
  /** The newest number. */
  last: number;
  /** Processes and threads that were started since boot, on the whole machine. */
  forks: number;
  /** Processes and threads that there are now, on the whole machine. */
  tasks: number;
  /** The highest number that is given out. */
  max: number;
}

/** False when so much was started since that numbers may have come round, as far as the system says. */
export function isSameRound(forksBefore: number, { forks, tasks, max }: PidCounter): boolean {
  const since = forks - forksBefore;
  // Each start takes one number and passes over those in use: a quarter and a quarter and once more is no round.
  return since >= 0 && since < max / 4 && tasks < max / 4;
}

/**
 * Whether only numbers from this process's own on can have been given out since it was started, `forksBefore` having
 * been counted before. False when any number can: they began again from the lowest, or nothing is known.
 */
export function isStillRising(
  { pid, forksBefore }: { pid: number; forksBefore: number },
  counter: PidCounter,
): boolean {
  const { last, forks } = counter;
  // It was started itself: a system that counted nothing does not count.
  return last >= pid && forks > forksBefore && isSameRound(forksBefore, counter);
}

export interface ProcessTable {
  /** Where to look at one process costs less than to list all; undefined where each answer is a list of all. */
  pids: (() => number[]) | undefined;
  /** Undefined where the system does not say. */
  counter(): PidCounter | undefined;
  entry(pid: number): ProcessEntry | undefined;
  list(): Promise<ProcessEntry[]>;
  /** At most 200 characters; empty when it has given up its memory, which is the first step of ending. */
  command(entry: ProcessEntry): string;
  /**
   * The ids of the jobs that its environment or else its mark (`openMark`) names; none where neither can be read, and
   * for another user's. Undefined: it is empty, as it is for an instant in every exec.
   */
  jobsOf(pid: number): readonly string[] | undefined;
  /** Its environment was cleared or overwritten, for it has not even a PATH: it says nothing of where it came from. */
  hidesOrigin(pid: number): boolean;
}

const MAX_COMMAND = 200;

export function systemTable(platform?: NodeJS.Platform): ProcessTable {
  return TABLES[waysOf(platform).processes]();
}

const TABLES: Record<Ways["processes"], () => ProcessTable> = {
  "/proc": procTable,
  ps: () => psTable(),
  // Knows no process and asks nothing.
  cim: () =>
    psTable(
      () => Promise.resolve(""),
      () => "",
    ),
};

function procTable(): ProcessTable {
  const entry = (pid: number): ProcessEntry | undefined => {
    const file = `/proc/${pid}/stat`;
    // To ask for a number that is none costs a fraction of an error.
    const stat = existsSync(file) && parseProcStat(read(file) ?? "");
    if (!stat || stat.isThread) return undefined;
    const { name, parent, group, startTime } = stat;
    return { pid, name, parent, group, startTime, dead: isDeadState(stat.state) };
  };
  const pids = () => {
    const numbers: number[] = [];
    // What is not a number begins with a letter.
    for (const name of readdirSync("/proc")) if (name < "a") numbers.push(Number(name));
    return numbers;
  };
  return {
    pids,
    entry,
    counter: readCounter,
    list: async () => pids().flatMap((pid) => entry(pid) ?? []),
    command({ pid }) {
      const text = read(`/proc/${pid}/cmdline`) ?? "";
      return text.replaceAll("\0", " ").trim().slice(0, MAX_COMMAND);
    },
    jobsOf(pid) {
      const environment = read(`/proc/${pid}/environ`);
      const named = jobsIn(environment ?? "");
      if (named.length > 0) return named;
      const marked = jobsInMark(
        orElse("", () => readlinkSync(`/proc/${pid}/fd/${MARK_DESCRIPTOR}`)),
      );
      if (environment || marked.length > 0) return marked;
      // Another user's: hidden from us. The kernel's own threads: there is none.
      return environment === HIDDEN || pid === 2 || entry(pid)?.parent === 2 ? [] : undefined;
    },
    hidesOrigin(pid) {
      const environment = read(`/proc/${pid}/environ`);
      return typeof environment === "string" && !/(?:^|\0)PATH=/u.test(environment);
    },
  };
}

/** Each a line of text; a system that says something else (a sandbox, a hidden /proc) has no counter. */
function readCounter(): PidCounter | undefined {
  const [tasks, last] = / \d+\/(\d+) (\d+)\s*$/.exec(read("/proc/loadavg") ?? "")?.slice(1) ?? [];
  const forks = /^processes (\d+)$/m.exec(read("/proc/stat") ?? "")?.[1];
  const max = read("/proc/sys/kernel/pid_max");
  const counter = {
    last: Number(last),
    forks: Number(forks),
    tasks: Number(tasks),
    max: Number(max),
  };
  return Object.values(counter).every((value) => value > 0) ? counter : undefined;
}

/** The jobs named in an environment as in /proc/PID/environ: NAME=value, each ended by a zero byte. */
export function jobsIn(environment: string): readonly string[] {
  const prefix = `${JOB_MARKER}=`;
  if (!environment.includes(prefix)) return [];
  return environment
    .split("\0")
    .flatMap((line) => (line.startsWith(prefix) ? line.slice(prefix.length).split(":") : []));
}

/** What may not be read: it belongs to another user, and could not be ended either. */
const HIDDEN = null;

/** Undefined for what is gone. */
function read(file: string): string | undefined | typeof HIDDEN {
  try {
    return readFileSync(file, "latin1");
  } catch (thrown) {
    if (isGone(thrown)) return undefined;
    if (isForbidden(thrown)) return HIDDEN;
    throw thrown;
  }
}

const PS_ARGS = ["-axo", "pid=,ppid=,pgid=,stat=,command="];
const PS_OPTIONS = { encoding: "utf8", maxBuffer: 64 * 1024 ** 2, timeout: 5000 } as const;

/** Each question is one program that is run: ask for the list, and once. Only `entry` waits for it. */
export function psTable(
  ps = async () => (await promisify(execFile)("/bin/ps", PS_ARGS, PS_OPTIONS)).stdout,
  psNow: () => string = () => execFileSync("/bin/ps", PS_ARGS, PS_OPTIONS),
): ProcessTable {
  const rows = (text: string) => text.split("\n").flatMap((line) => parsePsRow(line) ?? []);
  return {
    pids: undefined,
    counter: () => undefined,
    entry: (pid) => rows(psNow()).find((row) => row.pid === pid),
    list: async () => rows(await ps()),
    command: ({ command = "" }) => command.slice(0, MAX_COMMAND),
    jobsOf: () => [],
    hidesOrigin: () => false,
  };
}

/** One line of `ps -o pid=,ppid=,pgid=,stat=,command=`. */
export function parsePsRow(line: string): ProcessEntry | undefined {
  const [, pid, parent, group, state, command] =
    /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
  if (!pid || !parent || !group || !state || command === undefined) return undefined;
  return {
    pid: Number(pid),
    // A login shell is "-zsh".
    name: basename(command.replace(/ .*/su, "")).replace(/^-/u, ""),
    parent: Number(parent),
    group: Number(group),
    startTime: "",
    dead: isDeadState(state.charAt(0)),
    command,
  };
}

/** The first that a runtime can hand over beside the standard ones without filling those between. */
const MARK_DESCRIPTOR = 3;

const PREFIX = "opencode-background.";

/** In memory: a file on a disk that is made and taken away costs as much as the start of a shell. */
const MEMORY = "/dev/shm";

/** Both as in the environment: ids joined by ":". Throws what the system says; close it when it was handed over. */
export function openMark(instances: string, jobs: string): number {
  const folder = existsSync(MEMORY) ? MEMORY : tmpdir();
  const file = join(folder, `${PREFIX}${instances}.${jobs}`);
  const mark = openSync(file, constants.O_RDONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
  try {
    unlinkSync(file);
  } catch (thrown) {
    closeSync(mark);
    throw thrown;
  }
  return mark;
}

/** The ids of the jobs that a descriptor's target names; none of any other file's. */
function jobsInMark(target: string): readonly string[] {
  const name = target.slice(target.lastIndexOf("/") + 1);
  const [, jobs] = name.startsWith(PREFIX) ? name.slice(PREFIX.length).split(".") : [];
  // "(deleted)" follows.
  return jobs?.split(" ", 1)[0]?.split(":") ?? [];
}
