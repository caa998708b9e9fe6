/**
 * The output of a process as a log, read from its file alone. One window of it is in memory; it is read again
 * when the file changes, at most five times a second, and only while the log is open.
 */
import { existsSync, watch, type FSWatcher } from "node:fs";
import { dirname } from "node:path";
import { createSignal, onCleanup } from "solid-js";
import { coerceError, type Clock } from "../../ports.js";
import { throttle } from "../../time.js";
import { readPage, type PlainLine } from "../../output/page.js";
import { openOutput } from "../../output/reader.js";
import { colouredLine } from "./colours.js";
import type { LogLine } from "./log-rows.js";
import {
  type Found,
  type LogSearch,
  type LogSource,
  LONGEST_LINE,
  lookThrough,
  NOTHING_FOUND,
} from "./log-source.js";

/** Bytes of output in memory at most, and how far one step goes. */
const WINDOW = 512 * 1024;
const STEP = WINDOW / 2;
const UPDATE_MILLISECONDS = 200;

interface Loaded {
  from: number;
  lines: LogLine[];
  hasLater: boolean;
  /** Of all output. */
  end: number;
}

export function openProcessLog(file: string, clock: Clock): LogSource {
  const [loaded, setLoaded] = createSignal<Loaded>({ from: 0, lines: [], hasLater: false, end: 0 });
  const [note, setNote] = createSignal<string | undefined>("(no output yet)");
  let watcher: { path: string; stop: FSWatcher } | undefined;
  /** Where the window is to begin; from infinity it goes with the end. */
  let from = Infinity;
  let search: LogSearch | undefined;

  const read = () => {
    try {
      const next = load(file, from);
      if (next) setLoaded(next);
      search?.goOn();
      setNote(next ? undefined : "(no output yet)");
      // There is no file before the first output.
      listen(next ? file : dirname(file));
    } catch (thrown) {
      setNote(`The output cannot be read: ${coerceError(thrown).message}`);
    }
  };
  const update = throttle(clock, UPDATE_MILLISECONDS, read);
  const listen = (path: string) => {
    if (watcher?.path === path || !existsSync(path)) return;
    unwatch();
    const stop = watch(path, { persistent: false }, (event) => {
      // Perhaps another file is in its place now: that of the next run.
      if (event === "rename") unwatch();
      update.call();
    });
    watcher = { path, stop };
    stop.on("error", (error) => setNote(`The output is not followed: ${error.message}`));
  };
  const unwatch = () => {
    watcher?.stop.close();
    watcher = undefined;
  };
  read();
  return {
    lines: () => loaded().lines,
    hasEarlier: () => loaded().from > 0,
    hasLater: () => loaded().hasLater,
    note,
    load(part) {
      const { from: at } = loaded();
      from = part === "later" ? at + STEP : Math.max(0, (part === "earlier" ? at : part) - STEP);
      read();
    },
    end: () => loaded().end,
    search(query) {
      const [found, setFound] = createSignal<Found>(NOTHING_FOUND);
      search = lookThrough(file, query, setFound);
      onCleanup(search.stop);
      return found;
    },
    refresh: () => update.call(),
    close() {
      update.cancel();
      unwatch();
    },
  };
}

function load(file: string, wanted: number): Loaded | undefined {
  const reader = openOutput(file);
  if (!reader) return undefined;
  try {
    const end = reader.end();
    const from = Math.min(wanted, Math.max(0, end - STEP));
    const page = readPage(reader, { from, window: WINDOW, raw: true });
    // A window that starts anywhere starts within a line.
    const lines = from > 0 ? page.lines.slice(1) : page.lines;
    return { from, lines: lines.map(toLogLine), hasLater: !page.atEnd, end };
  } finally {
    reader.close();
  }
}

function toLogLine({ text, raw = text, stream, offset, gap, at }: PlainLine): LogLine {
  const { text: plain, painted } = colouredLine(raw.slice(0, LONGEST_LINE));
  const tone = gap === undefined ? (stream === "stderr" ? "warning" : "text") : "muted";
  const shown = raw.length > LONGEST_LINE ? `${plain}…` : plain;
  return { offset, text: shown, tone, painted, at, stream };
}
