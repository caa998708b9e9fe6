/** What several views of the page have in common. */
import { createContext } from "preact";
import { useState } from "preact/hooks";
import { SIGNS } from "../../looks.js";
import type { JobView } from "../schemas.js";
import { lookOf, visible, wordsOf } from "./words.js";

/** How often the server was found, or let in anew: what was being read when it was lost is read again. */
export const Connection = createContext(0);

/** The colour and the sign of how a job stands, which stands in words beside it. */
export function Sign({ job }: { job: JobView }) {
  const look = lookOf(job);
  return (
    <span class={`sign ${look}`} aria-hidden="true">
      {SIGNS[look].sign}
    </span>
  );
}

interface SwitchProps {
  label: string;
  isOn: boolean;
  onSwitch: (isOn: boolean) => void;
}

export function Switch({ label, isOn, onSwitch }: SwitchProps) {
  return (
    <label>
      <input
        type="checkbox"
        checked={isOn}
        onChange={(event) => onSwitch(event.currentTarget.checked)}
      />
      {label}
    </label>
  );
}

export function BackButton({ onClick }: { onClick: () => void }) {
  return (
    <button type="button" class="back" onClick={onClick}>
      Back to the list
    </button>
  );
}

/** What became of the latest request: the server's words, or why it failed. */
export function useReply() {
  const [words, say] = useState("");
  const hear = async (asked: Promise<{ text: string }>): Promise<void> => {
    say(await asked.then(({ text }) => text, wordsOf));
  };
  return { reply: <span role="status">{visible(words)}</span>, say, hear };
}
