/**
 * The section "Background" of the sidebar: live jobs with what they do, the last ended ones while they are news.
 * Nothing at all when there is nothing to show.
 */
import type { Renderable } from "@opencode-ai/plugin/tui";
import { createEffect, createMemo, createSignal, onMount, untrack } from "solid-js";
import { nextChange, shorten } from "./arrange.js";
import { cells, pad } from "../cells.js";
import { colour, rootOf, type ViewContext } from "./context.js";
import { counts, groupLines, jobLine, SIGNS, type JobLine } from "./describe.js";
import { box, each, guard, show, text, type Element } from "./element.js";
import { firstAddress, lastLine } from "./said.js";
import { isLive, jobsFor, type ShownJob } from "./shown-job.js";
import { createTicker } from "./ticker.js";

/** The host's sidebar leaves so many cells; the real width is measured. */
const USUAL_WIDTH = 37;

/**
 * The element itself is always the same one: the host makes a section anew, state and all, whenever what its slot
 * was given turns into something else, and would do so for ever with one that fails.
 */
export function sidebar(context: ViewContext, sessionID: () => string): Element {
  const [isShown, setShown] = createSignal(false);
  return box(
    { visible: isShown },
    guard(
      () => section(context, sessionID, setShown),
      () => {
        setShown(true);
        return text({
          content: "Background: cannot be shown",
          fg: () => colour(context, "warning"),
        });
      },
    ),
  );
}

function section(
  context: ViewContext,
  sessionID: () => string,
  setShown: (isShown: boolean) => void,
): Element {
  const { api, source, options, clock } = context;
  onMount(() => source.refresh());
  const [width, setWidth] = createSignal(USUAL_WIDTH);
  const jobs = createMemo(() => {
    const rootSessionID = rootOf(context, sessionID());
    return jobsFor(source.snapshot().jobs, { directory: api.state.path.directory, rootSessionID });
  });
  const limits = (now: number) => ({
    now,
    live: options.sidebarJobs,
    ended: options.sidebarEnded,
    fadeMilliseconds: options.fadeMinutes * 60_000,
  });
  const heard = () => source.snapshot().at;
  const now = createTicker(clock, heard, (at) =>
    nextChange(shorten(jobs(), limits(at)), limits(at)),
  );
  const list = createMemo(() => shorten(jobs(), limits(now())));
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
        heading(context, jobs),
        each(
          () => groupLines(jobs(), width()),
          (line) => text({ content: line, fg: () => colour(context, "muted"), wrapMode: "none" }),
        ),
        rows(context, () => list().live, width, now),
        more(context, () => list().moreLive, "more"),
        rows(context, () => list().ended, width, now),
        more(context, () => list().moreEnded, "more ended"),
      ),
    () => remoteNote(context),
  );
}

/** The counts as signs: words would take the row of a narrow sidebar twice. */
function heading(context: ViewContext, jobs: () => readonly ShownJob[]): Element {
  return box(
    { flexDirection: "row", gap: 1, height: 1, overflow: "hidden" },
    text({
      content: "Background",
      attributes: BOLD,
      fg: () => colour(context, "text"),
      flexShrink: 0,
    }),
    each(
      () => counts(jobs()),
      ({ look, count }) =>
        text({
          content: `${SIGNS[look].sign}${count}`,
          fg: () => colour(context, SIGNS[look].tone),
          flexShrink: 0,
        }),
    ),
  );
}

const BOLD = 1;

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
      // A row that is being removed is asked once more.
      const job = createMemo<ShownJob | undefined>((before) => byID().get(id) ?? before);
      return jobRows(context, job, width, now);
    },
  );
}

const NOTHING: JobLine = {
  sign: "",
  tone: "text",
  name: "",
  right: "",
  detail: "",
  detailTone: "muted",
  branch: "",
};

function jobRows(
  context: ViewContext,
  job: () => ShownJob | undefined,
  width: () => number,
  now: () => number,
): Element {
  // Read anew when there is more of it, not with each second.
  const bytes = createMemo(() => {
    const shown = job();
    return shown?.job.kind === "process" && isLive(shown) ? shown.job.output.bytes : 0;
  });
  const said = createMemo(() => {
    const shown = untrack(job);
    if (bytes() === 0 || !shown) return undefined;
    return firstAddress(shown) ?? lastLine(shown);
  });
  const line = createMemo(() => {
    const shown = job();
    return shown ? jobLine(shown, width(), now(), said()) : NOTHING;
  });
  return box(
    {},
    box(
      { flexDirection: "row", gap: 1 },
      text({ content: () => line().sign, fg: () => colour(context, line().tone), flexShrink: 0 }),
      text({
        content: () => pad(line().name, Math.max(1, width() - 3 - cells(line().right))),
        fg: () => colour(context, "text"),
        flexShrink: 0,
      }),
      text({ content: () => line().right, fg: () => colour(context, "muted"), flexShrink: 0 }),
    ),
    show(
      () => line().detail !== "",
      () =>
        text({
          content: () => `  ${line().detail}`,
          fg: () => colour(context, line().detailTone),
          wrapMode: "none",
        }),
    ),
    show(
      () => line().branch !== "",
      () =>
        text({
          content: () => `  ${line().branch}`,
          fg: () => colour(context, "muted"),
          wrapMode: "none",
        }),
    ),
  );
}

function more(context: ViewContext, count: () => number, word: string): Element {
  return show(
    () => count() > 0,
    () => text({ content: () => `  +${count()} ${word}`, fg: () => colour(context, "muted") }),
  );
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
  return box(
    {},
    text({ content: "Background", attributes: BOLD, fg: () => colour(context, "text") }),
    text({
      content: "Jobs run on another machine and cannot be shown here; ask the model for a list.",
      fg: () => colour(context, "muted"),
    }),
  );
}
