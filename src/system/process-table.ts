/**
 * Who runs on this machine: numbers, parents and groups, and on Linux who carries our marker in its environment.
 * Windows is not asked: there `taskkill` knows a tree. Only reads. A process that ends while it is being looked at is simply not in the answer, and one that belongs
 * to somebody else and hides its environment counts as unmarked.
 */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { isDeadState, parseProcStat } from "./identity.js";
import { waysOf } from "../platform.js";
import { coerceError } from "../ports.js";

/** A process by its number and command line (at most 200 characters). */
export interface ProcessNote {
  pid: number;
  command: string;
}

/** The environment variable that every process of a job inherits: the ids of the jobs it belongs to, joined by ":". */
export const JOB_MARKER = "OPENCODE_BACKGROUND_JOB";

export interface ProcessEntry {
  pid: number;
  parent: number;
  group: number;
  /** Tells two processes of one number apart; empty where the list does not say. */
  startTime: string;
  /** A zombie: it has ended, nobody has asked for its exit code yet. */
  dead: boolean;
  /** Where the list says it by itself. */
  command?: string;
}

/**
 * - `yes`, `no`: its environment was read; also `no` where nobody's can be;
 * - `unknown`: it is empty, as it is for an instant in every exec, and always for the kernel's own.
 */
export type Marked = "yes" | "no" | "unknown";

export interface ProcessTable {
  /** Where to look at one process costs less than to list all; undefined where each answer is a list of all. */
  pids: (() => number[]) | undefined;
  entry(pid: number): ProcessEntry | undefined;
  list(): ProcessEntry[];
  /** At most 200 characters; empty when it has given up its memory, which is the first step of ending. */
  command(entry: ProcessEntry): string;
  marked(pid: number, jobID: string): Marked;
}

const MAX_COMMAND = 200;

export function systemTable(platform?: NodeJS.Platform): ProcessTable {
  return TABLES[waysOf(platform).processes]();
}

const TABLES = { "/proc": procTable, ps: () => psTable(), cim: emptyTable } satisfies Record<
  string,
  () => ProcessTable
>;

function procTable(): ProcessTable {
  const entry = (pid: number): ProcessEntry | undefined => {
    const stat = parseProcStat(read(`/proc/${pid}/stat`) ?? "");
    if (!stat) return undefined;
    const { parent, group, startTime } = stat;
    return { pid, parent, group, startTime, dead: isDeadState(stat.state) };
  };
  const pids = () =>
    readdirSync("/proc").flatMap((name) => (/^\d/.test(name) ? [Number(name)] : []));
  return {
    pids,
    entry,
    list: () => pids().flatMap((pid) => entry(pid) ?? []),
    command({ pid }) {
      const text = read(`/proc/${pid}/cmdline`) ?? "";
      return text.replaceAll("\0", " ").trim().slice(0, MAX_COMMAND);
    },
    marked(pid, jobID) {
      const environment = read(`/proc/${pid}/environ`);
      if (environment) return hasMarker(environment, jobID) ? "yes" : "no";
      // Another user's: hidden from us. The kernel's own threads: there is none.
      return environment === HIDDEN || pid === 2 || entry(pid)?.parent === 2 ? "no" : "unknown";
    },
  };
}

/** `environment` as in /proc/PID/environ: NAME=value, each ended by a zero byte. */
export function hasMarker(environment: string, jobID: string): boolean {
  if (!environment.includes(jobID)) return false;
  const prefix = `${JOB_MARKER}=`;
  return environment
    .split("\0")
    .some(
      (line) => line.startsWith(prefix) && line.slice(prefix.length).split(":").includes(jobID),
    );
}

/** What may not be read, and belongs to nobody whom we could end. */
const HIDDEN = null;

/** Undefined for what is gone. */
function read(file: string): string | undefined | typeof HIDDEN {
  try {
    return readFileSync(file, "latin1");
  } catch (thrown) {
    const error = coerceError(thrown);
    const code = "code" in error ? error.code : undefined;
    if (code === "ENOENT" || code === "ESRCH") return undefined;
    if (code === "EACCES" || code === "EPERM") return HIDDEN;
    throw error;
  }
}

const PS_COLUMNS = "pid=,ppid=,pgid=,stat=,command=";

/** Each question is one program that is run, and waited for: ask for the list, and once. */
export function psTable(ps: () => string = runPs): ProcessTable {
  const list = () =>
    ps()
      .split("\n")
      .flatMap((line) => parsePsRow(line) ?? []);
  return {
    pids: undefined,
    entry: (pid) => list().find((row) => row.pid === pid),
    list,
    command: ({ command = "" }) => command.slice(0, MAX_COMMAND),
    marked: () => "no",
  };
}

function runPs(): string {
  return execFileSync("/bin/ps", ["-axo", PS_COLUMNS], {
    encoding: "utf8",
    maxBuffer: 64 * 1024 ** 2,
    timeout: 5000,
  });
}

/** Knows nobody and asks nobody. */
function emptyTable(): ProcessTable {
  return {
    pids: undefined,
    entry: () => undefined,
    list: () => [],
    command: () => "",
    marked: () => "no",
  };
}

/** One line of `ps -o pid=,ppid=,pgid=,stat=,command=`. */
export function parsePsRow(line: string): ProcessEntry | undefined {
  const [, pid, parent, group, state, command] =
    /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
  if (!pid || !parent || !group || !state || command === undefined) return undefined;
  return {
    pid: Number(pid),
    parent: Number(parent),
    group: Number(group),
    startTime: "",
    dead: isDeadState(state.charAt(0)),
    command,
  };
}
