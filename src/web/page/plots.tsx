/** Plots and the time line: output per second of a process, cost over time, and who ran when in a session. */
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { byteSize } from "../../text.js";
import type { JobView } from "../schemas.js";
import { Sign } from "./parts.js";
import { endOf, inOrder, lookOf, shortTime, startOf, stateOf, visible } from "./words.js";

const HEIGHT = 110;
const MOST_POINTS = 600;
/** Between two marks of a time axis, in seconds. */
const STEPS = [1, 2, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 21_600, 86_400];

function timeOfDay(seconds: number): string {
  return new Date(seconds * 1_000).toLocaleTimeString();
}

interface PlotProps {
  title: string;
  /** Seconds since the epoch, and values. */
  data: [number[], number[]];
  format: (value: number) => string;
}

function Plot({ title, data, format }: PlotProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(null);
  useEffect(() => {
    const { current: element } = place;
    if (!element) return undefined;
    // The property itself has both themes' colours.
    const colour = (name: string) => {
      element.style.color = `var(${name})`;
      return getComputedStyle(element).color;
    };
    const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line") } };
    const made = new uPlot(
      {
        width: Math.max(200, element.clientWidth),
        height: HEIGHT,
        legend: { show: false },
        cursor: { show: false },
        axes: [
          {
            ...axis,
            size: 30,
            space: 90,
            incrs: STEPS,
            values: (_, times) => times.map(timeOfDay),
          },
          { ...axis, size: 80, space: 25, values: (_, values) => values.map(format) },
        ],
        series: [{}, { stroke: colour("--active"), width: 1 }],
      },
      data,
      element,
    );
    plot.current = made;
    const observer = new ResizeObserver(() => {
      made.setSize({ width: Math.max(200, element.clientWidth), height: HEIGHT });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
    };
  }, []);
  useEffect(() => plot.current?.setData(data), [data]);
  const [, values] = data;
  const range = `${format(Math.min(...values))} to ${format(Math.max(...values))}`;
  return (
    <figure class="plot">
      <figcaption>{title}</figcaption>
      <div ref={place} role="img" aria-label={`${title}, ${range}`} />
    </figure>
  );
}

/** Output per second, from the sizes that came while the page was open. */
export function RatePlot({ job }: { job: JobView }) {
  const samples = useRef<{ id: string; at: number; bytes: number; rate: number }[]>([]);
  const bytes = job.process?.outputBytes ?? 0;
  const last = samples.current.at(-1);
  if (last?.id !== job.id) samples.current = [];
  const at = Date.now() / 1_000;
  const before = samples.current.at(-1);
  if (before?.bytes !== bytes) {
    const rate = before ? Math.max(0, bytes - before.bytes) / Math.max(0.5, at - before.at) : 0;
    samples.current = [...samples.current, { id: job.id, at, bytes, rate }].slice(-MOST_POINTS);
  }
  if (samples.current.length < 3) return null;
  const data: [number[], number[]] = [
    samples.current.map((sample) => sample.at),
    samples.current.map((sample) => sample.rate),
  ];
  return <Plot title="Output a second" data={data} format={byteSize} />;
}

/** What the subagents of a session cost, summed at their ends. */
function CostPlot({ jobs }: { jobs: readonly JobView[] }) {
  const ends = jobs
    .filter((job) => job.completedAt !== undefined && (job.subagent?.cost ?? 0) > 0)
    .sort((a, b) => endOf(a, 0) - endOf(b, 0));
  if (ends.length < 2) return null;
  let sum = 0;
  const sums = ends.map((job) => (sum += job.subagent?.cost ?? 0));
  const data: [number[], number[]] = [ends.map((job) => endOf(job, 0) / 1_000), sums];
  return <Plot title="Cost, US dollars" data={data} format={(value) => value.toFixed(3)} />;
}

interface TimeLineProps {
  jobs: readonly JobView[];
  /** The session's. */
  title: string | undefined;
  now: number;
  onOpen: (id: string) => void;
}

export function TimeLine({ jobs, title, now, onOpen }: TimeLineProps) {
  const from = Math.min(...jobs.map(startOf));
  const to = Math.max(from + 1_000, ...jobs.map((job) => endOf(job, now)));
  const percent = (time: number) => ((time - from) / (to - from)) * 100;
  const sorted = inOrder(jobs).sort((a, b) => startOf(a) - startOf(b));
  return (
    <section class="timeline" aria-label="Time line">
      <h2>
        Time line <small>{shortTime(to - from)}</small>
        {title && <small>, {visible(title)}</small>}
      </h2>
      <ul>
        {sorted.map((job) => {
          const left = percent(startOf(job));
          const width = Math.max(0.5, percent(endOf(job, now)) - left);
          return (
            <li key={job.id}>
              <button type="button" onClick={() => onOpen(job.id)}>
                <span class="label">
                  <Sign job={job} /> {visible(job.name)}
                </span>
                <span class="track" aria-hidden="true">
                  <span
                    class={`piece ${lookOf(job)}`}
                    style={{ left: `${left}%`, width: `${width}%` }}
                  />
                </span>
                <span class="end">{stateOf(job, now)}</span>
              </button>
            </li>
          );
        })}
      </ul>
      <CostPlot jobs={sorted} />
    </section>
  );
}
