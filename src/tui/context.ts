/** What every view of ours is given: the host, the jobs, the options; and the colours for a tone. */
import type { TuiPluginApi } from "@opencode-ai/plugin/tui";
import type { Clock } from "../ports.js";
import type { Tone } from "./describe.js";
import { box, guard, text, type Element } from "./element.js";
import type { TuiOptions } from "./options.js";
import type { ShownJob } from "./shown-job.js";
import type { Source } from "./source.js";

export interface ViewContext {
  api: TuiPluginApi;
  source: Source;
  options: TuiOptions;
  clock: Clock;
}

type Theme = TuiPluginApi["theme"]["current"];
type Colour = Theme["text"];

/** Asked for each time, so that a change of the theme is followed. */
export function colour({ api }: Pick<ViewContext, "api">, tone: Tone): Colour {
  const theme = api.theme.current;
  const colours: Readonly<Record<Tone, Colour>> = {
    text: theme.text,
    muted: theme.textMuted,
    good: theme.success,
    warning: theme.warning,
    bad: theme.error,
    active: theme.primary,
  };
  return colours[tone];
}

/** The top of a session's tree, as far as the terminal knows it. */
export function rootOf({ api }: Pick<ViewContext, "api">, sessionID: string): string {
  const seen = new Set<string>();
  let at = sessionID;
  for (;;) {
    const parent = api.state.session.get(at)?.parentID;
    if (parent === undefined || seen.has(parent)) return at;
    seen.add(at);
    at = parent;
  }
}

export function findJob(
  { source }: { source: Pick<Source, "snapshot"> },
  id: string,
): ShownJob | undefined {
  return source.snapshot().jobs.find(({ job }) => job.id === id);
}

const WIDEST_DIALOG = 88;
const DIALOG_MARGINS = 14;

/** Cells in one row of the host's large dialog, which is as wide as a narrow terminal. */
export function dialogWidth({ api }: Pick<ViewContext, "api">): number {
  return Math.max(20, Math.min(WIDEST_DIALOG, api.renderer.width) - DIALOG_MARGINS);
}

/** The host's dialog of this size; each new one starts small. */
export function openDialog(
  { api }: Pick<ViewContext, "api">,
  render: () => Element,
  onClose?: () => void,
): void {
  const failed = () =>
    text({ content: "This cannot be shown.", fg: () => colour({ api }, "warning") });
  api.ui.dialog.replace(() => box({}, guard(render, failed)), onClose);
  api.ui.dialog.setSize("large");
}
