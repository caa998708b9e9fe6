/**
 * The list of jobs in the host's own select dialog: searched by typing (a job is found by its name and all that is told
 * of it), grouped, kept up to date; and what can be done with one of them, each entry only when it can be done.
 */
import type { TuiDialogSelectOption } from "@opencode-ai/plugin/tui";
import { createComponent } from "@opentui/solid";
import { createMemo, createSignal } from "solid-js";
import { cells, clean, fit } from "../../cells.js";
import { kindOf } from "../../jobs/facts.js";
import type { BlockedOn } from "../../jobs/job.js";
import {
  arrange,
  branchOf,
  duration,
  endedAt,
  isLive,
  lookOf,
  outcome,
  type ShownJob,
  stateOf,
  summary,
  waitsFor,
} from "../describe.js";
import { SIGNS } from "../../looks.js";
import {
  createTicker,
  followJob,
  jobsOf,
  openSession,
  rootOf,
  type ViewContext,
} from "../context.js";
import { dialogWidth, type Element, openDialog } from "../element.js";
import { LOG_ROUTE } from "../log/log-view.js";
import { answerRequest } from "./answer.js";
import { cancelJob, removeWorktree, restartJob } from "./cancel.js";
import { openDetails } from "./details.js";

export function openJobs(context: ViewContext): void {
  context.source.refresh();
  openDialog(context, () => list(context));
}

function list(context: ViewContext): Element {
  const { api } = context;
  const sessionID = openSession(context);
  const rootSessionID = sessionID && rootOf(context, sessionID);
  const [query, setQuery] = createSignal("");
  const [isWide, setWide] = createSignal(false);
  const jobs = jobsOf(context, () => (isWide() ? undefined : rootSessionID));
  const now = createTicker(context, () =>
    jobs().some(isLive) ? 1000 : jobs().length > 0 ? 60_000 : undefined,
  );
  const options = createMemo(() => {
    const found = jobs().filter((shown) => isFound(shown, query(), now()));
    const shown = optionsFor(found, now(), dialogWidth(context));
    if (rootSessionID === undefined || query() !== "") return shown;
    const title = isWide() ? "Only those of this session" : "Those of all sessions here";
    return [...shown, { value: AUDIENCE, title, category: "Show" }];
  });
  return createComponent(api.ui.DialogSelect<string>, {
    get title() {
      return ["Background", summary(jobs())].filter(Boolean).join(": ");
    },
    get placeholder() {
      return jobs().length > 0 ? SEARCH : emptyText(context);
    },
    get options() {
      return options();
    },
    // By more than what the rows have room for.
    skipFilter: true,
    onFilter: setQuery,
    onSelect: ({ value }) => {
      if (value === AUDIENCE) setWide((before) => !before);
      else openJob(context, value, () => openJobs(context));
    },
  });
}

/** No job has this id. */
const AUDIENCE = "audience";
const SEARCH = "Search name, state, tag, command, pid";

function emptyText({ source }: ViewContext): string {
  const problem = source.problem();
  if (problem !== undefined) return `Nothing can be shown: ${clean(problem)}`;
  const origin = source.origin();
  if (origin?.kind !== "elsewhere") return "No background jobs";
  return `The jobs of ${clean(origin.server)} cannot be shown on this machine`;
}

function openJob(context: ViewContext, id: string, back: () => void): void {
  openDialog(context, () => actions(context, id, back));
}

function actions(context: ViewContext, id: string, back: () => void): Element {
  const { api, clock } = context;
  const job = followJob(context, id);
  return createComponent(api.ui.DialogSelect<Action>, {
    get title() {
      const shown = job();
      return shown ? fit(titleOf(shown, clock.now()), dialogWidth(context)) : id;
    },
    placeholder: "What to do",
    get options() {
      const shown = job();
      return shown ? actionsFor(shown) : [BACK];
    },
    onSelect: ({ value }) => {
      const shown = job();
      if (value === "back" || !shown) back();
      else run(context, shown, value, back);
    },
  });
}

function run(
  context: ViewContext,
  shown: ShownJob,
  action: Exclude<Action, "back">,
  back: () => void,
): void {
  const { api } = context;
  const { job } = shown;
  switch (action) {
    case "answer":
      answerRequest(context, shown);
      break;
    case "log": {
      const from = api.route.current;
      api.ui.dialog.clear();
      api.route.navigate(LOG_ROUTE, { jobID: job.id, from });
      break;
    }
    case "details":
      openDetails(context, job.id, () => openJob(context, job.id, back));
      break;
    case "session":
      api.ui.dialog.clear();
      if (job.kind === "subagent" && job.sessionID !== undefined) {
        api.route.navigate("session", { sessionID: job.sessionID });
      }
      break;
    case "copy":
      api.ui.dialog.clear();
      if (api.renderer.copyToClipboardOSC52(job.id)) {
        api.ui.toast({ message: `Copied ${job.id}`, variant: "info" });
      } else {
        const message = `${job.id} (this terminal gives no access to the clipboard)`;
        api.ui.toast({ message, variant: "warning" });
      }
      break;
    case "restart":
      api.ui.dialog.clear();
      restartJob(context, shown);
      break;
    case "cancel":
      cancelJob(context, shown);
      break;
    case "remove":
      removeWorktree(context, shown);
  }
}

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

type Action =
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

const BACK: TuiDialogSelectOption<Action> = { value: "back", title: "Back to the list" };

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
