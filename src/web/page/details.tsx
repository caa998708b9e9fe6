/** One job in full: what it is, how it stands, what can be done with it, and its output. */
import { useRef, useState } from "preact/hooks";
import { byteSize } from "../../text.js";
import type { JobAction, JobView } from "../schemas.js";
import { isWaiting, Request } from "./answer.js";
import { act } from "./connection.js";
import { LogView } from "./log-view.js";
import { BackButton, Sign, useReply } from "./parts.js";
import { RatePlot } from "./plots.js";
import { Transcript } from "./transcript.js";
import { Write } from "./write.js";
import { outcome, stateOf, timeOf, visible } from "./words.js";

interface Props {
  job: JobView;
  /** Its session's title. */
  session: string | undefined;
  now: number;
  onClose: () => void;
}

export function Details({ job, session, now, onClose }: Props) {
  return (
    <article class="details" aria-label={visible(job.name)}>
      <header>
        <BackButton onClick={onClose} />
        <h2>
          <Sign job={job} /> {visible(job.name)}
        </h2>
        <Actions job={job} />
      </header>
      <Facts job={job} session={session} now={now} />
      {isWaiting(job) && <Request key={job.blockedOn?.since} job={job} />}
      {job.process ? (
        <LogView key={`${job.id} ${job.process.run}`} job={job} />
      ) : (
        <Transcript key={job.id} job={job} />
      )}
      {job.actions.includes("write") && <Write job={job} />}
    </article>
  );
}

/** Open where there is room beside the log; on a phone the first of them stand in the summary. */
function Facts({ job, session, now }: Omit<Props, "onClose">) {
  const { process, subagent } = job;
  const [isOpen] = useState(() => matchMedia("(min-width: 801px)").matches);
  const date = (text: string | undefined) => text && new Date(text).toLocaleString();
  const rows: [string, string | number | undefined | false][] = [
    ["State", outcome(job) === job.status ? job.status : `${job.status}: ${outcome(job)}`],
    ["Error", job.error],
    ["Command", process?.command],
    ["Folder", process?.cwd ?? job.directory],
    ["Runs", process && process.run > 1 && `${process.run}, this is the last`],
    ["Runs again", process?.restart],
    ["Agent", subagent?.agent],
    ["Branch", subagent?.branch],
    ["Group", job.group],
    ["After", job.after.join(", ")],
    ["Model", subagent?.model],
    ["Tags", job.tags.join(", ")],
    ["Started", date(job.startedAt)],
    ["Ended", date(job.completedAt)],
    ["Time", timeOf(job, now)],
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
    ["Session", [session, job.sessionID].filter(Boolean).join(", ")],
    ["Id", job.id],
  ];
  return (
    <details class="facts" open={isOpen}>
      <summary>
        {stateOf(job, now)} <code>{visible(process?.command ?? subagent?.agent ?? "")}</code>
      </summary>
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
      {process && <RatePlot job={job} />}
    </details>
  );
}

type Action = Exclude<JobAction, "write" | "answer">;

const WORDS: Readonly<Record<Action, { button: string; question: string }>> = {
  stop: { button: "Stop", question: "Stop this process and everything that it started?" },
  restart: {
    button: "Run again",
    question: "Run this command again, unchanged? What runs is ended first.",
  },
  terminate: {
    button: "Remove",
    question: "End this process if it runs, and forget its record and its output?",
  },
  cancel: { button: "Cancel", question: "Abort this subagent and what it started?" },
};

function isAsked(action: JobAction): action is Action {
  return Object.hasOwn(WORDS, action);
}

function Actions({ job }: { job: JobView }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [asked, setAsked] = useState<Action>("stop");
  const { reply, hear } = useReply();
  const ask = (action: Action) => {
    setAsked(action);
    dialog.current?.showModal();
  };
  const run = () => {
    dialog.current?.close();
    void hear(act(job, asked));
  };
  return (
    <div class="actions">
      {job.actions.filter(isAsked).map((action) => (
        <button key={action} type="button" onClick={() => ask(action)}>
          {WORDS[action].button}
        </button>
      ))}
      {reply}
      <dialog ref={dialog} aria-labelledby="question">
        <p id="question">{WORDS[asked].question}</p>
        <pre>{visible(job.process?.command ?? job.name)}</pre>
        <div class="buttons">
          <button type="button" class="danger" onClick={run}>
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
