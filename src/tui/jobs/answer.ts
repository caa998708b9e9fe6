/**
 * Answers what a job is blocked on with the host's dialogs. A permission and a question are kept by the host by
 * directory, so the answer names that of the session that asks: a worktree is another one than the job's OpenCode has.
 * What a process asks is answered by the OpenCode that has it, with a line that leaves the terminal sealed for that
 * question alone and is kept nowhere; a password is shown as dots while it is typed.
 */
import type { KeyEvent, PasteEvent } from "@opentui/core";
import { createComponent } from "@opentui/solid";
import type { QuestionInfo } from "@opencode-ai/sdk/v2";
import { createSignal } from "solid-js";
import { coerceError } from "../../ports.js";
import { seal } from "../../process/input/sealed.js";
import { clean, fit } from "../../cells.js";
import { askOpenCode, complain, type ViewContext } from "../context.js";
import { box, dialogWidth, openDialog, text, type Element } from "../element.js";
import type { ShownJob } from "../describe.js";

export function answerRequest(context: ViewContext, { job, directory }: ShownJob): void {
  const { client } = context.api;
  const { blockedOn } = job;
  if (!blockedOn) return;
  const { kind, sealFor, requestID, sessionID } = blockedOn;
  const what = clean(blockedOn.what);
  if (sealFor !== undefined) {
    askLine(context, what, kind === "password", async (line) => {
      const sealed = seal(line, sealFor, job.id);
      await askOpenCode(client, directory, { act: "type", jobID: job.id, sealed });
    });
  } else if (requestID !== undefined) {
    const answer = kind === "permission" ? answerPermission : answerQuestion;
    const work = async () => {
      const { data } = await client.session.get({ sessionID }, { throwOnError: true });
      await answer(context, { requestID, directory: data.directory }, what);
    };
    tell(context, work());
  }
}

interface Request {
  requestID: string;
  directory: string;
}

type Reply = "once" | "always" | "reject";

async function answerPermission(
  context: ViewContext,
  { requestID, directory }: Request,
  what: string,
): Promise<void> {
  const { api } = context;
  const { data } = await api.client.permission.list({ directory }, { throwOnError: true });
  const asked = data.find(({ id }) => id === requestID);
  if (!asked) throw new Error("the permission was answered meanwhile");
  // It may be more than what is asked for now.
  const allowed = asked.always.map(clean).join(", ");
  const always = ["until OpenCode is restarted", allowed].filter(Boolean).join(": ");
  const options: { value: Reply; title: string; description?: string }[] = [
    { value: "once", title: "Allow once" },
    { value: "always", title: "Allow always", description: fit(always, dialogWidth(context) - 16) },
    { value: "reject", title: "Reject" },
  ];
  openDialog(context, () =>
    createComponent(api.ui.DialogSelect<Reply>, {
      title: fit(`Permission: ${what}`, dialogWidth(context)),
      placeholder: "How to answer",
      options,
      onSelect: ({ value: reply }) => {
        api.ui.dialog.clear();
        const answer = { requestID, directory, reply };
        tell(context, api.client.permission.reply(answer, { throwOnError: true }));
      },
    }),
  );
}

async function answerQuestion(
  context: ViewContext,
  { requestID, directory }: Request,
): Promise<void> {
  const { api } = context;
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

function askLine(
  context: ViewContext,
  what: string,
  isHidden: boolean,
  send: (line: string) => Promise<void>,
): void {
  const { api } = context;
  const onConfirm = (line: string) => {
    api.ui.dialog.clear();
    tell(context, send(line));
  };
  const title = fit(what, dialogWidth(context));
  openDialog(context, () =>
    isHidden
      ? hiddenLine(context, title, onConfirm)
      : createComponent(api.ui.DialogPrompt, { title, placeholder: "Your answer", onConfirm }),
  );
}

const DOT = "•";

/** The host has no input that hides what is typed. */
function hiddenLine(
  context: ViewContext,
  title: string,
  onConfirm: (line: string) => void,
): Element {
  const [line, setLine] = createSignal("");
  const onKeyDown = (key: KeyEvent) => {
    if (key.name === "escape") return;
    key.preventDefault();
    if (key.name === "return" || key.name === "kpenter" || key.name === "linefeed")
      onConfirm(line());
    else if (key.name === "backspace")
      setLine((before) => Array.from(before).slice(0, -1).join(""));
    else if (key.ctrl && key.name === "u") setLine("");
    else if (!key.ctrl && !key.meta && isText(key.sequence)) {
      setLine((before) => before + key.sequence);
    }
  };
  const onPaste = (event: PasteEvent) => {
    event.preventDefault();
    const pasted = new TextDecoder().decode(event.bytes).replace(/[\r\n]+$/u, "");
    if (isText(pasted)) setLine((before) => before + pasted);
  };
  const dots = () => DOT.repeat(Math.min(Array.from(line()).length, dialogWidth(context) - 1));
  const hint = "enter types it, esc leaves; it is not shown and not kept";
  return box(
    { focusable: true, focused: true, paddingX: 4, paddingBottom: 1, gap: 1, onKeyDown, onPaste },
    text(context, title, "text", { attributes: 1 }),
    text(context, () => `${dots()}▏`, "active"),
    text(context, hint, "muted"),
  );
}

/** Neither empty nor with anything that a terminal obeys. */
function isText(typed: string): boolean {
  return /^\P{Cc}+$/u.test(typed);
}

function tell({ api }: ViewContext, work: Promise<unknown>): void {
  work.catch((thrown: unknown) =>
    complain(api.ui, `The answer did not get through: ${coerceError(thrown).message}`),
  );
}
