/** The log of a process: only the rows on the screen are in the page, however many lines there are. */
import { useContext, useEffect, useMemo, useReducer, useRef, useState } from "preact/hooks";
import { byteSize, finds } from "../../text.js";
import type { JobView } from "../schemas.js";
import { followOutput } from "./connection.js";
import { LogLines, plain, spans, type LogLine } from "./log-lines.js";
import { Connection, Switch } from "./parts.js";
import { isLive, wordsOf } from "./words.js";

const ROW = 20;
const OVERSCAN = 20;
/** So much of the output's end is loaded at first; the rest by a button. */
const FIRST_BYTES = 4 * 1_024 * 1_024;

export function LogView({ job }: { job: JobView }) {
  const bytes = job.process?.outputBytes ?? 0;
  const [offset, setOffset] = useState(() => Math.max(0, bytes - FIRST_BYTES));
  const [following, setFollowing] = useState(true);
  const [times, setTimes] = useState(false);
  const [query, setQuery] = useState("");
  const [current, setCurrent] = useState(0);
  const { log, problem, version } = useLog(job.id, offset);
  const lines = useMemo(() => log.all, [log, version]);
  const found = useMemo(() => find(lines, query), [lines, query]);
  const view = useRef<HTMLDivElement>(null);
  const lastTop = useRef(0);
  const [scroll, setScroll] = useState({ top: 0, height: 400 });

  useEffect(() => {
    const { current: element } = view;
    if (!element) return undefined;
    const measure = () => setScroll({ top: element.scrollTop, height: element.clientHeight });
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    if (following && view.current) view.current.scrollTop = view.current.scrollHeight;
  }, [following, lines, scroll.height]);
  const show = (index: number) => {
    const at = found[index];
    if (at === undefined || !view.current) return;
    setFollowing(false);
    setCurrent(index);
    view.current.scrollTop = Math.max(0, at * ROW - scroll.height / 2);
  };
  const step = (by: number) => show((current + by + found.length) % Math.max(1, found.length));
  useEffect(() => {
    if (query !== "" && found.length > 0) show(found.length - 1);
  }, [query]);

  const first = Math.max(0, Math.floor(scroll.top / ROW) - OVERSCAN);
  const last = Math.min(lines.length, Math.ceil((scroll.top + scroll.height) / ROW) + OVERSCAN);
  const isShown = new Set(found);
  return (
    <section class="log" aria-label="Output">
      <div class="bar" role="toolbar" aria-label="Log">
        <input
          type="search"
          aria-label="Find in the output"
          placeholder="Find in the output"
          value={query}
          onInput={(event) => setQuery(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter") step(event.shiftKey ? -1 : 1);
            if (event.key === "Escape") setQuery("");
          }}
        />
        <span class="count" role="status">
          {query === "" ? "" : found.length === 0 ? "none" : `${current + 1}/${found.length}`}
        </span>
        <button type="button" disabled={found.length === 0} onClick={() => step(-1)}>
          Previous
        </button>
        <button type="button" disabled={found.length === 0} onClick={() => step(1)}>
          Next
        </button>
        <Switch label="Follow" isOn={following} onSwitch={setFollowing} />
        <Switch label="Times" isOn={times} onSwitch={setTimes} />
        {offset > 0 && (
          <button type="button" onClick={() => setOffset(0)}>
            Load {byteSize(offset)} before
          </button>
        )}
      </div>
      {problem !== undefined && <p class="problem">The output is not followed: {problem}</p>}
      {log.dropped > 0 && <p class="note">{log.dropped} earlier lines are not shown.</p>}
      <div
        ref={view}
        class="lines"
        tabIndex={0}
        role="log"
        aria-label="Lines"
        aria-live="off"
        onScroll={(event) => {
          const { scrollTop, clientHeight, scrollHeight } = event.currentTarget;
          // Upwards goes only its user: when what is around it grows, the end moves away by itself.
          const isUp = scrollTop < lastTop.current;
          lastTop.current = scrollTop;
          setScroll({ top: scrollTop, height: clientHeight });
          if (following && isUp && scrollTop + clientHeight < scrollHeight - 2 * ROW) {
            setFollowing(false);
          }
        }}
      >
        <div class="canvas" style={{ height: `${lines.length * ROW}px` }}>
          {lines.slice(first, last).map((line, index) => (
            <Row
              key={line.number}
              line={line}
              top={(first + index) * ROW}
              times={times}
              query={isShown.has(first + index) ? query : ""}
              isCurrent={query !== "" && found[current] === first + index}
            />
          ))}
        </div>
      </div>
      {lines.length === 0 && <p class="note">{isLive(job) ? "No output yet." : "No output."}</p>}
    </section>
  );
}

interface RowProps {
  line: LogLine;
  top: number;
  times: boolean;
  query: string;
  isCurrent: boolean;
}

function Row({ line, top, times, query, isCurrent }: RowProps) {
  return (
    <div
      class={`line ${line.stream}${isCurrent ? " current" : ""}`}
      style={{ transform: `translateY(${top}px)` }}
    >
      {times && <span class="time">{line.at === undefined ? "" : line.at.slice(11, 19)} </span>}
      {query === ""
        ? spans(line.raw).map(({ text, classes }, index) => (
            <span key={index} class={classes}>
              {text}
            </span>
          ))
        : marked(plain(line), query)}
    </div>
  );
}

function marked(text: string, query: string) {
  const at = indexOf(text, query);
  if (at < 0) return text;
  const end = at + query.length;
  return (
    <>
      {text.slice(0, at)}
      <mark>{text.slice(at, end)}</mark>
      {text.slice(end)}
    </>
  );
}

/** Small letters find capitals, too. */
function indexOf(text: string, query: string): number {
  return query === query.toLowerCase() ? text.toLowerCase().indexOf(query) : text.indexOf(query);
}

function find(lines: readonly LogLine[], query: string): number[] {
  const isHit = finds(query);
  return lines.flatMap((line, index) => (isHit(plain(line)) ? [index] : []));
}

/** Lines as they come; drawn at most once a frame, however fast the process prints. */
function useLog(id: string, offset: number) {
  const [version, draw] = useReducer((count: number) => count + 1, 0);
  const [problem, setProblem] = useState<string>();
  const connection = useContext(Connection);
  const isOver = useRef(false);
  const from = useRef(connection);
  if (!isOver.current) from.current = connection;
  const log = useMemo(() => new LogLines(), [id, offset, from.current]);
  useEffect(() => {
    const gone = new AbortController();
    let frame = 0;
    const drawSoon = () => {
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        draw(undefined);
      });
    };
    setProblem(undefined);
    isOver.current = false;
    followOutput(id, offset, gone.signal, (piece) => {
      isOver.current = piece.type === "end";
      if (isOver.current) return;
      const { stream = "stdout", text = "", skipped, at } = piece;
      if (skipped) log.note(`[${byteSize(skipped)} left out: more than a page can show]`);
      log.push(stream, text, at);
      drawSoon();
    }).catch((thrown: unknown) => {
      if (!gone.signal.aborted) setProblem(wordsOf(thrown));
    });
    return () => {
      gone.abort();
      cancelAnimationFrame(frame);
    };
  }, [id, offset, from.current]);
  return { log, problem, version };
}
