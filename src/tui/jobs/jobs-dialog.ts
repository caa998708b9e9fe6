/** The list of jobs in the host's own select dialog: searched by typing, grouped, kept up to date. */
import { createComponent } from "@opentui/solid";
import { createMemo, createSignal } from "solid-js";
import { clean } from "../../cells.js";
import { createTicker, jobsOf, openSession, rootOf, type ViewContext } from "../context.js";
import { summary } from "../describe.js";
import { dialogWidth, openDialog, type Element } from "../element.js";
import { openJob } from "./job-dialog.js";
import { isFound, optionsFor } from "./job-options.js";
import { isLive } from "../shown-job.js";

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
