/**
 * Where a log view stands and what it shows: the signals behind its keys. The rules themselves are in
 * log-rows.ts; here they meet a log that is loaded in parts, and a search that goes on while it is used.
 */
import { createEffect, createMemo, createSignal, untrack, type Accessor } from "solid-js";
import {
  around,
  FOLLOW,
  labelOf,
  layRows,
  moved,
  topOf,
  widest,
  type Direction,
  type Labels,
  type Position,
} from "./log-rows.js";
import { type Found, type LogSource, NOTHING_FOUND } from "./log-source.js";

export type LogPosition = ReturnType<typeof createLogPosition>;

/** A match that is wanted and may not have been reached yet. */
interface Wanted {
  direction: Direction;
  from: number;
  /** Nothing in this direction: then in the other. */
  orElse?: Direction;
}

export function createLogPosition(
  log: Accessor<LogSource>,
  size: Accessor<{ width: number; height: number }>,
) {
  const [position, setPosition] = createSignal<Position>(FOLLOW);
  const [wraps, setWraps] = createSignal(true);
  const [labels, setLabels] = createSignal<Labels>({ time: false, stream: false });
  const [left, setLeft] = createSignal(0);
  /** What is marked. */
  const [query, setQuery] = createSignal("");
  const [searching, setSearching] = createSignal(false);
  /** Something to say about the last search. */
  const [notice, setNotice] = createSignal("");
  const [wanted, setWanted] = createSignal<Wanted>();
  /** The line that was found last: the next search goes on from there. */
  const [found, setFound] = createSignal<number>();

  const search = createMemo(() => {
    const text = query();
    return text === "" ? undefined : log().search(text);
  });
  const all = (): Found => search()?.() ?? NOTHING_FOUND;

  const rows = createMemo(() => {
    const label = labelOf(labels());
    return layRows(log().lines(), { width: size().width, wrap: wraps(), left: left(), label });
  });
  const top = createMemo(() => topOf(rows(), position(), size().height));
  /** The rows on the screen. */
  const visible = createMemo(() => rows().slice(top(), top() + size().height));

  const move = (by: number) => {
    const { height } = size();
    if (by < 0 && top() + by < 0 && log().hasEarlier()) {
      // Tied to the line that is on top now, which the earlier part holds, too.
      setPosition(moved(rows(), position(), height, 0));
      log().load("earlier");
    } else if (by > 0 && top() + height + by > rows().length && log().hasLater()) {
      setPosition(moved(rows(), position(), height, 0));
      log().load("later");
    }
    setPosition(moved(rows(), position(), height, by));
  };
  const end = () => {
    log().load(Infinity);
    setPosition(FOLLOW);
  };
  const goTo = (offset: number) => {
    setFound(offset);
    setNotice("");
    if (
      !log()
        .lines()
        .some((line) => line.offset === offset)
    )
      log().load(offset);
    setPosition(around(rows(), offset, size().height));
  };
  // As soon as it is known which match is meant, or that there is none.
  createEffect(() => {
    const want = wanted();
    if (!want) return;
    const { direction, from, orElse } = want;
    const { isDone, lookedTo } = all();
    const offset = nextOf(all().offsets, from, direction);
    if (offset !== undefined && (direction === "forward" || isDone || lookedTo > from)) {
      setWanted(undefined);
      untrack(() => goTo(offset));
    } else if (isDone) {
      setWanted(orElse && { direction: orElse, from: from + 1 });
      if (!orElse) setNotice(`nothing ${direction === "forward" ? "below" : "above"} matches`);
    }
  });
  const next = (direction: Direction) => {
    if (query() === "") return;
    const shown = visible();
    const from = found() ?? shown[direction === "forward" ? 0 : shown.length - 1]?.offset ?? 0;
    setWanted({ direction, from });
  };
  /** "3/17", or how far the search is; empty without one. */
  const matches = () => {
    if (query() === "") return "";
    const { offsets, isDone, isFull, lookedTo, end: total, problem } = all();
    if (problem !== undefined) return `cannot be searched: ${problem}`;
    const at = found();
    const rank = at === undefined ? -1 : offsets.indexOf(at);
    const more = isFull ? "+" : "";
    const count = `${rank < 0 ? "" : `${rank + 1}/`}${offsets.length}${more}`;
    if (isDone) return count;
    return `${count} … ${total > 0 ? Math.floor((lookedTo / total) * 100) : 0} % searched`;
  };
  /** How much of the log lies up to the last row on the screen. */
  const percent = createMemo(() => {
    if (position() === FOLLOW) return 100;
    const isLast = top() + size().height >= rows().length && !log().hasLater();
    const place = visible().at(-1)?.offset ?? 0;
    return isLast || log().end() === 0
      ? 100
      : Math.min(99, Math.floor((place / log().end()) * 100));
  });
  return {
    visible,
    following: () => position() === FOLLOW,
    wraps,
    labels,
    percent,
    query,
    searching,
    matches,
    notice,
    move,
    page: (pages: number) => move(pages * Math.max(1, size().height - 1)),
    shift: (cells: number) => {
      if (!wraps()) setLeft((before) => clamp(before + cells, widest(log().lines()) - 1));
    },
    start: () => {
      setPosition(moved(rows(), position(), size().height, 0));
      log().load(0);
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
    toggleLabel: (label: keyof Labels) =>
      setLabels((before) => ({ ...before, [label]: !before[label] })),
    openSearch: () => setSearching(true),
    closeSearch: () => {
      setSearching(false);
      setWanted(undefined);
      setQuery("");
      setNotice("");
    },
    search: (text: string) => {
      setSearching(false);
      setNotice("");
      setQuery(text);
      setFound(undefined);
      // What is on the screen is looked at first, then what is below, then what is above.
      const first = visible()[0]?.offset ?? 0;
      if (text !== "") setWanted({ direction: "forward", from: first - 1, orElse: "backward" });
    },
    next,
  };
}

function nextOf(offsets: readonly number[], from: number, direction: Direction) {
  return direction === "forward"
    ? offsets.find((offset) => offset > from)
    : offsets.findLast((offset) => offset < from);
}

function clamp(value: number, most: number): number {
  return Math.max(0, Math.min(value, most));
}
