/**
 * Ends a job for the user, or runs a process again. Only the OpenCode that has it does so: it is asked through the
 * host, and its answer is the record.
 */
import { createComponent } from "@opentui/solid";
import { createEffect, createRoot } from "solid-js";
import type { UserRequest } from "../../host/user-request.js";
import type { Job } from "../../jobs/job.js";
import { isTerminal } from "../../jobs/status.js";
import { coerceError } from "../../ports.js";
import { clean, fit } from "../../cells.js";
import { askOpenCode, complain, findJob, type ViewContext } from "../context.js";
import type { ShownJob } from "../describe.js";

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

export function restartJob(context: CancelContext, shown: ShownJob): void {
  const name = nameOf(shown);
  const message = `${name}: runs again`;
  ask(context, shown, "restart", `${name}: could not be started again: `, () =>
    context.api.ui.toast({ title: "Background", message, variant: "info" }),
  );
}

/** Asks first. */
export function cancelJob(context: CancelContext, shown: ShownJob): void {
  const { job } = shown;
  const name = nameOf(shown);
  const [title, message] =
    job.kind === "process"
      ? [
          "Kill this process?",
          `${name}: the process and everything it has started is ended.\n\n${clean(job.command)}`,
        ]
      : ["Cancel this subagent?", `${name}: its run and the processes it has started are ended.`];
  const fail = (why: string) => complain(context.api.ui, `${name}: ${why}`);
  confirm(context, title, message, () =>
    ask(context, shown, "cancel", `${name}: could not be ended: `, () =>
      expectEnd(context, job, fail),
    ),
  );
}

/** Asks first. What became of it is said in a toast by the OpenCode that the job belongs to. */
export function removeWorktree(context: CancelContext, shown: ShownJob): void {
  const { job } = shown;
  const worktree = job.kind === "subagent" ? job.worktree : undefined;
  const uncommitted = worktree?.result?.uncommitted ?? 0;
  const first = uncommitted > 0 ? "what is not committed is committed first, and " : "";
  const message = `${nameOf(shown)}: the folder goes; ${first}its branch stays if it has commits.`;
  confirm(context, "Remove its worktree?", message, () => ask(context, shown, "remove", ""));
}

function nameOf({ job }: ShownJob): string {
  return fit(clean(job.name), 40);
}

function confirm({ api }: CancelContext, title: string, message: string, onConfirm: () => void) {
  api.ui.dialog.replace(() => createComponent(api.ui.DialogConfirm, { title, message, onConfirm }));
}

/** `problem` stands in front of the reason of a refusal. */
function ask(
  { api }: CancelContext,
  { job, directory }: ShownJob,
  act: Exclude<UserRequest["act"], "type" | "page">,
  problem: string,
  then: () => void = () => undefined,
): void {
  askOpenCode(api.client, directory, { act, jobID: job.id })
    .then(then)
    .catch((thrown: unknown) => complain(api.ui, problem + coerceError(thrown).message));
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
