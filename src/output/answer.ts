/** The form of every answer about an output: lines, a hint how to get the rest, and what is known of the whole. */
import { grouped } from "../text.js";
import type { PlainLine } from "./page.js";
import type { ReadLine, ReadResult } from "./types.js";

/** What is known of the output besides the file. */
export interface OutputCounts {
  bytes: number;
  dropped: number;
}

/** A request with its defaults, checked. */
export interface Wanted {
  mode: "tail" | "head" | "grep" | "full";
  lines: number;
  /** Lines that were asked for, which may be more than an answer holds. */
  asked: number | undefined;
  from: number;
  /** A cursor was given: from there on, instead of the newest. */
  forward: boolean;
  pattern?: string;
  stream?: "stdout" | "stderr";
  /** What each line of the process's own begins with. */
  mark: string;
  /** For the lines, without the hint at the end. */
  budget: number;
}

/** What an answer says besides its lines. */
export interface AnswerFacts extends OutputCounts {
  start: number;
  cursor: number;
  more: boolean;
  lost: number;
  matches?: number;
}

export function answer(
  lines: readonly PlainLine[],
  hint: string | undefined,
  { cursor, ...facts }: AnswerFacts,
): ReadResult {
  const shown: ReadLine[] = lines.map(({ stream, text }) => ({ stream, text }));
  const { bytes, dropped } = facts;
  const hints = [
    ...(dropped > 0
      ? [`[${bytesText(dropped)} of ${bytesText(bytes)} are not kept any more]`]
      : []),
    ...(hint ? [hint] : []),
  ];
  const text = [...shown.map((line) => line.text), ...hints].join("\n");
  return { text, lines: shown, cursor: String(cursor), ...facts };
}

export function bytesText(bytes: number): string {
  return `${grouped(bytes)} bytes`;
}
