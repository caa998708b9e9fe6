/** All that is known of a job, as rows of a name and a value. Pure; what has to be looked up is given. */
import type { ProcessJob, SubagentJob } from "../../jobs/job.js";
import { clean, pad, wrapWords } from "../../cells.js";
import type { Usage } from "../../system/usage.js";
import { costWords, kindOf, modelOf, tokensOf } from "../../jobs/facts.js";
import { byteSize, counted, grouped } from "../../text.js";
import { branchOf, duration, outcome, waitsFor } from "../describe.js";
import { isLive, lookOf, type ShownJob } from "../shown-job.js";

export interface LookedUp {
  usage?: Usage | undefined;
  cpuPercent?: number | undefined;
  /** The first address that its output names. */
  url?: string | undefined;
  /** What a subagent was told. */
  prompt?: string | undefined;
  outputFile?: string | undefined;
}

export interface DetailRow {
  /** Which field it belongs to; a long one has several rows. */
  field: string;
  text: string;
}

const NAME_WIDTH = 10;

/** Each row of at most so many cells; values are whole, and go on below. */
export function detailRows(
  shown: ShownJob,
  now: number,
  width: number,
  found: LookedUp,
): DetailRow[] {
  return fieldsOf(shown, now, found).flatMap(([field, value]) => {
    if (value === undefined || value === "") return [];
    const lines = value
      .split("\n")
      .flatMap((line) => wrapWords(clean(line), width - NAME_WIDTH - 1));
    return lines.map((line, at) => ({
      field,
      text: `${pad(at === 0 ? field : "", NAME_WIDTH)} ${line}`,
    }));
  });
}

type Field = [name: string, value: string | undefined];

function fieldsOf(shown: ShownJob, now: number, found: LookedUp): Field[] {
  const { job } = shown;
  const state = isLive(shown) ? (waitsFor(shown, now) ?? lookOf(shown)) : outcome(shown);
  return [
    ["name", job.name],
    ["id", job.id],
    ["kind", kindOf(job)],
    ["state", state],
    ["error", job.error],
    ...(job.kind === "process" ? processFields(job, found) : taskFields(job, found)),
    ["tags", job.tags.join(", ")],
    ["group", job.group],
    ["branch", branchOf(shown)],
    ["folder", job.kind === "process" ? job.cwd : shown.directory],
    ["started", (job.startedAt ?? job.createdAt).toLocaleString()],
    ["ended", job.completedAt?.toLocaleString()],
    ["time", duration(shown, now)],
  ];
}

function processFields(job: ProcessJob, found: LookedUp): Field[] {
  const { usage, cpuPercent, url, outputFile } = found;
  const { bytes, dropped } = job.output;
  const lost = dropped > 0 ? `, ${byteSize(dropped)} of it not kept` : "";
  return [
    ["command", job.command],
    ["pid", job.identity && String(job.identity.pid)],
    ["processor", cpuPercent === undefined ? undefined : `${cpuPercent.toFixed(1)} %`],
    [
      "memory",
      usage &&
        `${byteSize(usage.memoryBytes)} in ${counted(usage.processes, "process", "processes")}`,
    ],
    ["ports", usage?.ports.join(", ")],
    ["address", url && `${url} (enter opens it)`],
    ["exit", job.signal ?? (job.exitCode === undefined ? undefined : String(job.exitCode))],
    ["output", `${byteSize(bytes)}${lost}`],
    ["log", outputFile],
  ];
}

function taskFields(job: SubagentJob, { prompt }: LookedUp): Field[] {
  const { cacheRead } = job.tokens;
  const tokens = tokensOf(job);
  const cached = cacheRead > 0 ? `, and ${grouped(cacheRead)} from the cache` : "";
  const { toolCalls, steps, lastTool } = job.progress;
  const tool = lastTool === undefined ? "" : `, last ${lastTool}`;
  return [
    ["prompt", prompt ?? job.prompt],
    ["agent", job.agent],
    ["model", modelOf(job)],
    ["session", job.sessionID],
    ["steps", steps === undefined ? undefined : String(steps)],
    ["calls", `${toolCalls}${tool}`],
    ["tokens", `${grouped(tokens)}${cached}`],
    ["cost", tokens === 0 ? undefined : costWords({ tokens, cost: job.cost })],
  ];
}
