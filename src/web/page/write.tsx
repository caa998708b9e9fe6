/** Types into a process whose input is open: a line, hidden where it asks for a password, or a terminal's keys. */
import { useState } from "preact/hooks";
import type { JobView, WriteBody } from "../schemas.js";
import { act } from "./connection.js";
import { visible, wordsOf } from "./words.js";

const KEYS = ["Enter", "C-c", "Up", "Down", "Escape", "Tab"] as const;

export function Write({ job }: { job: JobView }) {
  const [text, setText] = useState("");
  const [problem, setProblem] = useState<string>();
  const isTerminal = job.process?.stdin === "terminal";
  const send = async (body: WriteBody) => {
    try {
      await act(job, "write", body);
      setProblem(undefined);
      return true;
    } catch (thrown) {
      setProblem(wordsOf(thrown));
      return false;
    }
  };
  const field = {
    "aria-label": "A line for its input",
    placeholder: "A line for its input",
    autocomplete: "off",
    value: text,
    onInput: (event: { currentTarget: HTMLInputElement }) => setText(event.currentTarget.value),
  };
  return (
    <form
      class="bar write"
      aria-label="Input"
      onSubmit={(event) => {
        event.preventDefault();
        const body = isTerminal ? { text, keys: ["Enter"] } : { text: `${text}\n` };
        void send(body).then((done) => done && setText(""));
      }}
    >
      {job.blockedOn?.kind === "password" ? (
        <input type="password" {...field} />
      ) : (
        <input type="text" {...field} />
      )}
      <button type="submit">Send</button>
      {isTerminal &&
        KEYS.map((key) => (
          <button key={key} type="button" onClick={() => void send({ keys: [key] })}>
            {key}
          </button>
        ))}
      <button type="button" onClick={() => void send({ end: true })}>
        Close its input
      </button>
      {problem !== undefined && (
        <span class="problem" role="alert">
          {visible(problem)}
        </span>
      )}
    </form>
  );
}
