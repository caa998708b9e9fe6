/**
 * Ends a job for the user. Only the OpenCode that runs it ends it, so that its record says who did: it is asked
 * through the host, and its answer is the record.
 */
import { createComponent } from "@opentui/solid";
import { createEffect, createRoot } from "solid-js";
import { requestEvent } from "../../host/user-request.js";
import type { Job } from "../../jobs/job.js";
import { isTerminal } from "../../jobs/status.js";
import { coerceError } from "../../ports.js";
import { clean, fit } from "../../cells.js";
import { findJob, type ViewContext } from "../context.js";
import type { ShownJob } from "../shown-job.js";

/** What of a view's context it needs. */
export interface CancelContext extends Pick<ViewContext, "clock"> {
  api: {
    client: Pick<ViewContext["api"]["client"], "tui">;
    ui: Pick<ViewContext["api"]["ui"], "dialog" | "toast" | "DialogConfirm">;
  };
  source: Pick<ViewContext["source"], "snapshot">;
}

/**
 * Longer than an end may take: an abort that the host does not confirm, or a kill with the longest grace that can
 * be set and its sweep, and the delay of the state on disk.
 */
const PATIENCE_MILLISECONDS = { subagent: 15_000, process: 70_000 };

/** Asks first. */
export function cancelJob(context: CancelContext, shown: ShownJob): void {
  const { api } = context;
  const { job } = shown;
  const name = fit(clean(job.name), 40);
  const [title, message] =
    job.kind === "process"
      ? ["Kill this process?", `${name}: the process and everything it has started is ended.`]
      : ["Cancel this subagent?", `${name}: its run and the processes it has started are ended.`];
  api.ui.dialog.replace(() =>
    createComponent(api.ui.DialogConfirm, { title, message, onConfirm: () => ask(context, shown) }),
  );
}

function ask(context: CancelContext, { job, directory }: ShownJob): void {
  const { api } = context;
  const name = fit(clean(job.name), 40);
  const fail = (why: string) =>
    api.ui.toast({ title: "Background", message: `${name}: ${why}`, variant: "error" });
  api.client.tui
    .publish(
      { directory, body: requestEvent({ act: "cancel", jobID: job.id }) },
      { throwOnError: true },
    )
    .then(() => expectEnd(context, job, fail))
    .catch((thrown: unknown) => fail(`could not be ended: ${coerceError(thrown).message}`));
}

/** Asks first. What became of it is said in a toast by the OpenCode that the job belongs to. */
export function removeWorktree({ api }: CancelContext, { job, directory }: ShownJob): void {
  const worktree = job.kind === "subagent" ? job.worktree : undefined;
  const branch = fit(clean(worktree?.branch ?? ""), 60);
  const uncommitted = worktree?.result?.uncommitted ?? 0;
  const first = uncommitted > 0 ? "what is not committed is committed first, and " : "";
  const message = `${fit(clean(job.name), 40)}: the folder goes; ${first}branch ${branch} stays if it has commits.`;
  const fail = (thrown: unknown) =>
    api.ui.toast({ title: "Background", message: coerceError(thrown).message, variant: "error" });
  const body = requestEvent({ act: "remove", jobID: job.id });
  const onConfirm = () =>
    void api.client.tui.publish({ directory, body }, { throwOnError: true }).catch(fail);
  const title = "Remove its worktree?";
  api.ui.dialog.replace(() => createComponent(api.ui.DialogConfirm, { title, message, onConfirm }));
}

/** The end itself is announced as every end is; silence is what must be told here. */
function expectEnd(context: CancelContext, { id, kind }: Job, fail: (why: string) => void): void {
  const { clock } = context;
  createRoot((done) => {
    const timer = clock.after(PATIENCE_MILLISECONDS[kind], () => {
      fail("still runs; the OpenCode that started it did not react");
      done();
    });
    createEffect(() => {
      const shown = findJob(context, id);
      if (shown && !isTerminal(shown.job.status)) return;
      timer.cancel();
      const survivors = shown?.job.kind === "process" ? (shown.job.survivors ?? []) : [];
      if (survivors.length > 0) {
        fail(`still alive after the kill: ${survivors.map(({ pid }) => pid).join(", ")}`);
      }
      // Not within its own effect.
      queueMicrotask(done);
    });
  });
}
