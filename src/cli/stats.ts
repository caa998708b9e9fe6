/** `stats`: what the live processes take from the machine, as `docker stats --no-stream` shows it. */
import type { Usage } from "../system/usage.js";
import { byteSize, elapsed } from "../text.js";
import { pause } from "../time.js";
import type { CliDeps } from "./run.js";
import { isRunning, timeOf, type Entry, type Survey } from "./survey.js";
import { json, safe, table } from "./terminal.js";

/** Between the two looks whose difference is the share of the processor. */
const BETWEEN_MILLISECONDS = 500;

interface Row {
  entry: Entry;
  usage: Usage;
  /** Of one processor: two that are busy are 200. */
  cpuPercent: number;
}

export async function stats(
  found: Survey,
  asJSON: boolean,
  { measure, clock, processes, terminal }: CliDeps,
): Promise<string> {
  const live = found.entries.flatMap((entry) => {
    const { job } = entry;
    const isLive = job.kind === "process" && entry.fate !== "ended" && isRunning(job, processes);
    if (!isLive || !job.identity) return [];
    const { id: jobID, identity, controlGroup } = job;
    return [{ entry, jobID, identity, controlGroup }];
  });
  const look = () => Promise.all(live.map(measure));
  const before = await look();
  const start = clock.monotonic();
  if (live.length > 0) await pause(clock, BETWEEN_MILLISECONDS);
  const after = await look();
  const took = Math.max(1, clock.monotonic() - start);
  const rows = live.flatMap(({ entry }, at): Row[] => {
    const [first, usage] = [before[at], after[at]];
    if (!first || !usage) return [];
    const used = Math.max(0, usage.cpuMilliseconds - first.cpuMilliseconds);
    return [{ entry, usage, cpuPercent: Math.round((used / took) * 1000) / 10 }];
  });
  if (asJSON) return json(rows.map(asRecord));
  if (live.length === 0) return "No running processes.\n";
  if (rows.length === 0) return "This system is not asked for that: only Linux is.\n";
  const heads = ["ID", "CPU", "MEMORY", "PROCESSES", "PORTS", "TIME", "NAME"];
  return table([heads, ...rows.map((row) => cellsOf(row, clock.now()))], terminal.columns);
}

function cellsOf({ entry, usage, cpuPercent }: Row, now: number): string[] {
  const { job } = entry;
  return [
    job.id,
    `${cpuPercent.toFixed(1)} %`,
    byteSize(usage.memoryBytes),
    `${usage.processes}`,
    usage.ports.join(",") || "-",
    elapsed(timeOf(entry, now)),
    safe(job.name, 60),
  ];
}

function asRecord({ entry: { job }, usage, cpuPercent }: Row) {
  return { id: job.id, name: job.name, cpuPercent, ...usage };
}
