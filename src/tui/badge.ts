/**
 * The counts in a few cells, `▲1 ●6 ✗1`, beside the prompt: seen at any width, where the sidebar is hidden, too. A
 * subagent's session has neither prompt nor sidebar: there they stand in a row at the bottom. Nothing at all when there
 * is nothing to count.
 */
import { createMemo } from "solid-js";
import { shorten } from "./arrange.js";
import { colour, rootOf, type ViewContext } from "./context.js";
import { counts, SIGNS } from "./describe.js";
import { box, each, guard, show, text, type Element } from "./element.js";
import { jobsFor, lookOf, type Look, type ShownJob } from "./shown-job.js";
import { createTicker } from "./ticker.js";

/** Of one session's tree; without a session of the whole directory. */
export function badge(context: ViewContext, sessionID?: () => string): Element {
  // The outer element stays when what is in it fails; see sidebar.ts.
  return box(
    { flexDirection: "row", flexShrink: 0 },
    guard(
      () => signs(context, sessionID),
      () => text({ content: "background: ?", fg: () => colour(context, "warning") }),
    ),
  );
}

/** A row for the session of a subagent; none in any other place. */
export function bottomBadge(context: ViewContext): Element {
  const { api } = context;
  const child = () => {
    const { current } = api.route;
    const sessionID = current.name === "session" ? current.params?.["sessionID"] : undefined;
    if (typeof sessionID !== "string") return undefined;
    return api.state.session.get(sessionID)?.parentID === undefined ? undefined : sessionID;
  };
  const row = () =>
    box(
      { flexDirection: "row", justifyContent: "flex-end", paddingRight: 2, flexShrink: 0 },
      badge(context, () => child() ?? ""),
    );
  return box(
    { flexShrink: 0 },
    guard(
      () => show(() => child() !== undefined, row),
      () => text({ content: "background: ?", fg: () => colour(context, "warning") }),
    ),
  );
}

function signs(context: ViewContext, sessionID: (() => string) | undefined): Element {
  const { api, source, options, clock } = context;
  const jobs = createMemo(() => {
    const rootSessionID = sessionID && rootOf(context, sessionID());
    return jobsFor(source.snapshot().jobs, { directory: api.state.path.directory, rootSessionID });
  });
  const fade = { live: 0, ended: Number.POSITIVE_INFINITY };
  const fresh = (now: number) =>
    shorten(jobs(), { ...fade, now, fadeMilliseconds: options.fadeMinutes * 60_000 }).ended;
  const now = createTicker(
    clock,
    () => source.snapshot().at,
    // Only the end of the news changes it without a change on disk.
    (at) => (fresh(at).some(isFailure) ? MINUTE : undefined),
  );
  const shown = createMemo(() => badgeCounts(jobs(), fresh(now())));
  return box(
    { flexDirection: "row", gap: 1, flexShrink: 0 },
    each(shown, ({ look, count }) =>
      text({
        content: `${SIGNS[look].sign}${count}`,
        fg: () => colour(context, SIGNS[look].tone),
        flexShrink: 0,
      }),
    ),
  );
}

const MINUTE = 60_000;

/** The live ones by urgency, then the failures that are still news. */
export function badgeCounts(
  jobs: readonly ShownJob[],
  fresh: readonly ShownJob[],
): { look: Look; count: number }[] {
  const failed = fresh.filter(isFailure).length;
  return [...counts(jobs), ...(failed > 0 ? [{ look: "failed" as const, count: failed }] : [])];
}

function isFailure(shown: ShownJob): boolean {
  return lookOf(shown) === "failed";
}
