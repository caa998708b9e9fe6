/** What can be done with one job, as a dialog; each entry is there only when it can be done. */
import type { TuiDialogSelectOption } from "@opencode-ai/plugin/tui";
import { createComponent } from "@opentui/solid";
import { createMemo } from "solid-js";
import { answerRequest } from "./answer.js";
import { cancelJob } from "./cancel.js";
import { clean, fit } from "./cells.js";
import { dialogWidth, findJob, openDialog, type ViewContext } from "./context.js";
import { outcome, SIGNS, waitsFor } from "./describe.js";
import type { Element } from "./element.js";
import { LOG_ROUTE } from "./log-view.js";
import { isLive, lookOf, type ShownJob } from "./shown-job.js";

type Action = "answer" | "log" | "session" | "copy" | "cancel" | "back";

export function openJob(context: ViewContext, id: string, back: () => void): void {
  openDialog(context, () => actions(context, id, back));
}

function actions(context: ViewContext, id: string, back: () => void): Element {
  const { api, clock } = context;
  const job = createMemo<ShownJob | undefined>((before) => findJob(context, id) ?? before);
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
      else run(context, shown, value);
    },
  });
}

function titleOf(shown: ShownJob, now: number): string {
  const what = isLive(shown) ? waitsFor(shown, now) : outcome(shown);
  const name = `${SIGNS[lookOf(shown)].sign} ${fit(clean(shown.job.name), 40)}`;
  return what === undefined ? name : `${name} · ${what}`;
}

const BACK: TuiDialogSelectOption<Action> = { value: "back", title: "Back to the list" };

export function actionsFor(shown: ShownJob): TuiDialogSelectOption<Action>[] {
  const { job } = shown;
  const options: (TuiDialogSelectOption<Action> | false)[] = [
    job.blockedOn?.requestID !== undefined &&
      isLive(shown) && {
        value: "answer",
        title: `Answer the ${job.blockedOn.kind}`,
        description: fit(clean(job.blockedOn.what), 50),
      },
    { value: "log", title: "See the log" },
    job.kind === "subagent" &&
      job.sessionID !== undefined && { value: "session", title: "Open its session" },
    { value: "copy", title: "Copy its id", description: job.id },
    isLive(shown) && {
      value: "cancel",
      title: job.kind === "process" ? "Kill it" : "Cancel it",
      description: "asks first",
    },
    BACK,
  ];
  return options.filter((option) => option !== false);
}

function run(context: ViewContext, shown: ShownJob, action: Exclude<Action, "back">): void {
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
    case "session":
      api.ui.dialog.clear();
      if (job.kind === "subagent" && job.sessionID !== undefined) {
        api.route.navigate("session", { sessionID: job.sessionID });
      }
      break;
    case "copy":
      api.ui.dialog.clear();
      api.renderer.copyToClipboardOSC52(job.id);
      api.ui.toast({ message: `Copied ${job.id}`, variant: "info" });
      break;
    case "cancel":
      cancelJob(context, shown);
  }
}
