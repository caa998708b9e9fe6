/** The page: jobs by project and session, one of them in full. What is open stands in the address. */
import { render } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { JobEvent, JobView } from "../schemas.js";
import { confirm, isOldLink, needsCode, NEW_TOKEN, takeToken, watchJobs } from "./connection.js";
import { Details } from "./details.js";
import { TimeLine } from "./plots.js";
import { BackButton, Connection, Sign } from "./parts.js";
import {
  folderWords,
  inOrder,
  isLive,
  lookOf,
  sessionTitles,
  stateOf,
  visible,
  wordsOf,
} from "./words.js";

type Show = "all" | "live" | "failed";
type Place = { view: "job" | "session"; id: string } | undefined;

function placeOf(hash: string): Place {
  const found = /^#\/(job|session)\/([\w-]+)$/u.exec(hash);
  const [, view, id] = found ?? [];
  if (id === undefined || (view !== "job" && view !== "session")) return undefined;
  return { view, id };
}

function App() {
  const { jobs, problem, connection } = useJobs();
  const [place, setPlace] = useState(() => placeOf(location.hash));
  const [query, setQuery] = useState("");
  const [show, setShow] = useState<Show>("all");
  const search = useRef<HTMLInputElement>(null);
  const now = useNow();

  useEffect(() => {
    const moved = () => {
      setPlace(placeOf(location.hash));
      // Another link in the same tab loads nothing anew.
      void takeToken().catch(() => undefined);
    };
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  const open = (view: "job" | "session", id: string) => {
    location.hash = `/${view}/${id}`;
  };
  const close = () => {
    location.hash = "/";
  };
  const shown = useMemo(
    () => inOrder(jobs.values()).filter((job) => isWanted(job, show) && contains(job, query)),
    [jobs, query, show],
  );
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      const { target } = event;
      const isTyping = target instanceof HTMLInputElement && target.type !== "checkbox";
      if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]"))
        return;
      if (event.key === "Escape" && !isTyping) close();
      else if (isTyping) return;
      else if (event.key === "/") search.current?.focus();
      else if (event.key === "j" || event.key === "k") moveFocus(event.key === "j" ? 1 : -1);
      else return;
      event.preventDefault();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);

  const job = place?.view === "job" ? jobs.get(place.id) : undefined;
  const session =
    place?.view === "session"
      ? [...jobs.values()].filter(({ sessionID }) => sessionID === place.id)
      : [];
  const titles = useMemo(() => sessionTitles(jobs.values()), [jobs]);
  const live = [...jobs.values()].filter(isLive).length;
  useEffect(() => {
    document.title = live > 0 ? `(${live}) Background jobs` : "Background jobs";
  }, [live]);
  return (
    <div class={place ? "app open" : "app"}>
      <header class="top">
        <h1>Background jobs</h1>
        <Theme />
      </header>
      <Problem problem={problem} />
      {needsCode() && <Code />}
      <main>
        <nav aria-label="Jobs">
          <div class="bar">
            <input
              ref={search}
              type="search"
              aria-label="Find a job"
              placeholder="Find a job ( / )"
              value={query}
              onInput={(event) => setQuery(event.currentTarget.value)}
            />
            <select
              aria-label="Which jobs"
              value={show}
              onChange={(event) => setShow(showOf(event.currentTarget.value))}
            >
              <option value="all">All</option>
              <option value="live">Running</option>
              <option value="failed">Failed</option>
            </select>
          </div>
          <Groups jobs={shown} titles={titles} now={now} selected={place?.id} onOpen={open} />
          {shown.length === 0 && (
            <p class="note">
              {jobs.size === 0
                ? "No background jobs yet. What an agent starts appears here."
                : "No job matches."}
            </p>
          )}
        </nav>
        <div class="content">
          {job && (
            <Connection.Provider value={connection}>
              <Details
                key={job.id}
                job={job}
                session={titles.get(job.sessionID)}
                now={now}
                onClose={close}
              />
            </Connection.Provider>
          )}
          {session.length > 0 && (
            <>
              <BackButton onClick={close} />
              <TimeLine
                jobs={session}
                title={titles.get(place?.id ?? "")}
                now={now}
                onOpen={(id) => open("job", id)}
              />
            </>
          )}
          {!job && session.length === 0 && (
            <p class="note">{place ? "It is not there any more." : "Choose a job."}</p>
          )}
        </div>
      </main>
    </div>
  );
}

interface GroupsProps {
  jobs: readonly JobView[];
  /** Of sessions. */
  titles: ReadonlyMap<string, string>;
  now: number;
  selected: string | undefined;
  onOpen: (view: "job" | "session", id: string) => void;
}

