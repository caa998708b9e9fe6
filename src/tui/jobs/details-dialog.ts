/** The details of one job in the host's select dialog: searched and scrolled as every list; enter opens its address. */
import { createComponent } from "@opentui/solid";
import { createMemo, createSignal, onCleanup, untrack, type Accessor } from "solid-js";
import { coerceError, type Clock, type Timer } from "../../ports.js";
import { outputPath } from "../../store/instance-folder.js";
import { systemMeasure, type Measure, type Usage } from "../../system/usage.js";
import { openBrowser } from "../../web/browser.js";
import { followJob, type ViewContext } from "../context.js";
import { dialogWidth, openDialog, type Element } from "../element.js";
import { firstAddress } from "../said.js";
import { isLive, type ShownJob } from "../shown-job.js";
import { detailRows, type LookedUp } from "./details.js";

export function openDetails(context: ViewContext, id: string, back: () => void): void {
  openDialog(context, () => details(context, id, back));
}

const MEASURE_MILLISECONDS = 2_000;
/** The host cuts what is longer. */
const LONGEST_TITLE = 60;

function details(context: ViewContext, id: string, back: () => void): Element {
  const { api, clock } = context;
  const job = followJob(context, id);
  const usage = measured(clock, job);
  // Not followed: the whole dialog would be made anew with each change of the job.
  const prompt = promptOf(context, untrack(job));
  const width = Math.min(dialogWidth(context), LONGEST_TITLE);
  const found = (): LookedUp => {
    const shown = job();
    if (shown?.job.kind !== "process") return { prompt: prompt() };
    const outputFile = outputPath(shown.folder, shown.job.id);
    return { ...usage(), outputFile, url: firstAddress(shown) };
  };
  const rows = createMemo(() => {
    const shown = job();
    return shown ? detailRows(shown, clock.now(), width, found()) : [];
  });
  return createComponent(api.ui.DialogSelect<string>, {
    title: "Details",
    placeholder: "Search in the details",
    get options() {
      return rows().map(({ field, text }, at) => ({ title: text, value: `${field} ${at}` }));
    },
    onSelect: ({ value }) => {
      const url = value.startsWith("address ") ? found().url : undefined;
      if (url === undefined) back();
      else open(context, url);
    },
  });
}

/** Looked at again and again while it is shown and goes on, and only then; nothing where the system cannot be asked. */
export function measured(
  clock: Clock,
  job: Accessor<ShownJob | undefined>,
  measure: Measure = systemMeasure(),
): Accessor<Pick<LookedUp, "usage" | "cpuPercent">> {
  const [seen, setSeen] = createSignal<Pick<LookedUp, "usage" | "cpuPercent">>({});
  let before: { usage: Usage; at: number } | undefined;
  let timer: Timer | undefined;
  let isClosed = false;
  const look = async () => {
    const shown = untrack(job);
    if (shown?.job.kind !== "process" || !isLive(shown)) return setSeen({});
    const { id: jobID, identity, controlGroup } = shown.job;
    // Between two runs there is none.
    const usage = identity && (await measure({ jobID, identity, controlGroup }));
    if (isClosed) return undefined;
    const at = clock.monotonic();
    const used = (usage?.cpuMilliseconds ?? 0) - (before?.usage.cpuMilliseconds ?? 0);
    const cpuPercent = before && Math.max(0, (used / Math.max(1, at - before.at)) * 100);
    before = usage && { usage, at };
    timer = clock.after(MEASURE_MILLISECONDS, again);
    return setSeen(usage ? { usage, cpuPercent } : {});
  };
  const again = () => void look().catch(() => setSeen({}));
  again();
  onCleanup(() => {
    isClosed = true;
    timer?.cancel();
  });
  return seen;
}

/** Of a subagent that was given its prompt only the session has it. */
function promptOf({ api }: ViewContext, shown: ShownJob | undefined) {
  const [prompt, setPrompt] = createSignal<string>();
  const sessionID = shown?.job.kind === "subagent" ? shown.job.sessionID : undefined;
  const read = async (session: string) => {
    const { data } = await api.client.session.messages({ sessionID: session });
    const first = data?.find(({ info }) => info.role === "user");
    const texts = first?.parts.flatMap((part) => (part.type === "text" ? [part.text] : []));
    setPrompt(texts?.join("\n"));
  };
  if (sessionID !== undefined) {
    read(sessionID).catch((thrown: unknown) =>
      setPrompt(`(cannot be read: ${coerceError(thrown).message})`),
    );
  }
  return prompt;
}

function open({ api }: ViewContext, url: string): void {
  openBrowser(url)
    .then(() => api.ui.toast({ message: `Opened ${url}`, variant: "info" }))
    .catch((thrown: unknown) => {
      const message = `${url} could not be opened: ${coerceError(thrown).message}`;
      api.ui.toast({ message, variant: "warning" });
    });
}
