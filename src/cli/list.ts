/** `ls` and `show`: jobs in a table, one job in full; for people and for scripts. */
import type { Job, ProcessJob, SubagentJob, WorktreeRecord } from "../jobs/job.js";
import { costWords, END_WORDS, kindOf, modelOf, tokensOf } from "../jobs/facts.js";
import type { EndReason } from "../jobs/status.js";
import type { Request } from "./arguments.js";
import { byteSize, counted, elapsed, grouped } from "../text.js";
import { outputOf, timeOf, type Entry } from "./survey.js";
import { json, leavesRoom, paint, safe, table, type Colour, type Terminal } from "./terminal.js";

/** Those of the entries that run, or all of them, as when they were named; the newest last. */
export function list(
  entries: readonly Entry[],
  { all: isAll, json: asJSON, quiet, jobs }: Pick<Request, "all" | "json" | "quiet" | "jobs">,
  now: number,
  terminal: Pick<Terminal, "columns">,
): string {
  const all = isAll || jobs.length > 0;
  const shown = [...new Set(entries)].filter(({ fate }) => all || fate !== "ended");
  shown.sort((a, b) => a.job.createdAt.getTime() - b.job.createdAt.getTime());
  if (asJSON) return json(shown.map((entry) => asRecord(entry)));
  if (quiet) return shown.map(({ job }) => `${job.id}\n`).join("");
  if (shown.length === 0)
    return all ? "No jobs.\n" : "No running jobs; --all shows the ended ones.\n";
  const rows = shown.map((entry) => {
    const { job, instance, fate } = entry;
    return {
      ID: job.id,
      KIND: kindOf(job),
      STATUS: statusOf(job, fate),
      EXIT: exitOf(job),
      TIME: elapsed(timeOf(entry, now)),
      OPENCODE: `${instance.owner?.identity?.pid ?? "-"}`,
      DIRECTORY: safe(instance.owner?.directory ?? "-", 60),
      WHAT: whatOf(job),
    };
  });
  const tables = LEFT_OUT.map((left) => {
    const heads = HEADS.filter((head) => !left.includes(head));
    return [heads, ...rows.map((row) => heads.map((head) => row[head]))];
  });
  const fitting = tables.find((each) => leavesRoom(each, terminal.columns)) ?? tables.at(-1) ?? [];
  return table(fitting, terminal.columns);
}

const HEADS = ["ID", "KIND", "STATUS", "EXIT", "TIME", "OPENCODE", "DIRECTORY", "WHAT"] as const;
/** In a window that has no room for all: what `show` says, too. */
const LEFT_OUT: readonly (readonly string[])[] = [[], ["OPENCODE"], ["OPENCODE", "DIRECTORY"]];

/** For people what is known, in the order in which it is asked; raw values for scripts. */
export function show(entry: Entry, asJSON: boolean, now: number): string {
  if (asJSON) return json(asRecord(entry));
  const { job, instance, fate } = entry;
  const owed = instance.notices.filter(({ jobID }) => jobID === job.id).length;
  const time = elapsed(timeOf(entry, now));
  const rows: [string, string | undefined][] = [
    ["id", job.id],
    ["name", safe(job.name, 2000)],
    ["kind", kindOf(job)],
    ["status", statusOf(job, fate)],
    ["error", job.error && safe(job.error, 2000)],
    ["waits for", job.blockedOn && `${job.blockedOn.kind}: ${safe(job.blockedOn.what, 2000)}`],
    ["tags", job.tags.length > 0 ? safe(job.tags.join(", "), 2000) : undefined],
    ["group", job.group && safe(job.group)],
    ...(job.kind === "process" ? processRows(job, entry) : subagentRows(job)),
    ["created", localTime(job.createdAt)],
    ["started", job.startedAt && localTime(job.startedAt)],
    ["ended", job.completedAt && localTime(job.completedAt)],
    ["time", time],
    ["started by", `${safe(job.parentSessionID)} (opencode -s ${safe(job.parentSessionID)})`],
    ["directory", instance.owner && safe(instance.owner.directory, 2000)],
    ["OpenCode", `${instance.owner?.identity?.pid ?? "unknown"} (${OWNERS[instance.state]})`],
    ["to be told", owed > 0 ? `${counted(owed, "notice")} of it` : undefined],
  ];
  return table(rows.flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])));
}

