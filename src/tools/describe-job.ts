/** One job in one line, for lists and answers: id and status first, then what a reader decides by. Pure. */
import { groupCounts, groupsOf } from "../jobs/group.js";
import type { Job, ProcessJob, ProcessRun, SubagentJob, WorktreeRecord } from "../jobs/job.js";
import {
  furtherError,
  furtherReason,
  restartWords,
  runSince,
  spendingWords,
} from "../jobs/facts.js";
import { mergeLine } from "../notices/branch.js";
import type { ProcessNote } from "../system/process-table.js";
import { FORCED } from "../notices/wording.js";
import { isTerminal } from "../jobs/status.js";
import { byteSize, counted, elapsed, oneLine, quoted } from "../text.js";

/** Numbers of processes that one line names: the rest of the answer needs room, too. */
const MOST_PIDS = 50;

const JUST_NOW = 1_000;

export function describeJob(job: Job, now: number, position = 0): string {
  const parts = [
    `${job.id} ${job.status}${reason(job)}`,
    quoted(job.name, 60),
    ...timing(job, now),
    ...(job.kind === "subagent" ? taskFacts(job, now, position) : processFacts(job, now)),
    ...waiting(job, now),
  ];
  if (job.status === "pending" && job.after) parts.push(`after ${job.after.join(", ")}`);
  if (job.group !== undefined) parts.push(`group ${quoted(job.group, 60)}`);
  if (job.tags.length > 0) parts.push(`tags: ${outside(job.tags.join(", "), 200)}`);
  const error = furtherError(job);
  if (error) parts.push(`error: ${outside(error, 300)}`);
  return parts.join(" · ");
}

function reason(job: Pick<Job, "endReason">): string {
  const further = furtherReason(job);
  return further === undefined ? "" : ` (${further})`;
}

/** Of a text from outside: what separates our facts from each other is no separator in it. */
function outside(text: string, most: number): string {
  return oneLine(text, most).replaceAll("·", "\\u00b7");
}

function timing(job: Job, now: number): string[] {
  const milliseconds = (job.completedAt?.getTime() ?? now) - runSince(job);
  // Of one that was started just now it says nothing.
  if (milliseconds < JUST_NOW && !isTerminal(job.status)) return [];
  const time = elapsed(milliseconds);
  return [job.status === "pending" ? `has waited ${time}` : time];
}

function taskFacts(job: SubagentJob, now: number, position: number): string[] {
  const { toolCalls, lastTool, runningTool, lastUpdate, steps } = job.progress;
  const which = runningTool
    ? ` (running: ${outside(runningTool, 60)})`
    : lastTool
      ? ` (last: ${outside(lastTool, 60)})`
      : "";
  const facts = [`agent ${outside(job.agent, 60)}`];
  if (toolCalls > 0) facts.push(`${counted(toolCalls, "tool call")}${which}`);
  if (position > 0) facts.push(`number ${position} in the queue`);
  if (job.status === "running") {
    // Each is in its first one as long as it has called nothing.
    if (steps && steps > 1) facts.push(`${steps} steps`);
    const quiet = now - lastUpdate.getTime();
    if (quiet >= JUST_NOW) facts.push(`last activity ${elapsed(quiet)} ago`);
  }
  facts.push(...spendingWords(job), ...modelFacts(job));
  if (job.runs.length > 1) facts.push(`run ${job.runs.length}`);
  if (job.sessionID) facts.push(`session ${job.sessionID}`);
  if (job.worktree) facts.push(...worktreeFacts(job.worktree));
  return facts;
}

/** Of a run that went on with another model. */
function modelFacts({ runs }: SubagentJob): string[] {
  const models = (runs.at(-1)?.models ?? []).map(({ model, error }) => ({
    name: outside(model, 100),
    failed: error !== undefined,
  }));
  const tried = models.filter(({ failed }) => failed).map(({ name }) => name);
  if (tried.length === 0) return [];
  const current = models.find(({ failed }) => !failed);
  return [`${current ? `model ${current.name}, after ` : ""}${tried.join(" and ")} failed`];
}

function worktreeFacts({ state, branch, folder, result, problem }: WorktreeRecord): string[] {
  const facts = [`branch ${outside(branch ?? "not made yet", 100)}`];
  if (folder !== undefined) {
    facts.push(state === "removed" ? "worktree removed" : `worktree ${outside(folder, 300)}`);
  }
  if (result && result.commits > 0) {
    const { commits, files, added, deleted } = result;
    facts.push(
      `${counted(commits, "commit")}, ${counted(files, "file")}, +${added} \u2212${deleted}`,
      outside(mergeLine(result), 300),
    );
  }
  if (result && result.uncommitted > 0)
    facts.push(`${counted(result.uncommitted, "file")} not committed`);
  if (problem !== undefined) facts.push(`worktree: ${outside(problem, 200)}`);
  return facts;
}

/** An earlier run of a process, in one line. */
export function describeRun({ number, status, endReason, command, output, ...run }: ProcessRun) {
  const { startedAt, completedAt, exitCode, signal } = run;
  const facts = [`run ${number}: ${status}${reason({ endReason })}`];
  if (startedAt && completedAt) facts.push(elapsed(completedAt.getTime() - startedAt.getTime()));
  facts.push(`$ ${outside(command, 80)}`);
  if (exitCode !== undefined) facts.push(`exit code ${exitCode}`);
  if (signal !== undefined) facts.push(`signal ${signal}`);
  return [...facts, `output ${byteSize(output.bytes)}`].join(" · ");
}

