/**
 * The full-screen log of one job: its output live, with scrolling, search and wrap, its keys at the bottom. Of a
 * process it is its output, of a subagent its session, and a word where there is none yet. Leaving it leads back to
 * where the user was.
 */
import type { Renderable, TuiPluginApi } from "@opencode-ai/plugin/tui";
import {
  RGBA,
  StyledText,
  TextAttributes,
  type TextChunk,
  type TextRenderable,
} from "@opentui/core";
import {
  createEffect,
  createMemo,
  createSignal,
  onCleanup,
  untrack,
  type Accessor,
} from "solid-js";
import { clean, fit } from "../../cells.js";
import { outputPath } from "../../store/instance-folder.js";
import { createTicker, followJob, type ViewContext } from "../context.js";
import { duration, isLive, lookOf, type ShownJob, stateOf } from "../describe.js";
import { SIGNS } from "../../looks.js";
import { box, colour, each, guarded, input, show, text, type Element } from "../element.js";
import type { Paint } from "./colours.js";
import { createLogPosition, type LogPosition } from "./log-position.js";
import { hitsIn, type Row } from "./log-rows.js";
import { wholeLog, type LogSource } from "./log-source.js";
import { openProcessLog } from "./process-log.js";
import { openSessionLog } from "./session-log.js";

export const LOG_ROUTE = "background.log";

export function logView(context: ViewContext, jobID: string, leave: () => void): Element {
  const size = { width: "100%", height: "100%" } as const;
  return guarded(context, size, () => view(context, jobID, leave), "The log cannot be shown.");
}

function view(context: ViewContext, jobID: string, leave: () => void): Element {
  const { api, source } = context;
  source.refresh();
  const [size, setSize] = createSignal({ width: api.renderer.width, height: api.renderer.height });
  const job = followJob(context, jobID);
  const log = logOf(context, job);
  createEffect(() => {
    if (job()) log().refresh();
  });
  const position = createLogPosition(log, size);
  registerKeys(api, position, leave);
  const measure = function (this: Renderable) {
    if (this.width > 0 && this.height > 0) setSize({ width: this.width, height: this.height });
  };
  const scroll = (direction: string | undefined) => position.move(direction === "up" ? -3 : 3);
  return box(
    { flexDirection: "column", width: "100%", height: "100%", paddingX: 2, paddingTop: 1 },
    heading(context, job),
    box(
      {
        flexGrow: 1,
        flexShrink: 1,
        marginTop: 1,
        overflow: "hidden",
        onSizeChange: measure,
        onMouseScroll: (event) => scroll(event.scroll?.direction),
      },
      lines(context, position, () => size().height),
    ),
    footer(context, log, position),
  );
}

/**
 * As the record says from moment to moment: a queued subagent has no session, and a job may be opened before it is
 * known. Closed with the view.
 */
function logOf({ api, clock }: ViewContext, job: Accessor<ShownJob | undefined>) {
  const file = createMemo(() => {
    const shown = job();
    return shown?.job.kind === "process" ? outputPath(shown.folder, shown.job.id) : undefined;
  });
  const session = createMemo(() => {
    const shown = job();
    return shown?.job.kind === "subagent" ? shown.job.sessionID : undefined;
  });
  const isKnown = createMemo(() => job() !== undefined);
  return createMemo((): LogSource => {
    const [path, sessionID, note] = [file(), session(), isKnown() ? NOT_STARTED : UNKNOWN];
    const log = untrack(() => {
      if (path !== undefined) return openProcessLog(path, clock);
      if (sessionID !== undefined) return openSessionLog(api, sessionID, clock);
      return wholeLog({ lines: () => [], note: () => note }, () => undefined);
    });
    onCleanup(() => log.close());
    return log;
  });
}

const NOT_STARTED = "It has not been started yet.";
const UNKNOWN = "This job is not known any more.";

function heading(context: ViewContext, job: Accessor<ShownJob | undefined>): Element {
  const isRunning = () => {
    const shown = job();
    return shown !== undefined && isLive(shown);
  };
  const now = createTicker(context, () => (isRunning() ? 1000 : undefined));
  const sign = () => {
    const shown = job();
    return shown ? SIGNS[lookOf(shown)] : { sign: "?", tone: "muted" as const };
  };
  const state = () => {
    const shown = job();
    return shown ? `${duration(shown, now())} · ${stateOf(shown, now())}` : "";
  };
  const room = () => Math.max(10, context.api.renderer.width - 40);
  const name = () => fit(clean(job()?.job.name ?? ""), room());
  return box(
    { flexDirection: "row", gap: 1, flexShrink: 0, height: 1 },
    text(
      context,
      () => sign().sign,
      () => sign().tone,
      { flexShrink: 0 },
    ),
    text(context, name, "text", { attributes: 1, flexShrink: 0 }),
    text(context, state, "muted", { wrapMode: "none", truncate: true }),
  );
}

/** One element for each row of the screen; what they show moves, they stay. */
function lines(context: ViewContext, position: LogPosition, height: () => number): Element {
  const content = (index: number) => {
    const row = position.visible()[index];
    return row ? paintRow(context, row, position.query()) : "";
  };
  return box(
    {},
    each(
      () => Array.from({ length: height() }, (_, index) => index),
      (index) =>
        text(context, "", "text", {
          // Solid's renderer makes a string of what `content` is given.
          ref: (node: TextRenderable) => {
            createEffect(() => {
              node.content = content(index);
            });
          },
          wrapMode: "none",
          height: 1,
        }),
    ),
  );
}

