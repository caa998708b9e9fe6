/** What can be done with one job, as a dialog; each entry is there only when it can be done. */
import { createComponent } from "@opentui/solid";
import { answerRequest } from "./answer.js";
import { cancelJob, removeWorktree, restartJob } from "./cancel.js";
import { openDetails } from "./details-dialog.js";
import { fit } from "../../cells.js";
import { followJob, type ViewContext } from "../context.js";
import { dialogWidth, openDialog, type Element } from "../element.js";
import { actionsFor, BACK, titleOf, type Action } from "./job-options.js";
import { LOG_ROUTE } from "../log/log-view.js";
import type { ShownJob } from "../shown-job.js";

export function openJob(context: ViewContext, id: string, back: () => void): void {
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
