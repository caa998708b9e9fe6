/**
 * What the processes of a job take from the machine: processor time, memory, and the TCP ports that they listen on.
 * Linux only; elsewhere the system is not asked. Only reads; what ends meanwhile counts as nothing.
 */
import { readFileSync } from "node:fs";
import type { ProcessIdentity } from "../jobs/job.js";
import { waysOf } from "../platform.js";
import { recordedGroup } from "./control-group.js";
import { listeningSockets, orElse } from "./listening-sockets.js";
import { JobMembers, type MembersSystem } from "./members.js";
import { systemTable } from "./process-table.js";
import { Scanner } from "./scan.js";

export interface Usage {
  /** How many of them there are. */
  processes: number;
  /** Of all that are alive, since each was started; a difference between two looks says what they take now. */
  cpuMilliseconds: number;
  /** Resident; what several of them share counts for each. */
  memoryBytes: number;
  /** In ascending order. */
  ports: number[];
}

export interface Measured {
  jobID: string;
  identity: ProcessIdentity;
  /** As its record names it. */
  controlGroup?: string | undefined;
}

/** Undefined where the system cannot be asked. One look serves all jobs that are asked for in the same turn. */
export type Measure = (job: Measured) => Promise<Usage | undefined>;

export function systemMeasure(platform?: NodeJS.Platform): Measure {
  if (waysOf(platform).processes !== "/proc") return () => Promise.resolve(undefined);
  const table = systemTable(platform);
  const system: MembersSystem = {
    table,
    scanner: new Scanner(table),
    self: { pid: process.pid, parent: process.ppid },
  };
  return (job) => measure(job, system);
}

async function measure(
  { jobID, identity: { pid, startTime }, controlGroup }: Measured,
  system: MembersSystem,
): Promise<Usage> {
  const group = recordedGroup({ id: jobID, controlGroup });
  const target = { pid, jobID, startTime, controlGroup: group };
  const members = await new JobMembers(system, target, true).find();
  let [cpuMilliseconds, memoryBytes] = [0, 0];
  for (const member of members) {
    cpuMilliseconds += cpuOf(member.pid);
    memoryBytes += memoryOf(member.pid);
  }
  const sockets = listeningSockets(members.map(({ pid }) => pid));
  const ports = [...new Set(sockets.values())].sort((a, b) => a - b);
  return { processes: members.length, cpuMilliseconds, memoryBytes, ports };
}

/** Linux counts in hundredths of a second for programs, whatever it does itself. */
const TICK_MILLISECONDS = 10;

/** Fields 14 and 15 of /proc/PID/stat, counted behind the program's name, which may hold anything. */
function cpuOf(pid: number): number {
  const stat = read(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[14 - 3] ?? 0) + Number(fields[15 - 3] ?? 0);
  return (Number.isFinite(ticks) ? ticks : 0) * TICK_MILLISECONDS;
}

function memoryOf(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/mu.exec(read(`/proc/${pid}/status`))?.[1];
  return Number(kib ?? 0) * 1024;
}

function read(file: string): string {
  return orElse("", () => readFileSync(file, "latin1"));
}
