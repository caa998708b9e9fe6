/**
 * The counts in a few cells, `▲1 ●6 ✗1`, beside the prompt: seen at any width, where the sidebar is hidden, too. A
 * subagent's session has neither prompt nor sidebar: there they stand in a row at the bottom. Nothing at all when there
 * is nothing to count.
 */
import { createMemo } from "solid-js";
import { type Count, counts, lookOf, shorten, type ShownJob } from "./describe.js";
import { SIGNS } from "../looks.js";
import { createTicker, jobsOf, openSession, rootOf, type ViewContext } from "./context.js";
import { box, each, guarded, show, text, type Element } from "./element.js";

const UNKNOWN = "background: ?";

/** Of one session's tree; without a session of the whole directory. */
export function badge(context: ViewContext, sessionID?: () => string): Element {
  const row = { flexDirection: "row", flexShrink: 0 } as const;
  return guarded(context, row, () => signs(context, sessionID), UNKNOWN);
}

/** A row for the session of a subagent; none in any other place. */
export function bottomBadge(context: ViewContext): Element {
  const child = () => {
    const sessionID = openSession(context);
    if (sessionID === undefined) return undefined;
    const { parentID } = context.api.state.session.get(sessionID) ?? {};
    return parentID === undefined ? undefined : sessionID;
  };
  const row = () =>
    box(
      { flexDirection: "row", justifyContent: "flex-end", paddingRight: 2, flexShrink: 0 },
      badge(context, () => child() ?? ""),
    );
  const content = () => show(() => child() !== undefined, row);
  return guarded(context, { flexShrink: 0 }, content, UNKNOWN);
}

/** Each count behind the sign of what it counts. */
export function countSigns(context: ViewContext, shown: () => readonly Count[]): Element {
  return each(shown, ({ look, count }) =>
    text(context, `${SIGNS[look].sign}${count}`, SIGNS[look].tone, { flexShrink: 0 }),
  );
}

function signs(context: ViewContext, sessionID: (() => string) | undefined): Element {
  const jobs = jobsOf(context, () => sessionID && rootOf(context, sessionID()));
  const fadeMilliseconds = context.options.fadeMinutes * 60_000;
  const limits = { live: 0, ended: Number.POSITIVE_INFINITY, fadeMilliseconds };
  const fresh = (now: number) => shorten(jobs(), { ...limits, now }).ended;
  // Only the end of the news changes it without a change on disk.
  const now = createTicker(context, (at) => (fresh(at).some(isFailure) ? MINUTE : undefined));
  const shown = createMemo(() => badgeCounts(jobs(), fresh(now())));
  return box({ flexDirection: "row", gap: 1, flexShrink: 0 }, countSigns(context, shown));
}

const MINUTE = 60_000;

/** The live ones by urgency, then the failures that are still news. */
export function badgeCounts(jobs: readonly ShownJob[], fresh: readonly ShownJob[]): Count[] {
  const failed = fresh.filter(isFailure).length;
  return [...counts(jobs), ...(failed > 0 ? [{ look: "failed" as const, count: failed }] : [])];
}

function isFailure(shown: ShownJob): boolean {
  return lookOf(shown) === "failed";
}