const OWNERS = { alive: "running", dead: "gone", elsewhere: "elsewhere" } as const;

function processRows(job: ProcessJob, entry: Entry): [string, string | undefined][] {
  const { bytes, dropped, missingError } = job.output;
  const lost = dropped > 0 ? `, ${byteSize(dropped)} of it not kept` : "";
  const ready = job.readyAt ? `since ${localTime(job.readyAt)}` : "not yet";
  const asksReady = job.readyPattern !== undefined || job.readyPort !== undefined;
  const named = (notes: ProcessJob["survivors"] = []) =>
    notes.map(({ pid, command }) => `${pid} (${safe(command, 80)})`).join(", ") || undefined;
  return [
    ["command", safe(job.command, 10_000)],
    ["in", safe(job.cwd, 2000)],
    ["pid", job.identity && `${job.identity.pid}`],
    ["control group", job.controlGroup && safe(job.controlGroup, 2000)],
    ["exit", exitOf(job) === "-" ? undefined : exitOf(job)],
    ["ready", asksReady ? ready : undefined],
    ["port", job.readyPort === undefined ? undefined : `${job.readyPort}`],
    ["still alive", named(job.survivors)],
    ["may survive", named(job.mayBeLeft)],
    [
      "output",
      `${byteSize(bytes)}${lost}${missingError ? `; missing: ${safe(missingError)}` : ""}`,
    ],
    ["file", outputOf(entry)],
  ];
}

function subagentRows(job: SubagentJob): [string, string | undefined][] {
  const { progress, sessionID } = job;
  const tokens = tokensOf(job);
  const model = modelOf(job);
  return [
    ["agent", safe(job.agent)],
    ["model", model && safe(model)],
    ["session", sessionID && `${safe(sessionID)} (opencode -s ${safe(sessionID)})`],
    ["prompt", job.prompt && safe(job.prompt, 2000)],
    ["branch", job.worktree?.branch && safe(job.worktree.branch)],
    ["worktree", job.worktree && worktreeOf(job.worktree)],
    ["runs", `${job.runs.length}`],
    [
      "tool calls",
      `${progress.toolCalls}${progress.lastTool ? `, last ${safe(progress.lastTool)}` : ""}`,
    ],
    ["tokens", grouped(tokens)],
    ["cost", tokens === 0 ? undefined : costWords({ tokens, cost: job.cost })],
  ];
}

function worktreeOf({ folder, state }: WorktreeRecord): string {
  return folder === undefined ? state : `${safe(folder, 2000)} (${state})`;
}

/** "2026-11-21 10:00:00", in the time zone of who reads it. */
function localTime(date: Date): string {
  return date.toLocaleString("sv-SE");
}

/** For `doctor`: one line. */
export function describeEntry(
  entry: Entry,
  now: number,
  terminal: Pick<Terminal, "colour">,
): string {
  const { job, fate } = entry;
  const time = elapsed(timeOf(entry, now));
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

/** The exit code, or the signal that ended it. */
function exitOf(job: Job): string {
  if (job.kind === "subagent") return "-";
  return job.signal ?? (job.exitCode === undefined ? "-" : `${job.exitCode}`);
}

function statusOf(job: Job, fate: Entry["fate"]): string {
  if (fate === "orphan" || fate === "interrupted") return fate;
  if (fate === "unknown") return `${job.status}?`;
  if (job.blockedOn) return `blocked (${job.blockedOn.kind})`;
  if (job.stalledSince) return "stalled";
  const why = WHY_ENDED[job.endReason ?? "finished"];
  return why === undefined ? job.status : `${job.status} (${why})`;
}

/** What the status and the exit code do not say already. */
const WHY_ENDED: Readonly<Partial<Record<EndReason, string>>> = {
  ...END_WORDS,
  finished: undefined,
  error: undefined,
  cancelled_by_agent: "by the agent",
  cancelled_by_user: "by you",
  reloaded: undefined,
};

function colourOf(fate: Entry["fate"]): Colour {
  if (fate === "orphan") return "red";
  return fate === "active" ? "green" : "yellow";
}

function whatOf(job: Job): string {
  if (job.kind === "subagent") return `${safe(job.name, 80)} (${safe(job.agent, 30)})`;
  return job.name === job.command
    ? safe(job.name, 80)
    : `${safe(job.name, 40)}: ${safe(job.command, 80)}`;
}
