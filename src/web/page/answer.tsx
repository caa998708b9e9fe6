/**
 * What a subagent asks its user, and the answer. It is read from its OpenCode, not from the records on disk: what is
 * approved is what is shown.
 */
import { useContext, useEffect, useState } from "preact/hooks";
import type { AnswerBody, JobView, RequestView } from "../schemas.js";
import { act, readRequest } from "./connection.js";
import { Connection, useReply } from "./parts.js";
import { isLive, visible, visibleLines, wordsOf } from "./words.js";

export function isWaiting({ blockedOn, ...job }: JobView): boolean {
  return isLive(job) && (blockedOn?.kind === "permission" || blockedOn?.kind === "question");
}

export function Request({ job }: { job: JobView }) {
  const [request, setRequest] = useState<RequestView>();
  const { reply, say, hear } = useReply();
  const mayAnswer = job.actions.includes("answer");
  const connection = useContext(Connection);
  useEffect(() => {
    if (!mayAnswer) return;
    readRequest(job).then(
      (read) => {
        setRequest(read);
        say("");
      },
      (thrown: unknown) => say(wordsOf(thrown)),
    );
  }, [mayAnswer, job.id, connection]);
  const send = (body: AnswerBody) => void hear(act(job, "answer", body));
  return (
    <section class="request" aria-label="It waits for you">
      <h3>▲ It waits for you</h3>
      {request?.kind === "permission" ? (
        <Permission request={request} onAnswer={send} />
      ) : request?.kind === "question" ? (
        <Questions request={request} onAnswer={send} />
      ) : (
        <p>{visible(job.blockedOn?.what ?? "")}</p>
      )}
      {!mayAnswer && (
        <p class="note">
          Answer it in its OpenCode, or open the page from there (command “Page of background
          jobs”).
        </p>
      )}
      {reply}
    </section>
  );
}

type Of<K extends RequestView["kind"]> = {
  request: Extract<RequestView, { kind: K }>;
  onAnswer: (body: AnswerBody) => void;
};

function Permission({ request, onAnswer }: Of<"permission">) {
  const { requestID, permission, patterns, always = [], detail } = request;
  const reply = (word: "once" | "always" | "reject") => onAnswer({ requestID, reply: word });
  return (
    <>
      <p>
        Permission: <strong>{visible(permission)}</strong>
      </p>
      <pre>{visibleLines(detail ?? patterns.join("\n"))}</pre>
      {always.length > 0 && (
        <p class="note">
          Always, until OpenCode is restarted: <code>{visible(always.join(", "))}</code>
        </p>
      )}
      <div class="buttons">
        <button type="button" onClick={() => reply("once")}>
          Allow once
        </button>
        <button type="button" onClick={() => reply("always")}>
          Allow always
        </button>
        <button type="button" class="danger" onClick={() => reply("reject")}>
          Reject
        </button>
      </div>
    </>
  );
}

function Questions({ request, onAnswer }: Of<"question">) {
  const { requestID, questions } = request;
  const [chosen, setChosen] = useState(() => questions.map(() => new Set<string>()));
  const [own, setOwn] = useState(() => questions.map(() => ""));
  const choose = (at: number, label: string, isOn: boolean) => {
    setChosen((all) =>
      all.map((set, index) => {
        if (index !== at) return set;
        const next = new Set(questions[at]?.multiple ? set : []);
        if (isOn) next.add(label);
        else next.delete(label);
        return next;
      }),
    );
  };
  const answers = questions.map((_, at) => {
    const words = own[at]?.trim() ?? "";
    return [...(chosen[at] ?? []), ...(words ? [words] : [])];
  });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        onAnswer({ requestID, answers });
      }}
    >
      {questions.map((question, at) => (
        <fieldset key={at}>
          <legend>{visible(question.question)}</legend>
          {question.options.map(({ label, description }) => (
            <label key={label}>
              <input
                type={question.multiple ? "checkbox" : "radio"}
                name={`question ${at}`}
                checked={chosen[at]?.has(label) ?? false}
                onChange={(event) => choose(at, label, event.currentTarget.checked)}
              />
              {visible(label)}
              {description && <span class="note">{visible(description)}</span>}
            </label>
          ))}
          {question.custom && (
            <input
              type="text"
              aria-label="An answer of your own"
              placeholder="An answer of your own"
              value={own[at] ?? ""}
              onInput={(event) => {
                const { value } = event.currentTarget;
                setOwn((all) => all.map((text, index) => (index === at ? value : text)));
              }}
            />
          )}
        </fieldset>
      ))}
      <div class="buttons">
        <button type="submit" disabled={answers.some((each) => each.length === 0)}>
          Send
        </button>
        <button type="button" class="danger" onClick={() => onAnswer({ requestID })}>
          Reject
        </button>
      </div>
    </form>
  );
}
