/**
 * A line that the user types in answer to what a process asks. It leaves the terminal sealed for that question alone,
 * and is kept nowhere; a password is shown as dots while it is typed.
 */
import type { KeyEvent, PasteEvent } from "@opentui/core";
import { createComponent } from "@opentui/solid";
import { createSignal } from "solid-js";
import { requestEvent } from "../../host/user-request.js";
import type { BlockedOn } from "../../jobs/job.js";
import { coerceError } from "../../ports.js";
import { seal } from "../../process/input/sealed.js";
import { clean, fit } from "../../cells.js";
import { colour, dialogWidth, openDialog, type ViewContext } from "../context.js";
import { box, text, type Element } from "../element.js";
import type { ShownJob } from "../shown-job.js";

export interface TypedQuestion extends Pick<BlockedOn, "kind" | "what"> {
  sealFor: string;
}

export function typeAnswer(
  context: ViewContext,
  { job, directory }: Pick<ShownJob, "job" | "directory">,
  { kind, what, sealFor }: TypedQuestion,
): void {
  const { api } = context;
  const send = async (line: string) => {
    const sealed = seal(line, sealFor, job.id);
    const body = requestEvent({ act: "type", jobID: job.id, sealed });
    await api.client.tui.publish({ directory, body }, { throwOnError: true });
  };
  const onConfirm = (line: string) => {
    api.ui.dialog.clear();
    send(line).catch((thrown: unknown) => {
      const message = `The answer did not get through: ${coerceError(thrown).message}`;
      api.ui.toast({ title: "Background", message, variant: "error" });
    });
  };
  const title = fit(clean(what), dialogWidth(context));
  openDialog(context, () =>
    kind === "password"
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
    text({ content: title, attributes: 1, fg: () => colour(context, "text") }),
    text({ content: () => `${dots()}▏`, fg: () => colour(context, "active") }),
    text({ content: hint, fg: () => colour(context, "muted") }),
  );
}

/** Neither empty nor with anything that a terminal obeys. */
function isText(typed: string): boolean {
  return /^\P{Cc}+$/u.test(typed);
}
