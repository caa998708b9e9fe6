/** One job in full: what it is, how it stands, what can be done with it, and its output. */
import { useRef, useState } from "preact/hooks";
import type { JobView } from "../schemas.js";
import { act, type Action } from "./connection.js";
import { LogView } from "./log-view.js";
import { RatePlot } from "./plots.js";
import {
  byteSize,
  endOf,
  isLive,
  lookOf,
  outcome,
  shortTime,
  SIGNS,
  startOf,
  visible,
} from "./words.js";

interface Props {
  job: JobView;
  now: number;
  onClose: () => void;
}

export function Details({ job, now, onClose }: Props) {
  const look = lookOf(job);
  return (
    <article class="details" aria-label={visible(job.name)}>
      <header>
        <button type="button" class="back" onClick={onClose}>
          Back to the list
        </button>
        <h2>
          <span class={`sign ${look}`} aria-hidden="true">
            {SIGNS[look]}
          </span>{" "}
          {visible(job.name)}
        </h2>
        <Actions job={job} />
      </header>
      <Facts job={job} now={now} />
      {job.process && <RatePlot job={job} />}
      {job.process ? (
        <LogView key={job.id} job={job} now={now} />
      ) : (
        <p class="note">
          Its text is in its session: <code>opencode -s {job.subagent?.sessionID ?? "…"}</code>
        </p>
      )}
    </article>
  );
}

function Facts({ job, now }: { job: JobView; now: number }) {
  const { process, subagent } = job;
  const date = (text: string | undefined) => text && new Date(text).toLocaleString();
  const rows: [string, string | number | undefined | false][] = [
    ["State", outcome(job) === job.status ? job.status : `${job.status}: ${outcome(job)}`],
    ["Error", job.error],
    ["Command", process?.command],
    ["Folder", process?.cwd ?? job.directory],
    ["Agent", subagent?.agent],
    ["Model", subagent?.model],
    ["Tags", job.tags.join(", ")],
    ["Started", date(job.startedAt)],
    ["Ended", date(job.completedAt)],
    ["Time", shortTime(endOf(job, now) - startOf(job))],
    [
      "Process",
      process?.pid !== undefined && `pid ${process.pid}${process.global ? ", global" : ""}`,
    ],
    ["Port", process?.readyPort],
    ["Output", process && byteSize(process.outputBytes)],
    [
      "Tool calls",
      subagent &&
        `${subagent.toolCalls}${subagent.runningTool ? `, now ${subagent.runningTool}` : ""}`,
    ],
    ["Tokens", subagent?.tokens],
    ["Cost", subagent && (subagent.cost > 0 ? `$${subagent.cost.toFixed(4)}` : "no price")],
    ["Session", job.sessionID],
    ["Id", job.id],
  ];
  return (
    <dl>
      {rows.map(([name, value]) =>
        value === undefined || value === false || value === "" ? undefined : (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{visible(String(value))}</dd>
          </div>
        ),
      )}
    </dl>
  );
}

const WORDS: Readonly<Record<Action, { button: string; question: string }>> = {
  stop: { button: "Stop", question: "Stop this process and everything that it started?" },
  terminate: {
    button: "Remove",
    question: "End this process if it runs, and forget its record and its output?",
  },
  cancel: { button: "Cancel", question: "Abort this subagent and what it started?" },
};

function Actions({ job }: { job: JobView }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [asked, setAsked] = useState<Action>("stop");
  const [said, setSaid] = useState<string>();
  const live = isLive(job) || job.fate === "orphan";
  const possible: Action[] = job.process
    ? [...(live ? (["stop"] as const) : []), "terminate"]
    : live
      ? ["cancel"]
      : [];
  const ask = (action: Action) => {
    setAsked(action);
    dialog.current?.showModal();
  };
  const run = async () => {
    dialog.current?.close();
    try {
      setSaid((await act(job, asked)).text);
    } catch (thrown) {
      setSaid(thrown instanceof Error ? thrown.message : "failed");
    }
  };
  return (
    <div class="actions">
      {possible.map((action) => (
        <button key={action} type="button" onClick={() => ask(action)}>
          {WORDS[action].button}
        </button>
      ))}
      <span role="status">{said === undefined ? "" : visible(said)}</span>
      <dialog ref={dialog} aria-labelledby="question">
        <p id="question">{WORDS[asked].question}</p>
        <pre>{visible(job.process?.command ?? job.name)}</pre>
        <div class="buttons">
          <button type="button" class="danger" onClick={() => void run()}>
            {WORDS[asked].button}
          </button>
          <button type="button" autofocus onClick={() => dialog.current?.close()}>
            Keep it
          </button>
        </div>
      </dialog>
    </div>
  );
}
