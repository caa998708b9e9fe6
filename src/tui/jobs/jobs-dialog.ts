/**
 * The list of jobs in the host's own select dialog: searched by typing, grouped, kept up to date; and what can be done with
 * one of them, each entry only when it can be done.
 */
import { createComponent } from "@opentui/solid";
import { createMemo, createSignal } from "solid-js";
import { clean, fit } from "../../cells.js";
import {
  createTicker,
  followJob,
  jobsOf,
  openSession,
  rootOf,
  type ViewContext,
} from "../context.js";
import { summary } from "../describe.js";
import { dialogWidth, openDialog, type Element } from "../element.js";
import { LOG_ROUTE } from "../log/log-view.js";
import { isLive, type ShownJob } from "../shown-job.js";
import { answerRequest } from "./answer.js";
import { cancelJob, removeWorktree, restartJob } from "./cancel.js";
import { openDetails } from "./details-dialog.js";
import { actionsFor, BACK, isFound, optionsFor, titleOf, type Action } from "./job-options.js";

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
