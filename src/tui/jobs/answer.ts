/**
 * Answers what a job is blocked on with the host's dialogs. A permission and a question are kept by the host by directory,
 * so the answer names that of the session that asks: a worktree is another one than the job's OpenCode has. What a
 * process asks is answered by the OpenCode that has it (`typed-answer.ts`).
 */
import { createComponent } from "@opentui/solid";
import type { QuestionInfo } from "@opencode-ai/sdk/v2";
import { coerceError } from "../../ports.js";
import { clean, fit } from "../../cells.js";
import { dialogWidth, openDialog, type ViewContext } from "../context.js";
import type { Element } from "../element.js";
import type { ShownJob } from "../shown-job.js";
import { typeAnswer } from "./typed-answer.js";

export function answerRequest(context: ViewContext, { job, directory }: ShownJob): void {
  const { blockedOn } = job;
  if (blockedOn?.sealFor !== undefined) {
    typeAnswer(context, { job, directory }, { ...blockedOn, sealFor: blockedOn.sealFor });
    return;
  }
  if (blockedOn?.requestID === undefined) return;
  const { requestID, sessionID } = blockedOn;
  const request = { requestID, sessionID };
  if (blockedOn.kind === "permission") answerPermission(context, request, clean(blockedOn.what));
  else tell(context, answerQuestion(context, request));
}

interface Request {
  requestID: string;
  /** That asks: the job's own, or one below it. */
  sessionID: string;
}

async function directoryOf({ api }: ViewContext, { sessionID }: Request): Promise<string> {
  const { data } = await api.client.session.get({ sessionID }, { throwOnError: true });
  return data.directory;
}

type Reply = "once" | "always" | "reject";

const REPLIES: { value: Reply; title: string; description: string }[] = [
  { value: "once", title: "Allow once", description: "" },
  { value: "always", title: "Allow always", description: "until OpenCode is restarted" },
  { value: "reject", title: "Reject", description: "" },
];

function answerPermission(context: ViewContext, request: Request, what: string): void {
  const { api } = context;
  openDialog(context, () =>
    createComponent(api.ui.DialogSelect<Reply>, {
      title: fit(`Permission: ${what}`, dialogWidth(context)),
      placeholder: "How to answer",
      options: REPLIES,
      onSelect: ({ value }) => {
        api.ui.dialog.clear();
        tell(context, replyTo(context, request, value));
      },
    }),
  );
}

async function replyTo(context: ViewContext, request: Request, reply: Reply): Promise<void> {
  const { requestID } = request;
  const directory = await directoryOf(context, request);
  await context.api.client.permission.reply(
    { requestID, directory, reply },
    { throwOnError: true },
  );
}

async function answerQuestion(context: ViewContext, request: Request): Promise<void> {
  const { api } = context;
  const { requestID } = request;
  const directory = await directoryOf(context, request);
  const { data } = await api.client.question.list({ directory }, { throwOnError: true });
  const questions = data.find(({ id }) => id === requestID)?.questions;
  if (!questions) throw new Error("the question was answered meanwhile");
  const answers: string[][] = [];
  for (const question of questions) {
    const answer = await askOne(context, question);
    // Escape: the question stays open.
    if (!answer) return;
    answers.push(answer);
  }
  api.ui.dialog.clear();
  await api.client.question.reply({ requestID, directory, answers }, { throwOnError: true });
}

const DONE = "\u0000done";
const OWN = "\u0000own";

/** Undefined when the user left the dialog. */
function askOne(context: ViewContext, question: QuestionInfo): Promise<string[] | undefined> {
  const { api } = context;
  const chosen = new Set<string>();
  return new Promise((resolve) => {
    let latest = 0;
    // The host says of a dialog that it was closed also when the next one takes its place.
    const show = (render: () => Element) => {
      latest += 1;
      const opened = latest;
      openDialog(context, render, () => {
        if (opened === latest) resolve(undefined);
      });
    };
    const open = () => {
      const options = question.options.map(({ label, description }) => ({
        value: label,
        title: fit(`${chosen.has(label) ? "✓ " : ""}${clean(label)}`, 40),
        description: fit(clean(description), 40),
      }));
      const own = { value: OWN, title: "Write an answer", description: "" };
      const done = { value: DONE, title: `Send (${chosen.size} chosen)`, description: "" };
      show(() =>
        createComponent(api.ui.DialogSelect<string>, {
          title: fit(clean(question.question), dialogWidth(context)),
          placeholder: "Your answer",
          options: [
            ...options,
            ...(question.custom === false ? [] : [own]),
            ...(question.multiple ? [done] : []),
          ],
          onSelect: ({ value }) => {
            if (value === OWN) write();
            else if (value === DONE) resolve([...chosen]);
            else if (!question.multiple) resolve([value]);
            else {
              if (!chosen.delete(value)) chosen.add(value);
              open();
            }
          },
        }),
      );
    };
    const write = () =>
      show(() =>
        createComponent(api.ui.DialogPrompt, {
          title: fit(clean(question.question), dialogWidth(context)),
          placeholder: "Your answer",
          onConfirm: (value) => resolve([...chosen, value]),
        }),
      );
    open();
  });
}

function tell({ api }: ViewContext, work: Promise<unknown>): void {
  work.catch((thrown: unknown) => {
    const message = `The answer did not get through: ${coerceError(thrown).message}`;
    api.ui.toast({ title: "Background", message, variant: "error" });
  });
}
