/**
 * The full-screen log of one job: its output live, with scrolling, search and wrap, its keys at the bottom.
 * Leaving it leads back to where the user was.
 */
import type { Renderable } from "@opencode-ai/plugin/tui";
import type { TextRenderable } from "@opentui/core";
import { createEffect, createMemo, createSignal } from "solid-js";
import { colour, findJob, type ViewContext } from "../context.js";
import { clean, fit } from "../../cells.js";
import { duration, facts, outcome, SIGNS, waitsFor, type Tone } from "../describe.js";
import { box, each, guard, input, show, text, type Element } from "../element.js";
import { openJobLog } from "./job-log.js";
import { registerLogKeys } from "./log-keys.js";
import { createLogPosition, type LogPosition } from "./log-position.js";
import { paintRow } from "./paint.js";
import type { LogReading } from "./log-source.js";
import { isLive, lookOf, type ShownJob } from "../shown-job.js";
import { createTicker } from "../ticker.js";

export const LOG_ROUTE = "background.log";

export function logView(context: ViewContext, jobID: string, leave: () => void): Element {
  // The outer element stays when what is in it fails; see sidebar.ts.
  return box(
    { width: "100%", height: "100%" },
    guard(
      () => view(context, jobID, leave),
      () => text({ content: "The log cannot be shown.", fg: () => colour(context, "warning") }),
    ),
  );
}

function view(context: ViewContext, jobID: string, leave: () => void): Element {
  const { api, source } = context;
  source.refresh();
  const [size, setSize] = createSignal({ width: api.renderer.width, height: api.renderer.height });
  const job = createMemo<ShownJob | undefined>((before) => findJob(context, jobID) ?? before);
  const log = openJobLog(context, job);
  createEffect(() => {
    if (job()) log.refresh();
  });
  const position = createLogPosition(log, size);
  registerLogKeys(api, position, leave);
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

function heading(context: ViewContext, job: () => ShownJob | undefined): Element {
  const { api, source, clock } = context;
  const isRunning = () => {
    const shown = job();
    return shown !== undefined && isLive(shown);
  };
  const now = createTicker(
    clock,
    () => source.snapshot().at,
    () => (isRunning() ? 1000 : undefined),
  );
  const sign = () => {
    const shown = job();
    return shown ? SIGNS[lookOf(shown)] : { sign: "?", tone: "muted" as const };
  };
  const state = () => {
    const shown = job();
    if (!shown) return "";
    const what = isLive(shown) ? (waitsFor(shown, now()) ?? facts(shown, now())) : outcome(shown);
    return `${duration(shown, now())} · ${what}`;
  };
  const name = () => fit(clean(job()?.job.name ?? ""), Math.max(10, api.renderer.width - 40));
  return box(
    { flexDirection: "row", gap: 1, flexShrink: 0, height: 1 },
    text({ content: () => sign().sign, fg: () => colour(context, sign().tone), flexShrink: 0 }),
    text({ content: name, attributes: 1, fg: () => colour(context, "text"), flexShrink: 0 }),
    text({ content: state, fg: () => colour(context, "muted"), wrapMode: "none", truncate: true }),
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
        text({
          // Solid's renderer makes a string of what `content` is given.
          ref: (node: TextRenderable) => {
            createEffect(() => {
              node.content = content(index);
            });
          },
          fg: () => colour(context, "text"),
          wrapMode: "none",
          height: 1,
        }),
    ),
  );
}

function footer(context: ViewContext, log: LogReading, position: LogPosition): Element {
  const hint = (key: string, what: () => string): Element =>
    box(
      { flexDirection: "row", gap: 1, flexShrink: 0 },
      text({ content: key, fg: () => colour(context, "text") }),
      text({ content: what, fg: () => colour(context, "muted") }),
    );
  const said = (content: () => string, tone: Tone) =>
    text({ content, fg: () => colour(context, tone), wrapMode: "none" });
  return box(
    { flexShrink: 0, marginTop: 1, marginBottom: 1 },
    show(
      () => log.note() !== undefined || position.notice() !== "",
      () => said(() => position.notice() || clean(log.note() ?? ""), "warning"),
    ),
    show(
      () => position.searching(),
      () =>
        box(
          { flexDirection: "row", gap: 1, height: 1 },
          text({ content: "/", fg: () => colour(context, "text") }),
          input({
            focused: true,
            flexGrow: 1,
            placeholder: "search, then enter (esc: leave)",
            onInput: (value: string) => position.setDraft(value),
            onSubmit: () => position.search(),
          }),
        ),
      () =>
        box(
          { flexDirection: "row", columnGap: 2, flexWrap: "wrap" },
          text({ content: () => `${position.percent()} %`, fg: () => colour(context, "muted") }),
          show(
            () => position.query() !== "",
            () => hint(`/${clean(position.query())}`, () => position.matches()),
          ),
          hint("↑↓", () => "scroll"),
          hint("f", () => `follow ${position.following() ? "on" : "off"}`),
          hint("w", () => `wrap ${position.wraps() ? "on" : "off"}`),
          hint("t", () => `times ${position.labels().time ? "on" : "off"}`),
          hint("s", () => `source ${position.labels().stream ? "on" : "off"}`),
          hint("/", () => "search"),
          hint("n N", () => "next, previous"),
          hint("g G", () => "start, end"),
          hint("q", () => "back"),
        ),
    ),
  );
}
