/** The output of a process as lines for the log view: bounded, with colours, by stream. Pure but for its own state. */
import Anser from "anser";
import ansiRegex from "ansi-regex";

/** More lines are no reading; the oldest go first. */
export const MOST_LINES = 100_000;
const LONGEST_LINE = 4_000;

export interface LogLine {
  /** Counts up from 0 over the whole log: a line keeps its number when older ones go. */
  number: number;
  stream: "stdout" | "stderr" | "note";
  /** With its colour sequences. */
  raw: string;
  plain?: string;
  /** When the process wrote it; undefined in an output of an earlier version. */
  at: string | undefined;
}

export interface Span {
  text: string;
  /** Class names for colour and weight. */
  classes: string;
}

export class LogLines {
  readonly #lines: LogLine[] = [];
  readonly #open = new Map<string, { text: string; at: string | undefined }>();
  #next = 0;
  /** Lines that were let go. */
  dropped = 0;

  get lines(): readonly LogLine[] {
    return this.#lines;
  }

  /** Lines without their newline are shown, too: a prompt has none. */
  get all(): LogLine[] {
    const open = [...this.#open].filter(([, { text }]) => text !== "");
    return [
      ...this.#lines,
      ...open.map(([stream, { text, at }], index) => ({
        number: this.#next + index,
        stream: streamOf(stream),
        raw: lastState(text),
        at,
      })),
    ];
  }

  push(stream: "stdout" | "stderr", text: string, at: string | undefined): void {
    const parts = `${this.#open.get(stream)?.text ?? ""}${text}`.split("\n");
    this.#open.set(stream, { text: (parts.pop() ?? "").slice(-LONGEST_LINE), at });
    for (const raw of parts) this.#add(stream, lastState(raw.slice(0, LONGEST_LINE)), at);
  }

  note(text: string): void {
    this.#add("note", text, undefined);
  }

  #add(stream: LogLine["stream"], raw: string, at: string | undefined): void {
    this.#lines.push({ number: this.#next, stream, raw, at });
    this.#next += 1;
    if (this.#lines.length <= MOST_LINES + 1_000) return;
    this.dropped += this.#lines.splice(0, this.#lines.length - MOST_LINES).length;
  }
}

function streamOf(name: string): "stdout" | "stderr" {
  return name === "stderr" ? "stderr" : "stdout";
}

/** A progress bar as it stands last. */
function lastState(raw: string): string {
  const line = raw.replace(/\r+$/u, "");
  return line.slice(line.lastIndexOf("\r") + 1);
}

const SEQUENCE = ansiRegex();
const HIDDEN = /[^\P{Cc}\t]|[\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/gu;
const ESCAPE = "\u001b";

function withoutHidden(text: string): string {
  return text.replace(HIDDEN, "");
}

/** `ESC [ … m`: what is left when all others are taken out. */
function isColour(sequence: string): boolean {
  return sequence.startsWith(`${ESCAPE}[`) && sequence.endsWith("m");
}

/** What stands on the screen; kept with the line, for a search goes through all of them with each piece that comes. */
export function plain(line: LogLine): string {
  return (line.plain ??= withoutHidden(line.raw.replace(SEQUENCE, "")));
}

export function spans(raw: string): Span[] {
  if (!raw.includes(ESCAPE)) return [{ text: withoutHidden(raw), classes: "" }];
  const coloured = raw.replace(SEQUENCE, (found) => (isColour(found) ? found : ""));
  return Anser.ansiToJson(coloured, { use_classes: true, remove_empty: true }).map((part) => ({
    text: withoutHidden(part.content),
    classes: [part.fg?.replace("-bright", ""), ...part.decorations.map((name) => `ansi-${name}`)]
      .filter(Boolean)
      .join(" "),
  }));
}
