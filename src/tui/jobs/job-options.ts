/**
 * The list of jobs and what can be done with one, as options of the host's select dialog; what a search finds a job by:
 * its name and all that is told of it. Pure.
 */
import type { TuiDialogSelectOption } from "@opencode-ai/plugin/tui";
import { arrange } from "../arrange.js";
import { cells, clean, fit } from "../../cells.js";
import { branchOf, duration, outcome, SIGNS, stateOf, waitsFor } from "../describe.js";
import { endedAt, isLive, lookOf, type ShownJob } from "../shown-job.js";
import { kindOf } from "../../jobs/facts.js";
import type { BlockedOn } from "../../jobs/job.js";

/** `width`: of a row, which the host would cut without a sign that something is missing. */
export function optionsFor(
  jobs: readonly ShownJob[],
  now: number,
  width: number,
): TuiDialogSelectOption<string>[] {
  const { blocked, running, ended } = arrange(jobs);
  const groups: [string, ShownJob[]][] = [
    ["Blocked", blocked],
    ["Running", running],
    ["Ended", ended],
  ];
  return groups.flatMap(([name, members]) =>
    members.map((shown) => option(shown, `${name} (${members.length})`, now, width)),
  );
}

function option(
  shown: ShownJob,
  category: string,
  now: number,
  width: number,
): TuiDialogSelectOption<string> {
  const { job } = shown;
  const parts = [kindOf(job), stateOf(shown, now), branchOf(shown), job.group && clean(job.group)];
  const what = parts.filter((part) => part !== undefined && part !== "").join(" · ");
  const footer = isLive(shown) ? duration(shown, now) : ago(now - endedAt(shown));
  const title = `${SIGNS[lookOf(shown)].sign} ${fit(clean(job.name), Math.floor(width / 2))}`;
  const room = width - cells(title) - cells(footer) - 2;
  return { value: job.id, title, description: fit(what, Math.max(0, room)), footer, category };
}

/** "2 min ago": no clock has to be read for it. */
function ago(milliseconds: number): string {
  const minutes = Math.floor(milliseconds / 60_000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ago` : `${Math.floor(hours / 24)} days ago`;
}

/** All words of the query, each anywhere. `failed` or `running` is a filter by that. */
export function isFound(shown: ShownJob, query: string, now: number): boolean {
  const words = query.toLowerCase().split(/\s+/u).filter(Boolean);
  if (words.length === 0) return true;
  const all = searched(shown, now).join("\n").toLowerCase();
  return words.every((word) => all.includes(word));
}

function searched(shown: ShownJob, now: number): string[] {
  const { job } = shown;
  const state = isLive(shown) ? (waitsFor(shown, now) ?? "") : outcome(shown);
  return [
    job.name,
    job.id,
    lookOf(shown),
    job.status,
    state,
    job.error ?? "",
    job.group ?? "",
    ...job.tags,
    kindOf(job),
    ...(job.kind === "process"
      ? [job.command, String(job.identity?.pid ?? "")]
      : [job.agent, job.model?.modelID ?? ""]),
  ].map(clean);
}

export type Action =
  "answer" | "log" | "details" | "session" | "copy" | "restart" | "cancel" | "remove" | "back";

export function titleOf(shown: ShownJob, now: number): string {
  const what = isLive(shown) ? waitsFor(shown, now) : outcome(shown);
  const name = `${SIGNS[lookOf(shown)].sign} ${fit(clean(shown.job.name), 40)}`;
  return [name, what, branchOf(shown)].filter((part) => part !== undefined).join(" · ");
}

const ANSWERS: Readonly<Record<BlockedOn["kind"], string>> = {
  permission: "Answer the permission",
  question: "Answer the question",
  input: "Answer what it asks",
  password: "Type the password",
  retry: "Answer",
};

export const BACK: TuiDialogSelectOption<Action> = { value: "back", title: "Back to the list" };

export function actionsFor(shown: ShownJob): TuiDialogSelectOption<Action>[] {
  const { job } = shown;
  const options: (TuiDialogSelectOption<Action> | false)[] = [
    job.blockedOn !== undefined &&
      (job.blockedOn.requestID ?? job.blockedOn.sealFor) !== undefined &&
      isLive(shown) && {
        value: "answer",
        title: ANSWERS[job.blockedOn.kind],
        description: fit(clean(job.blockedOn.what), 50),
      },
    { value: "log", title: "See the log" },
    { value: "details", title: "See its details" },
    job.kind === "subagent" &&
      job.sessionID !== undefined && { value: "session", title: "Open its session" },
    { value: "copy", title: "Copy its id", description: job.id },
    job.kind === "process" && {
      value: "restart",
      title: "Run it again",
      description: isLive(shown) ? "ends it first" : "the same command",
    },
    isLive(shown) && {
      value: "cancel",
      title: job.kind === "process" ? "Kill it" : "Cancel it",
      description: "asks first",
    },
    job.kind === "subagent" &&
      !isLive(shown) &&
      (job.worktree?.state === "kept" || job.worktree?.state === "ready") && {
        value: "remove",
        title: "Remove its worktree",
        description: "asks first; the branch stays",
      },
    BACK,
  ];
  return options.filter((option) => option !== false);
}
