/**
 * A line of output with its colours: the plain text, and which parts of it are painted how. The sixteen basic colours
 * are tones of the theme, so that they are read on light and on dark; all others are what the program said.
 */
import Anser from "anser";
import { expandTabs } from "../../cells.js";
import { plainLine } from "../../output/plain-text.js";
import type { Tone } from "../../looks.js";

export interface Paint {
  /** A tone, or red, green and blue of 0 to 255. */
  text?: Tone | readonly [number, number, number];
  background?: readonly [number, number, number];
  bold?: boolean;
  underline?: boolean;
}

export interface Painted extends Paint {
  /** Places in the text: from the first to before the last. */
  from: number;
  to: number;
}

export interface ColouredLine {
  text: string;
  painted: Painted[];
}

/** What moves the cursor within the line: how it stands last is known only as plain text. */
const MOVES =
  // oxlint-disable-next-line no-control-regex -- a terminal's sequences begin with it
  /[\b\r]|(?:\u001b\[|\u009b)[\d;]*[A-HJKf]/u;
/** Clears what stands right of the cursor, where nothing does. */
// oxlint-disable-next-line no-control-regex -- a terminal's sequences begin with it
const CLEARS_REST = /\u001b\[0?K/gu;
/** All sequences but those that paint. */
const OTHER_SEQUENCES =
  // oxlint-disable-next-line no-control-regex -- these are what must not reach the screen
  /(?:\u009b|\u001b\[)(?![\d;:]*m)[0-?]*[ -/]*[@-~]|\u001b(?!\[)(?:\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|.)/gu;

export function colouredLine(raw: string): ColouredLine {
  const unpainted = () => ({ text: expandTabs(plainLine(raw)), painted: [] });
  // A carriage return before the newline moves nothing that is seen.
  const line = raw.replace(/\r+$/u, "");
  if (!line.includes("\u001b[")) return unpainted();
  if (MOVES.test(line.replace(CLEARS_REST, ""))) return unpainted();
  let text = "";
  const painted: Painted[] = [];
  for (const part of Anser.ansiToJson(line.replace(OTHER_SEQUENCES, ""), OPTIONS)) {
    const from = text.length;
    text += expandTabs(part.content, text);
    const paint = paintOf(part);
    if (text.length > from && Object.keys(paint).length > 0) {
      painted.push({ ...paint, from, to: text.length });
    }
  }
  return { text, painted };
}

const OPTIONS = { json: true, remove_empty: true, use_classes: true };

type Part = ReturnType<typeof Anser.ansiToJson>[number];

function paintOf({ fg, bg, fg_truecolor, bg_truecolor, decorations }: Part): Paint {
  const text = colourOf(fg, fg_truecolor);
  const background = colourOf(bg, bg_truecolor);
  return {
    ...(text === undefined ? {} : { text }),
    // A tone as a background would hide the text of another theme.
    ...(background === undefined || typeof background === "string" ? {} : { background }),
    ...(decorations.includes("bold") ? { bold: true } : {}),
    ...(decorations.includes("underline") ? { underline: true } : {}),
    ...(decorations.includes("dim") && text === undefined ? { text: "muted" as const } : {}),
  };
}

const TONES: Readonly<Record<string, Tone>> = {
  black: "muted",
  red: "bad",
  green: "good",
  yellow: "warning",
  blue: "active",
  magenta: "active",
  cyan: "active",
  white: "text",
};

/** Anser's names: `ansi-red`, `ansi-bright-red`, `ansi-palette-208`, `ansi-truecolor`. */
function colourOf(name: string | null, exact: string | null): Paint["text"] {
  if (name === null || name === undefined) return undefined;
  if (name === "ansi-truecolor") return rgb(exact ?? "");
  const palette = /^ansi-palette-(\d+)$/u.exec(name)?.[1];
  if (palette !== undefined) return paletteColour(Number(palette));
  if (name === "ansi-bright-black") return "muted";
  return TONES[name.replace(/^ansi-(?:bright-)?/u, "")];
}

function rgb(text: string): readonly [number, number, number] | undefined {
  const [red, green, blue] = text.split(",").map(Number);
  if (red === undefined || green === undefined || blue === undefined) return undefined;
  return [red, green, blue];
}

/** 16 to 231: a cube of six steps; from 232 on 24 greys. */
function paletteColour(index: number): readonly [number, number, number] {
  if (index >= 232) {
    const grey = 8 + (index - 232) * 10;
    return [grey, grey, grey];
  }
  const level = (value: number) => (value === 0 ? 0 : 55 + value * 40);
  const cube = index - 16;
  return [level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6)];
}