/** By project, then by session; both in the order of their most urgent job. */
function Groups({ jobs, titles, now, selected, onOpen }: GroupsProps) {
  const projects = Map.groupBy(jobs, ({ directory }) => directory);
  return (
    <>
      {[...projects].map(([directory, ofProject]) => (
        <section key={directory} class="project">
          <Project job={ofProject[0]} />
          {[...Map.groupBy(ofProject, ({ sessionID }) => sessionID)].map(([sessionID, members]) => (
            <section key={sessionID} class="session">
              <h3>
                <button type="button" onClick={() => onOpen("session", sessionID)}>
                  {visible(titles.get(sessionID) ?? "")} <small>{visible(sessionID)}</small>, time
                  line
                </button>
              </h3>
              <ul>
                {members.map((job) => (
                  <li key={job.id}>
                    <button
                      type="button"
                      class="job"
                      data-job={job.id}
                      aria-current={job.id === selected ? "true" : undefined}
                      onClick={() => onOpen("job", job.id)}
                    >
                      <Sign job={job} />
                      <span class="name">{visible(job.name)}</span>
                      <span class="kind">{job.kind}</span>
                      <span class="state">{stateOf(job, now)}</span>
                    </button>
                  </li>
                ))}
              </ul>
            </section>
          ))}
        </section>
      ))}
    </>
  );
}

function Project({ job }: { job: JobView | undefined }) {
  if (!job) return null;
  const { name, place } = folderWords(job);
  return (
    <h2 title={visible(job.directory)}>
      {visible(name)} {place && <small>in {visible(place)}</small>}
    </h2>
  );
}

function Problem({ problem }: { problem: Error | undefined }) {
  if (!problem) return null;
  return (
    <p class="problem" role="alert">
      {isOldLink(problem)
        ? "This link is not valid, or not any more: open the new link of OpenCode, or the one that the server printed."
        : `The server cannot be reached (${problem.message}); looking for it.`}
    </p>
  );
}

/** Another process may have come by the link that called the browser: what OpenCode shows tells them apart. */
function Code() {
  const [code, setCode] = useState("");
  const [problem, setProblem] = useState("");
  const send = () =>
    confirm(code.replaceAll(/\s/gu, "")).catch((thrown) => setProblem(wordsOf(thrown)));
  return (
    <form
      class="bar code"
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <label>
        To answer, type and run again here: the code that OpenCode shows
        <input
          inputMode="numeric"
          autocomplete="off"
          size={8}
          value={code}
          onInput={(event) => setCode(event.currentTarget.value)}
        />
      </label>
      <button type="submit">Confirm</button>
      <span role="status">{problem}</span>
    </form>
  );
}

function Theme() {
  const [theme, setTheme] = useState(() => localStorage.getItem("theme") ?? "system");
  useEffect(() => {
    document.documentElement.dataset["theme"] = theme;
    localStorage.setItem("theme", theme);
  }, [theme]);
  return (
    <select
      aria-label="Colours"
      value={theme}
      onChange={(event) => setTheme(event.currentTarget.value)}
    >
      <option value="system">System colours</option>
      <option value="light">Light</option>
      <option value="dark">Dark</option>
    </select>
  );
}

function useJobs() {
  const [jobs, setJobs] = useState<ReadonlyMap<string, JobView>>(new Map());
  const [problem, setProblem] = useState<Error>();
  const [connection, setConnection] = useState(0);
  useEffect(() => {
    const gone = new AbortController();
    let known = new Map<string, JobView>();
    let frame = 0;
    const onEvent = (event: JobEvent) => {
      if (event.type === "reset") known = new Map();
      else if (event.type === "job.removed") known.delete(event.id);
      else known.set(event.job.id, event.job);
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        setJobs(new Map(known));
      });
    };
    const again = () => setConnection((count) => count + 1);
    const onConnected = () => {
      setProblem(undefined);
      again();
    };
    void watchJobs({ onEvent, onConnected, onProblem: setProblem }, gone.signal);
    addEventListener(NEW_TOKEN, again, gone);
    return () => gone.abort();
  }, []);
  return { jobs, problem, connection };
}

/** Once a second, for the times that run. */
function useNow(): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

function showOf(value: string): Show {
  return value === "live" || value === "failed" ? value : "all";
}

function isWanted(job: JobView, show: Show): boolean {
  if (show === "live") return isLive(job);
  return show === "all" || lookOf(job) === "failed" || lookOf(job) === "lost";
}

function contains(job: JobView, query: string): boolean {
  const { name, id, status, process, subagent, tags } = job;
  const text = [name, id, status, process?.command, subagent?.agent, ...tags].join(" ");
  return text.toLowerCase().includes(query.toLowerCase());
}

function moveFocus(by: number): void {
  const all = [...document.querySelectorAll<HTMLElement>("button.job")];
  const at = all.findIndex((each) => each === document.activeElement);
  all[Math.min(all.length - 1, Math.max(0, at + by))]?.focus();
}

// What a ticket is refused with, the requests without a token are refused with, too.
await takeToken().catch(() => undefined);
const root = document.querySelector("#app");
if (root) render(<App />, root);
