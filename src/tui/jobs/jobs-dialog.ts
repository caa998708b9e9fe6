/** The list of jobs in the host's own select dialog: searched by typing, grouped, kept up to date. */
import { createComponent } from "@opentui/solid";
import { createMemo } from "solid-js";
import { clean } from "../../cells.js";
import { dialogWidth, openDialog, rootOf, type ViewContext } from "../context.js";
import { summary } from "../describe.js";
import type { Element } from "../element.js";
import { openJob } from "./job-dialog.js";
import { optionsFor } from "./job-options.js";
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
  const jobs = createMemo(() =>
    jobsFor(source.snapshot().jobs, { directory: api.state.path.directory, rootSessionID }),
  );
  const now = createTicker(
    clock,
    () => source.snapshot().at,
    () => (jobs().some(isLive) ? 1000 : undefined),
  );
  const options = createMemo(() => optionsFor(jobs(), now(), dialogWidth(context)));
  return createComponent(api.ui.DialogSelect<string>, {
    get title() {
      return ["Background", summary(jobs())].filter(Boolean).join(": ");
    },
    get placeholder() {
      return jobs().length > 0 ? "Search" : emptyText(context);
    },
    get options() {
      return options();
    },
    onSelect: ({ value }) => openJob(context, value, () => openJobs(context)),
  });
}

function emptyText({ source }: ViewContext): string {
  const problem = source.problem();
  if (problem !== undefined) return `Nothing can be shown: ${clean(problem)}`;
  const origin = source.origin();
  if (origin?.kind !== "elsewhere") return "No background jobs";
  return `The jobs of ${clean(origin.server)} cannot be shown on this machine`;
}
