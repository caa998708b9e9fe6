/**
 * Where a log view stands and what it shows: the signals behind its keys. The rules themselves are in
 * log-rows.ts; here they meet a log that is loaded in parts.
 */
import { createMemo, createSignal, type Accessor } from "solid-js";
import {
  around,
  FOLLOW,
  findLine,
  layRows,
  moved,
  topOf,
  widest,
  type Direction,
  type LogLine,
  type Position,
  type Row,
} from "./log-rows.js";
import type { LogReading } from "./log-source.js";

export interface LogPosition {
  /** The rows on the screen. */
  visible: Accessor<readonly Row[]>;
  following: Accessor<boolean>;
  wraps: Accessor<boolean>;
  /** What is marked. */
  query: Accessor<string>;
  searching: Accessor<boolean>;
  /** Something to say about the last search. */
  notice: Accessor<string>;
  move(rows: number): void;
  page(pages: number): void;
  shift(cells: number): void;
  start(): void;
  end(): void;
  toggleFollow(): void;
  toggleWrap(): void;
  openSearch(): void;
  closeSearch(): void;
  setDraft(text: string): void;
  search(): void;
  next(direction: Direction): void;
}

export function createLogPosition(
  log: LogReading,
  size: Accessor<{ width: number; height: number }>,
): LogPosition {
  const [position, setPosition] = createSignal<Position>(FOLLOW);
  const [wraps, setWraps] = createSignal(true);
  const [left, setLeft] = createSignal(0);
  const [query, setQuery] = createSignal("");
  const [searching, setSearching] = createSignal(false);
  const [notice, setNotice] = createSignal("");
  let draft = "";
  /** The line that was found last: the next search goes on from there. */
  let found: number | undefined;

  const layout = () => ({ width: size().width, wrap: wraps(), left: left() });
  const rows = createMemo(() => layRows(log.lines(), layout()));
  const top = createMemo(() => topOf(rows(), position(), size().height));
  const visible = createMemo(() => rows().slice(top(), top() + size().height));

  const move = (by: number) => {
    const { height } = size();
    if (by < 0 && top() + by < 0 && log.hasEarlier()) {
      // Tied to the line that is on top now, which the earlier part holds, too.
      setPosition(moved(rows(), position(), height, 0));
      log.earlier();
    } else if (by > 0 && top() + height + by > rows().length && log.hasLater()) {
      setPosition(moved(rows(), position(), height, 0));
      log.later();
    }
    setPosition(moved(rows(), position(), height, by));
  };
  const end = () => {
    log.toEnd();
    setPosition(FOLLOW);
  };
  const find = (direction: Direction) => {
    const from = found ?? visible()[direction === "forward" ? 0 : visible().length - 1]?.offset;
    const line = findFarther(log, query(), from ?? 0, direction);
    setNotice(line ? "" : `nothing ${direction === "forward" ? "below" : "above"} matches`);
    if (!line) return;
    found = line.offset;
    setPosition(around(rows(), line.offset, size().height));
  };
  return {
    visible,
    following: () => position() === FOLLOW,
    wraps,
    query,
    searching,
    notice,
    move,
    page: (pages) => move(pages * Math.max(1, size().height - 1)),
    shift: (cells) => {
      if (!wraps()) setLeft((before) => clamp(before + cells, widest(log.lines()) - 1));
    },
    start: () => {
      setPosition(moved(rows(), position(), size().height, 0));
      log.toStart();
      setPosition(moved(rows(), position(), size().height, -rows().length));
    },
    end,
    toggleFollow: () => {
      if (position() === FOLLOW) setPosition(moved(rows(), FOLLOW, size().height, 0));
      else end();
    },
    toggleWrap: () => {
      setLeft(0);
      setWraps((before) => !before);
    },
    openSearch: () => {
      draft = "";
      setSearching(true);
    },
    closeSearch: () => {
      setSearching(false);
      setQuery("");
      setNotice("");
    },
    setDraft: (text) => {
      draft = text;
    },
    search: () => {
      setSearching(false);
      setQuery(draft);
      found = undefined;
      // What is on the screen is looked at first, then what is below, then what is above.
      const first = visible()[0]?.offset ?? 0;
      found = first - 1;
      find("forward");
      if (notice() !== "") {
        found = first;
        find("backward");
      }
    },
    next: find,
  };
}

/** Goes on in the parts that are not loaded, until nothing new comes. */
function findFarther(
  log: LogReading,
  query: string,
  from: number,
  direction: Direction,
): LogLine | undefined {
  for (;;) {
    const lines = log.lines();
    const line = findLine(lines, query, from, direction);
    if (line || query === "") return line;
    if (direction === "forward") {
      if (!log.hasLater()) return undefined;
      log.later();
    } else {
      if (!log.hasEarlier()) return undefined;
      log.earlier();
    }
    if (log.lines() === lines) return undefined;
  }
}

function clamp(value: number, most: number): number {
  return Math.max(0, Math.min(value, most));
}
