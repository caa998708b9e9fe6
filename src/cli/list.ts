/** `ls` and `show`: jobs in a table, one job in full. */
import type { Job } from "../jobs/job.js";
import { elapsed } from "../text.js";
import { outputOf, type Entry, type Survey } from "./survey.js";
import { json, paint, safe, table, type Colour, type Terminal } from "./terminal.js";

/** The jobs that run, or all of them; the newest last. */
export function list(
  { entries }: Survey,
  { all, asJSON }: { all: boolean; asJSON: boolean },
  now: number,
): string {
  const shown = entries.filter(({ fate }) => all || fate !== "ended");
  shown.sort((a, b) => a.job.createdAt.getTime() - b.job.createdAt.getTime());
  if (asJSON) return json(shown.map((entry) => asRecord(entry)));
  if (shown.length === 0)
    return all ? "No jobs.\n" : "No running jobs; --all shows the ended ones.\n";
  const rows = shown.map(({ job, instance, fate }) => [
    job.id,
    statusOf(job, fate),
    elapsed(endOf({ job, instance, fate }, now) - job.createdAt.getTime()),
    `${instance.owner?.identity?.pid ?? "-"}`,
    safe(instance.owner?.directory ?? "-", 60),
    whatOf(job),
  ]);
  return table([["ID", "STATUS", "TIME", "OPENCODE", "DIRECTORY", "WHAT"], ...rows]);
}

export function show(entry: Entry, asJSON: boolean): string {
  const record = asRecord(entry);
  if (asJSON) return json(record);
  const rows = Object.entries(record)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => [key, valueText(value)]);
  return table(rows);
}

/** For `doctor`: one line. */
export function describeEntry(
  entry: Entry,
  now: number,
  terminal: Pick<Terminal, "colour">,
): string {
  const { job, fate } = entry;
  const time = elapsed(endOf(entry, now) - job.createdAt.getTime());
  const status = paint(terminal, colourOf(fate), statusOf(job, fate));
  const pid = job.kind === "process" && job.identity ? ` pid ${job.identity.pid}` : "";
  return `${job.id} ${status} ${time}${pid}  ${whatOf(job)}`;
}

function asRecord(entry: Entry) {
  const { job, instance, fate } = entry;
  return {
    ...job,
    fate,
    directory: instance.owner?.directory,
    ownerPID: instance.owner?.identity?.pid,
    ownerState: instance.state,
    lastSign: fate === "interrupted" ? instance.lastSign : undefined,
    unreadNotices: instance.notices.filter(({ jobID }) => jobID === job.id).length,
    outputFile: job.kind === "process" ? outputOf(entry) : undefined,
  };
}

function statusOf(job: Job, fate: Entry["fate"]): string {
  if (fate === "orphan" || fate === "interrupted") return fate;
  if (fate === "unknown") return `${job.status}?`;
  if (job.blockedOn) return `blocked (${job.blockedOn.kind})`;
  if (job.stalledSince) return "stalled";
  return job.endReason && job.endReason !== "finished"
    ? `${job.status} (${job.endReason})`
    : job.status;
}

function colourOf(fate: Entry["fate"]): Colour {
  if (fate === "orphan") return "red";
  return fate === "active" ? "green" : "yellow";
}

function whatOf(job: Job): string {
  if (job.kind === "subagent") return `${safe(job.agent, 30)}: ${safe(job.name, 80)}`;
  return job.name === job.command
    ? safe(job.name, 80)
    : `${safe(job.name, 40)}: ${safe(job.command, 80)}`;
}

/** Of one that ended with its owner: that one's last sign of life. */
function endOf({ job, instance, fate }: Entry, now: number): number {
  const end = job.completedAt ?? (fate === "interrupted" ? instance.lastSign : undefined);
  return end?.getTime() ?? now;
}

function valueText(value: unknown): string {
  if (value instanceof Date) return value.toISOString();
  return safe(typeof value === "string" ? value : JSON.stringify(value), 2000);
}
