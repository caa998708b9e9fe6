/**
 * All that is known of one job, as rows of a name and a value in the host's select dialog: searched and scrolled as
 * every list; enter opens its address.
 */
import { createComponent } from "@opentui/solid";
import { type Accessor, createMemo, createSignal, onCleanup, untrack } from "solid-js";
import { clean, pad, wrapWords } from "../../cells.js";
import { costWords, kindOf, modelOf, tokensOf } from "../../jobs/facts.js";
import type { ProcessJob, SubagentJob } from "../../jobs/job.js";
import { type Clock, coerceError, type Timer } from "../../ports.js";
import { outputPath } from "../../store/instance-folder.js";
import { type Measure, systemMeasure, type Usage } from "../../system/usage.js";
import { byteSize, counted, grouped } from "../../text.js";
import { openBrowser } from "../../web/browser.js";
import { followJob, type ViewContext } from "../context.js";
import {
  branchOf,
  duration,
  isLive,
  lookOf,
  outcome,
  type ShownJob,
  waitsFor,
} from "../describe.js";
import { dialogWidth, type Element, openDialog } from "../element.js";
import { firstAddress } from "../said.js";

interface LookedUp {
  usage?: Usage | undefined;
  cpuPercent?: number | undefined;
  /** The first address that its output names. */
  url?: string | undefined;
  /** What a subagent was told. */
  prompt?: string | undefined;
  outputFile?: string | undefined;
}

interface DetailRow {
  /** Which field it belongs to; a long one has several rows. */
  field: string;
  text: string;
}

const NAME_WIDTH = 10;

/** Each row of at most so many cells; values are whole, and go on below. */
export function detailRows(
  shown: ShownJob,
  now: number,
  width: number,
  found: LookedUp,
): DetailRow[] {
  return fieldsOf(shown, now, found).flatMap(([field, value]) => {
    if (value === undefined || value === "") return [];
    const lines = value
      .split("\n")
      .flatMap((line) => wrapWords(clean(line), width - NAME_WIDTH - 1));
    return lines.map((line, at) => ({
      field,
      text: `${pad(at === 0 ? field : "", NAME_WIDTH)} ${line}`,
    }));
  });
}

type Field = [name: string, value: string | undefined];

function fieldsOf(shown: ShownJob, now: number, found: LookedUp): Field[] {
  const { job } = shown;
  const state = isLive(shown) ? (waitsFor(shown, now) ?? lookOf(shown)) : outcome(shown);
  return [
    ["name", job.name],
    ["id", job.id],
    ["kind", kindOf(job)],
    ["state", state],
    ["error", job.error],
    ...(job.kind === "process" ? processFields(job, found) : taskFields(job, found)),
    ["tags", job.tags.join(", ")],
    ["group", job.group],
    ["branch", branchOf(shown)],
    ["folder", job.kind === "process" ? job.cwd : shown.directory],
    ["started", (job.startedAt ?? job.createdAt).toLocaleString()],
    ["ended", job.completedAt?.toLocaleString()],
    ["time", duration(shown, now)],
  ];
}

function processFields(job: ProcessJob, found: LookedUp): Field[] {
  const { usage, cpuPercent, url, outputFile } = found;
  const { bytes, dropped } = job.output;
  const lost = dropped > 0 ? `, ${byteSize(dropped)} of it not kept` : "";
  return [
    ["command", job.command],
    ["pid", job.identity && String(job.identity.pid)],
    ["processor", cpuPercent === undefined ? undefined : `${cpuPercent.toFixed(1)} %`],
    [
      "memory",
      usage &&
        `${byteSize(usage.memoryBytes)} in ${counted(usage.processes, "process", "processes")}`,
    ],
    ["ports", usage?.ports.join(", ")],
    ["address", url && `${url} (enter opens it)`],
    ["exit", job.signal ?? (job.exitCode === undefined ? undefined : String(job.exitCode))],
    ["output", `${byteSize(bytes)}${lost}`],
    ["log", outputFile],
  ];
}

function taskFields(job: SubagentJob, { prompt }: LookedUp): Field[] {
  const { cacheRead } = job.tokens;
  const tokens = tokensOf(job);
  const cached = cacheRead > 0 ? `, and ${grouped(cacheRead)} from the cache` : "";
  const { toolCalls, steps, lastTool } = job.progress;
  const tool = lastTool === undefined ? "" : `, last ${lastTool}`;
  return [
    ["prompt", prompt ?? job.prompt],
    ["agent", job.agent],
    ["model", modelOf(job)],
    ["session", job.sessionID],
    ["steps", steps === undefined ? undefined : String(steps)],
    ["calls", `${toolCalls}${tool}`],
    ["tokens", `${grouped(tokens)}${cached}`],
    ["cost", tokens === 0 ? undefined : costWords({ tokens, cost: job.cost })],
  ];
}

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
