/** The list of jobs in the host's own select dialog: searched by typing, grouped, kept up to date. */
import { createComponent } from "@opentui/solid";
import { createMemo, createSignal } from "solid-js";
import { clean } from "../../cells.js";
import { dialogWidth, openDialog, rootOf, type ViewContext } from "../context.js";
import { summary } from "../describe.js";
import type { Element } from "../element.js";
import { openJob } from "./job-dialog.js";
import { optionsFor } from "./job-options.js";
import { isFound } from "./search.js";
import { isLive, jobsFor } from "../shown-job.js";
import { createTicker } from "../ticker.js";

export function openJobs(context: ViewContext): void {
  context.source.refresh();
  openDialog(context, () => list(context));
}

function list(context: ViewContext): Element {
  const { api, source, clock } = context;
  const { current } = api.route;
  const sessionID = current.name === "session" ? current.params?.["sessionID"] : undefined;
  const rootSessionID = typeof sessionID === "string" ? rootOf(context, sessionID) : undefined;
  const [query, setQuery] = createSignal("");
  const [isWide, setWide] = createSignal(false);
  const jobs = createMemo(() => {
    const audience = isWide() ? undefined : rootSessionID;
    return jobsFor(source.snapshot().jobs, {
      directory: api.state.path.directory,
      rootSessionID: audience,
    });
  });
  const now = createTicker(
    clock,
    () => source.snapshot().at,
    () => (jobs().some(isLive) ? 1000 : jobs().length > 0 ? 60_000 : undefined),
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