/** Its colours from the theme or the program, what a search found marked in it. */
function paintRow(context: ViewContext, row: Row, query: string): StyledText {
  const { label, text, start, line } = row;
  const chunks: TextChunk[] = [];
  if (label !== "") {
    chunks.push({ __isChunk: true, text: label, fg: colour(context, "muted") });
  }
  const hits = hitsIn(line.text, query);
  const painted = line.painted ?? [];
  const end = start + text.length;
  const edges = [...hits, ...painted].flatMap(({ from, to }) => [from, to]);
  const inside = edges.filter((edge) => edge > start && edge < end);
  const places = [...new Set([start, ...inside, end])].sort((a, b) => a - b);
  for (const [index, from] of places.slice(0, -1).entries()) {
    const to = places[index + 1] ?? end;
    const isHit = hits.some((hit) => hit.from <= from && to <= hit.to);
    const paint = painted.find((each) => each.from <= from && to <= each.to) ?? {};
    const piece = text.slice(from - start, to - start);
    chunks.push(chunkOf(context, piece, { text: line.tone, ...paint }, isHit));
  }
  return new StyledText(chunks);
}

function chunkOf(context: ViewContext, text: string, paint: Paint, isHit: boolean): TextChunk {
  const theme = context.api.theme.current;
  const { text: named = "text", background, bold, underline } = paint;
  const attributes =
    (bold === true ? TextAttributes.BOLD : 0) | (underline === true ? TextAttributes.UNDERLINE : 0);
  const shared = { __isChunk: true, text, attributes } as const;
  if (isHit) return { ...shared, fg: theme.background, bg: theme.warning };
  const fg = typeof named === "string" ? colour(context, named) : RGBA.fromInts(...named, 255);
  return background ? { ...shared, fg, bg: RGBA.fromInts(...background, 255) } : { ...shared, fg };
}

function footer(context: ViewContext, log: Accessor<LogSource>, position: LogPosition): Element {
  const hint = (key: string, what: string | (() => string)): Element =>
    box(
      { flexDirection: "row", gap: 1, flexShrink: 0 },
      text(context, key, "text"),
      text(context, what, "muted"),
    );
  const note = () => position.notice() || clean(log().note() ?? "");
  const isOn = (what: string, is: () => boolean) => () => `${what} ${is() ? "on" : "off"}`;
  return box(
    { flexShrink: 0, marginTop: 1, marginBottom: 1 },
    show(
      () => log().note() !== undefined || position.notice() !== "",
      () => text(context, note, "warning", { wrapMode: "none" }),
    ),
    show(
      () => position.searching(),
      () =>
        box(
          { flexDirection: "row", gap: 1, height: 1 },
          text(context, "/", "text"),
          input({
            focused: true,
            flexGrow: 1,
            placeholder: "search, then enter (esc: leave)",
            onSubmit: (typed) => {
              if (typeof typed === "string") position.search(typed);
            },
          }),
        ),
      () =>
        box(
          { flexDirection: "row", columnGap: 2, flexWrap: "wrap" },
          text(context, () => `${position.percent()} %`, "muted"),
          show(
            () => position.query() !== "",
            () => hint(`/${clean(position.query())}`, position.matches),
          ),
          hint("↑↓", "scroll"),
          hint("f", isOn("follow", position.following)),
          hint("w", isOn("wrap", position.wraps)),
          hint(
            "t",
            isOn("times", () => position.labels().time),
          ),
          hint(
            "s",
            isOn("source", () => position.labels().stream),
          ),
          hint("/", "search"),
          hint("n N", "next, previous"),
          hint("g G", "start, end"),
          hint("q", "back"),
        ),
    ),
  );
}

const SEARCH_MODE = "background.search";

/** They hold while the log is on the screen and no dialog lies over it. */
function registerKeys(api: TuiPluginApi, position: LogPosition, leave: () => void): void {
  const binding = (key: string, desc: string, run: () => void) => ({
    key,
    desc,
    group: "Background log",
    cmd: () => {
      run();
      return true;
    },
  });
  onCleanup(
    api.keymap.registerLayer({
      mode: "base",
      bindings: [
        binding("escape,q", "Leave the log", leave),
        binding("up,k", "Scroll up", () => position.move(-1)),
        binding("down,j", "Scroll down", () => position.move(1)),
        binding("pageup,b", "Page up", () => position.page(-1)),
        binding("pagedown,space", "Page down", () => position.page(1)),
        binding("left", "Shift left", () => position.shift(-8)),
        binding("right", "Shift right", () => position.shift(8)),
        binding("home,g", "To the start", () => position.start()),
        binding("end,shift+g", "To the end, and follow", () => position.end()),
        binding("f", "Follow on or off", () => position.toggleFollow()),
        binding("w", "Wrap on or off", () => position.toggleWrap()),
        binding("t", "Times on or off", () => position.toggleLabel("time")),
        binding("s", "Source on or off", () => position.toggleLabel("stream")),
        binding("/", "Search", () => position.openSearch()),
        binding("n", "Next match", () => position.next("forward")),
        binding("shift+n", "Previous match", () => position.next("backward")),
      ],
    }),
  );
  onCleanup(
    api.keymap.registerLayer({
      mode: SEARCH_MODE,
      bindings: [binding("escape", "Leave the search", () => position.closeSearch())],
    }),
  );
  // While text is typed, letters are letters.
  createEffect(() => {
    if (position.searching()) onCleanup(api.mode.push(SEARCH_MODE));
  });
}
