/** What a subagent has said and which tools it has called, as its OpenCode tells it; read again while it runs. */
import { useContext, useEffect, useRef, useState } from "preact/hooks";
import { SIGNS } from "../../looks.js";
import type { JobView, TranscriptView } from "../schemas.js";
import { readTranscript } from "./connection.js";
import { Connection, Switch } from "./parts.js";
import { isLive, visible, visibleLines, wordsOf } from "./words.js";

const AGAIN_MS = 2_000;
type Entry = TranscriptView["entries"][number];

export function Transcript({ job }: { job: JobView }) {
  const [entries, setEntries] = useState<Entry[]>();
  const [problem, setProblem] = useState<string>();
  const [following, setFollowing] = useState(true);
  const view = useRef<HTMLDivElement>(null);
  const live = isLive(job);
  const connection = useContext(Connection);
  useEffect(() => {
    const gone = new AbortController();
    let timer = 0;
    const read = async () => {
      try {
        setEntries((await readTranscript(job, gone.signal)).entries);
        setProblem(undefined);
      } catch (thrown) {
        if (!gone.signal.aborted) setProblem(wordsOf(thrown));
      }
      if (live && !gone.signal.aborted) timer = setTimeout(() => void read(), AGAIN_MS);
    };
    void read();
    return () => {
      gone.abort();
      clearTimeout(timer);
    };
    // Its end is read once more.
  }, [job.id, live, job.subagent?.sessionID, connection]);
  useEffect(() => {
    if (following && view.current) view.current.scrollTop = view.current.scrollHeight;
  }, [entries, following]);
  return (
    <section class="log" aria-label="What it said">
      <div class="bar">
        <Switch label="Follow" isOn={following} onSwitch={setFollowing} />
        <span class="note">
          Its session: <code>opencode -s {visible(job.subagent?.sessionID ?? "…")}</code>
        </span>
      </div>
      {problem !== undefined && <p class="note">{visible(problem)}</p>}
      {entries?.length === 0 && <p class="note">Nothing is said yet.</p>}
      <div ref={view} class="said" tabIndex={0} role="log" aria-label="Text" aria-live="off">
        {entries?.map((entry, index) => (
          <Said key={index} entry={entry} />
        ))}
      </div>
    </section>
  );
}

function Said({ entry }: { entry: Entry }) {
  const { kind, role, tool, status = "completed" } = entry;
  const lines = visibleLines(entry.text);
  if (kind === "tool") {
    return (
      <p class={`tool ${status}`} title={entry.at}>
        {SIGNS[status === "error" ? "failed" : status].sign} <strong>{visible(tool ?? "")}</strong>{" "}
        {lines}
      </p>
    );
  }
  return (
    <p class={`${kind} ${role}`} title={entry.at}>
      {kind === "error" ? "✗ " : ""}
      {lines}
    </p>
  );
}
