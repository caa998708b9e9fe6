/**
 * The log of a job as the record says from moment to moment: of a process its output, of a subagent its session,
 * and a word where there is none yet. A queued subagent has no session, and a job may be opened before it is known.
 */
import { createMemo, onCleanup, untrack, type Accessor } from "solid-js";
import { outputPath } from "../../store/instance-folder.js";
import type { ViewContext } from "../context.js";
import { searchLines } from "./log-search.js";
import type { LogReading, LogSource } from "./log-source.js";
import { openProcessLog } from "./process-log.js";
import { openSessionLog } from "./session-log.js";
import type { ShownJob } from "../shown-job.js";

/** Closed with the view that it is opened in. */
export function openJobLog(
  { api, clock }: Pick<ViewContext, "api" | "clock">,
  job: Accessor<ShownJob | undefined>,
): LogReading {
  const file = createMemo(() => {
    const shown = job();
    return shown?.job.kind === "process" ? outputPath(shown.folder, shown.job.id) : undefined;
  });
  const session = createMemo(() => {
    const shown = job();
    return shown?.job.kind === "subagent" ? shown.job.sessionID : undefined;
  });
  const isKnown = createMemo(() => job() !== undefined);
  const current = createMemo(() => {
    const [path, sessionID, note] = [file(), session(), isKnown() ? NOT_STARTED : UNKNOWN];
    const log = untrack(() => {
      if (path !== undefined) return openProcessLog(path, clock);
      return sessionID === undefined ? nothing(note) : openSessionLog(api, sessionID, clock);
    });
    onCleanup(() => log.close());
    return log;
  });
  return {
    lines: () => current().lines(),
    note: () => current().note(),
    hasEarlier: () => current().hasEarlier(),
    hasLater: () => current().hasLater(),
    earlier: () => current().earlier(),
    later: () => current().later(),
    toStart: () => current().toStart(),
    toEnd: () => current().toEnd(),
    toPlace: (offset) => current().toPlace(offset),
    end: () => current().end(),
    search: (query) => current().search(query),
    refresh: () => current().refresh(),
  };
}

const NOT_STARTED = "It has not been started yet.";
const UNKNOWN = "This job is not known any more.";

function nothing(note: string): LogSource {
  const ignore = () => undefined;
  return {
    lines: () => [],
    note: () => note,
    hasEarlier: () => false,
    hasLater: () => false,
    earlier: ignore,
    later: ignore,
    toStart: ignore,
    toEnd: ignore,
    toPlace: ignore,
    end: () => 0,
    search: () => searchLines(() => []),
    refresh: ignore,
    close: ignore,
  };
}
