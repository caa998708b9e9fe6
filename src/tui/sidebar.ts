/**
 * The section "Background" of the sidebar: live jobs with what they do, the last ended ones while they are news.
 * Nothing at all when there is nothing to show.
 */
import type { Renderable } from "@opencode-ai/plugin/tui";
import { TextAttributes } from "@opentui/core";
import { createEffect, createMemo, createSignal, onMount, untrack } from "solid-js";
import {
  counts,
  groupLines,
  isLive,
  jobLine,
  nextChange,
  shorten,
  type ShownJob,
} from "./describe.js";
import { countSigns } from "./badge.js";
import { cells, pad } from "../cells.js";
import { createTicker, jobsOf, rootOf, type ViewContext } from "./context.js";
import { box, each, guarded, show, text, type Element } from "./element.js";
import type { Tone } from "../looks.js";
import { firstAddress, lastLine } from "./said.js";

/** The host's sidebar leaves so many cells; the real width is measured. */
const USUAL_WIDTH = 37;

export function sidebar(context: ViewContext, sessionID: () => string): Element {
  const [isShown, setShown] = createSignal(false);
  const content = () => section(context, sessionID, setShown);
  const words = "Background: cannot be shown";
  return guarded(context, { visible: isShown }, content, words, () => setShown(true));
}

function section(
  context: ViewContext,
  sessionID: () => string,
  setShown: (isShown: boolean) => void,
): Element {
  const { source, options } = context;
  onMount(() => source.refresh());
  const [width, setWidth] = createSignal(USUAL_WIDTH);
  const jobs = jobsOf(context, () => rootOf(context, sessionID()));
  const shortList = (now: number) =>
    shorten(jobs(), {
      now,
      live: options.sidebarJobs,
      ended: options.sidebarEnded,
      fadeMilliseconds: options.fadeMinutes * 60_000,
    });
  const now = createTicker(context, (at) => nextChange(shortList(at)));
  const list = createMemo(() => shortList(now()));
  const isEmpty = createMemo(() => list().live.length + list().ended.length === 0);
  const isMissed = whetherMissed(context, sessionID);
  createEffect(() => setShown(!isEmpty() || isMissed()));
  const measure = function (this: Renderable) {
    if (this.width > 0) setWidth(this.width);
  };
  return show(
    () => !isEmpty(),
    () =>
      box(
        { onSizeChange: measure },
        // The counts as signs: words would take the row of a narrow sidebar twice.
        box(
          { flexDirection: "row", gap: 1, height: 1, overflow: "hidden" },
          heading(context),
          countSigns(context, () => counts(jobs())),
        ),
        each(
          () => groupLines(jobs(), width()),
          (line) => text(context, line, "muted", { wrapMode: "none" }),
        ),
        rows(context, () => list().live, width, now),
        more(context, () => list().moreLive, "more"),
        rows(context, () => list().ended, width, now),
        more(context, () => list().moreEnded, "more ended"),
      ),
    () => remoteNote(context),
  );
}

function heading(context: ViewContext): Element {
  return text(context, "Background", "text", { attributes: TextAttributes.BOLD, flexShrink: 0 });
}

/** By id: a record is a new one with each change, its rows on the screen stay. */
function rows(
  context: ViewContext,
  jobs: () => readonly ShownJob[],
  width: () => number,
  now: () => number,
): Element {
  const byID = createMemo(() => new Map(jobs().map((shown) => [shown.job.id, shown])));
  return each(
    () => [...byID().keys()],
    (id) => {
      const first = untrack(byID).get(id);
      // A row that is being removed is asked once more.
      const job = first && createMemo((before: ShownJob) => byID().get(id) ?? before, first);
      return job && jobRows(context, job, width, now);
    },
  );
}

function jobRows(
  context: ViewContext,
  job: () => ShownJob,
  width: () => number,
  now: () => number,
): Element {
  // Read anew when there is more of it, not with each second.
  const bytes = createMemo(() => {
    const shown = job();
    return shown.job.kind === "process" && isLive(shown) ? shown.job.output.bytes : 0;
  });
  const said = createMemo(() => {
    if (bytes() === 0) return undefined;
    const shown = untrack(job);
    return firstAddress(shown) ?? lastLine(shown);
  });
  const line = createMemo(() => jobLine(job(), width(), now(), said()));
  const name = () => pad(line().name, Math.max(1, width() - 3 - cells(line().right)));
  return box(
    {},
    box(
      { flexDirection: "row", gap: 1 },
      text(
        context,
        () => line().sign,
        () => line().tone,
        { flexShrink: 0 },
      ),
      text(context, name, "text", { flexShrink: 0 }),
      text(context, () => line().right, "muted", { flexShrink: 0 }),
    ),
    below(
      context,
      () => line().detail,
      () => line().detailTone,
    ),
    below(
      context,
      () => line().branch,
      () => "muted",
    ),
  );
}

/** A further row of a job, when it has something to say. */
function below(context: ViewContext, words: () => string, tone: () => Tone): Element {
  const row = () => text(context, () => `  ${words()}`, tone, { wrapMode: "none" });
  return show(() => words() !== "", row);
}

function more(context: ViewContext, count: () => number, word: string): Element {
  const row = () => text(context, () => `  +${count()} ${word}`, "muted");
  return show(() => count() > 0, row);
}

/** On another machine's server nothing can be shown; that matters once the session has started something. */
function whetherMissed(context: ViewContext, sessionID: () => string): () => boolean {
  const { api, source } = context;
  const [hasJobs, setHasJobs] = createSignal(false);
  createEffect(() => {
    if (hasJobs() || source.origin()?.kind !== "elsewhere") return;
    // The host's own store: it is loaded some time after the sidebar was drawn, and grows.
    const parts = api.state.session.messages(sessionID()).flatMap(({ id }) => api.state.part(id));
    if (parts.some((part) => part.type === "tool" && STARTS_JOBS.test(part.tool))) setHasJobs(true);
  });
  return hasJobs;
}

const STARTS_JOBS = /^createBackground(?:Task|Process)$/;

function remoteNote(context: ViewContext): Element {
  const note = "Jobs run on another machine and cannot be shown here; ask the model for a list.";
  return box({}, heading(context), text(context, note, "muted"));
}
