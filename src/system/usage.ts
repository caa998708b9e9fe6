/**
 * What the processes of a job take from the machine: processor time, memory, and the TCP ports that they listen on; and
 * whether these are closed, for a process may be seen dead an instant before the system has closed what it held. Linux
 * only; elsewhere nothing is known, and nothing is waited for. Only reads; what ends meanwhile counts as nothing.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import type { ProcessIdentity } from "../jobs/job.js";
import { waysOf } from "../platform.js";
import { recordedGroup } from "./control-group.js";
import { orElse, statFields } from "./identity.js";
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

interface Measured {
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

/** Fields 14 and 15 of /proc/PID/stat. */
function cpuOf(pid: number): number {
  const fields = statFields(read(`/proc/${pid}/stat`));
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

/** Ports by the inode of their socket, of these processes. Reads /proc/net/tcp, tcp6 and each process's descriptors. */
export function listeningSockets(pids: readonly number[], root = "/proc"): Map<string, number> {
  const sockets = new Map<string, number>();
  if (waysOf().processes !== "/proc") return sockets;
  const listening = allListening(root);
  for (const pid of pids) {
    for (const socket of socketsOf(pid, root)) {
      const port = listening.get(socket);
      if (port !== undefined) sockets.set(socket, port);
    }
  }
  return sockets;
}

/** `sockets` are keys of what `listeningSockets` gave. */
export function areClosed(sockets: Iterable<string>, root = "/proc"): boolean {
  const asked = [...sockets];
  if (asked.length === 0) return true;
  const listening = allListening(root);
  return !asked.some((socket) => listening.has(socket));
}

const LISTEN = "0A";

function allListening(root: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const table of ["tcp", "tcp6"]) {
    const text = orElse("", () => readFileSync(`${root}/net/${table}`, "latin1"));
    for (const line of text.split("\n").slice(1)) {
      const [, local = "", , state, , , , , , inode] = line.trim().split(/\s+/u);
      if (state !== LISTEN || inode === undefined) continue;
      found.set(inode, Number.parseInt(local.slice(local.lastIndexOf(":") + 1), 16));
    }
  }
  return found;
}

function socketsOf(pid: number, root: string): string[] {
  const folder = `${root}/${pid}/fd`;
  return orElse<string[]>([], () => readdirSync(folder)).flatMap((fd) => {
    const link = orElse("", () => readlinkSync(`${folder}/${fd}`));
    return /^socket:\[(\d+)\]$/u.exec(link)?.[1] ?? [];
  });
}