function processFacts(job: ProcessJob, now: number): string[] {
  const facts = job.name === job.command ? [] : [`$ ${outside(job.command, 80)}`];
  if (job.identity && !isTerminal(job.status)) facts.push(`pid ${job.identity.pid}`);
  if (job.stdin) facts.push(`stdin ${job.stdin}`);
  if (job.readyAt) facts.push(readyWhere(job));
  if (job.exitCode !== undefined) facts.push(`exit code ${job.exitCode}`);
  if (job.signal) facts.push(`signal ${job.signal}`);
  if (job.run !== undefined) facts.push(`run ${job.run}`);
  const restarts = restartWords(job, now);
  if (restarts !== undefined) facts.push(restarts);
  if (job.global) facts.push("global");
  if (job.output.bytes > 0) facts.push(`output ${byteSize(job.output.bytes)}`);
  if (job.output.missingSince) {
    facts.push(
      `output missing since ${job.output.missingSince.toISOString()}: ${outside(job.output.missingError ?? "", 200)}`,
    );
  }
  if (job.leftovers?.length) {
    facts.push(`ended with it: ${pids(job.leftovers)}`);
  }
  if (job.forced) facts.push(FORCED);
  if (job.survivors?.length) {
    facts.push(`STILL ALIVE: ${pids(job.survivors)}`);
  }
  if (job.mayBeLeft?.length) facts.push(`may survive: ${pids(job.mayBeLeft)}`);
  return facts;
}

/** With the URL or port that its ready line names. */
function readyWhere({ readyPort, readyLine = "" }: ProcessJob): string {
  const [url] = /https?:\/\/[^\s"'<>]+/iu.exec(readyLine) ?? [];
  if (url !== undefined) return `ready at ${oneLine(url, 100)}`;
  const port = readyPort ?? /(?:\bport\D{0,3}|:)(\d{2,5})\b/iu.exec(readyLine)?.[1];
  return port === undefined ? "ready" : `ready on port ${port}`;
}

function pids(notes: readonly ProcessNote[]): string {
  const more = notes.length > MOST_PIDS ? [`and ${notes.length - MOST_PIDS} more`] : [];
  return [...notes.slice(0, MOST_PIDS).map(({ pid }) => pid), ...more].join(", ");
}

function waiting(job: Job, now: number): string[] {
  const { blockedOn, stalledSince } = job;
  if (stalledSince) return [`stalled: nothing heard for ${elapsed(now - stalledSince.getTime())}`];
  const openLine = job.kind === "process" ? job.openLine : undefined;
  if (!blockedOn && openLine) {
    const quiet = elapsed(now - openLine.since.getTime());
    return [`open line for ${quiet}: ${JSON.stringify(outside(openLine.text, 200))}`];
  }
  if (!blockedOn) return [];
  const what = outside(blockedOn.what, 200);
  if (blockedOn.kind === "password") {
    return [`waits for a password, which only the user types: ${what}`];
  }
  if (blockedOn.kind !== "retry") return [`waits for ${blockedOn.kind}: ${what}`];
  const next = blockedOn.nextAt ? `, next in ${elapsed(blockedOn.nextAt.getTime() - now)}` : "";
  return [`retries the provider (attempt ${blockedOn.attempt ?? 1}${next}): ${what}`];
}

/** Others that do the same are named up to this number. */
export const MOST_NAMED = 5;

/** At most so many lines of a list; the answer says how to narrow it down. */
const MOST_LINES = 40;

export function describeJobs(jobs: readonly Job[], now: number, positions: (id: string) => number) {
  if (jobs.length === 0) return "none";
  const sorted = jobs.toSorted(
    (a, b) =>
      Number(isTerminal(a.status)) - Number(isTerminal(b.status)) ||
      b.createdAt.getTime() - a.createdAt.getTime(),
  );
  const groups = groupsOf(jobs).map(describeGroup);
  const lines = sorted.slice(0, MOST_LINES).map((job) => describeJob(job, now, positions(job.id)));
  const heading = jobs.length > 1 ? `${counts(sorted)}:\n` : "";
  const rest = (more: number) => `and ${more} older ones: narrow by status or tags`;
  return heading + fitting([...groups, ...lines], rest, groups.length + sorted.length);
}

/** "5 running, 7 pending", in the order of the list. */
function counts(jobs: readonly Job[]): string {
  const numbers = new Map<string, number>();
  for (const { status } of jobs) numbers.set(status, (numbers.get(status) ?? 0) + 1);
  return Array.from(numbers, ([status, number]) => `${number} ${status}`).join(", ");
}

/** "audit 9/12 done, 2 running, 1 failed" */
export function describeGroup({ name, members }: { name: string; members: readonly Job[] }) {
  return `group ${quoted(name, 60)}: ${groupCounts(members)}`;
}

/** How many of these lines one answer holds. */
export function fittingIn(lines: readonly string[]): number {
  let shown = lines.length;
  while (shown > 1 && Buffer.byteLength(lines.slice(0, shown).join("\n")) > 7_500) shown -= 1;
  return shown;
}

/** These; if there are more, `all` in number, a last line says so. */
export function fitting(
  lines: readonly string[],
  rest: (more: number) => string,
  all = lines.length,
) {
  const shown = fittingIn(lines);
  const last = all > shown ? [rest(all - shown)] : [];
  return [...lines.slice(0, shown), ...last].join("\n");
}
