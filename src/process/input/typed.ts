/**
 * What is typed into a process, as its owner's rules see it: whole lines, the open one and the keys in them by their
 * names, as a model writes them, with the bytes that a terminal sends for them. What was typed is kept only as long as
 * its line is open, so that nothing passes in pieces, and only here.
 */
import { UserError } from "../../ports.js";

export interface TypedLine {
  /** Keys stand in it by their names. */
  text: string;
  /** Enter ends it. */
  isComplete: boolean;
  /** Keys may have changed what the text says: it is not known what the line will be. */
  isEdited: boolean;
}

export interface Typing {
  text?: string;
  keys?: readonly string[];
}

interface Piece {
  bytes: string;
  /** Of a key; text has none. */
  key?: string;
}

const ENTER = "Enter";
/** They run nothing: they interrupt, or end the input. */
const INTERRUPTS = new Set(["C-c", "C-d"]);
/** What a pipe can take as it is. */
const PLAIN_KEYS: Readonly<Record<string, string>> = { Enter: "\n", Tab: "\t", Space: " " };

/** Throws a `UserError` for an unknown key, and for one that only a terminal has. */
export function piecesOf({ text = "", keys = [] }: Typing, isTerminal: boolean): Piece[] {
  const parts = isTerminal ? /\r\n|\p{Cc}|\P{Cc}+/gu : /\p{Cc}|\P{Cc}+/gu;
  const written = [...text.matchAll(parts)].map(([bytes]): Piece => {
    const code = bytes.charCodeAt(0);
    if (bytes === "\n" || (isTerminal && bytes.startsWith("\r"))) return { bytes, key: ENTER };
    // A pipe hands it on: there it interrupts and ends nothing, and is a part of the line.
    if (!isTerminal && code < 0x20)
      return { bytes, key: `\\x${code.toString(16).padStart(2, "0")}` };
    if (code === 0x1b) return { bytes, key: "Escape" };
    if (code < 0x20) return { bytes, key: `C-${String.fromCharCode(code | 0x60)}` };
    return code >= 0x7f && code < 0xa0 ? { bytes, key: "Backspace" } : { bytes };
  });
  const pressed = keys.map((given): Piece => {
    const { name, bytes } = parseKey(given);
    if (isTerminal) return name === "Space" ? { bytes } : { bytes, key: name };
    if (name === "C-d") return { bytes: "", key: name };
    const plain = PLAIN_KEYS[name];
    if (plain !== undefined)
      return name === "Space" ? { bytes: plain } : { bytes: plain, key: name };
    throw new UserError(
      `keys: expected Enter, Tab, Space or C-d, got ${name}, which only a process with stdin "terminal" can be sent (killProcesses ends one without)`,
    );
  });
  return [...written, ...pressed];
}

/** What a terminal takes while nothing reads it (POSIX has 255, Linux 4,096): it drops the rest, but for an Enter. */
const MAX_AT_ONCE = 1000;

/** The line that is open in one process. */
export class OpenLine {
  #text = "";
  #isEdited = false;
  readonly #isTerminal: boolean;

  constructor(isTerminal: boolean) {
    this.#isTerminal = isTerminal;
  }

  /** What the line so far and these pieces make; nothing to ask when they only interrupt or end. */
  lines(pieces: readonly Piece[]): TypedLine[] {
    const { lines } = this.#after(pieces);
    const asksNothing = pieces.every(({ key }) => key !== undefined && INTERRUPTS.has(key));
    return asksNothing ? [] : lines;
  }

  /** They were sent. */
  take(pieces: readonly Piece[]): void {
    const { open } = this.#after(pieces);
    this.#text = open.text;
    this.#isEdited = open.isEdited;
  }

  #after(pieces: readonly Piece[]): { lines: TypedLine[]; open: TypedLine } {
    const lines: TypedLine[] = [];
    let open: TypedLine = { text: this.#text, isEdited: this.#isEdited, isComplete: false };
    for (const { bytes, key } of pieces) {
      if (key === undefined) open.text += bytes;
      else if (key === ENTER) {
        lines.push({ ...open, isComplete: true });
        open = { text: "", isEdited: false, isComplete: false };
      } else if (open.text !== "" || !INTERRUPTS.has(key)) {
        // An interrupt of an empty line leaves it empty; another may be overheard by a program that takes single keys.
        open.text += `${open.text === "" || open.text.endsWith(" ") ? "" : " "}${key} `;
        open.isEdited = true;
      }
    }
    if (open.text !== "") lines.push(open);
    const length = pieces.reduce((sum, { bytes }) => sum + Buffer.byteLength(bytes), 0);
    if (this.#isTerminal && Buffer.byteLength(this.#text) + length > MAX_AT_ONCE)
      for (const line of lines) line.isEdited = true;
    return { lines, open };
  }
}

const ESC = "\u001b";

const KEYS: Readonly<Record<string, string>> = {
  enter: "\r",
  tab: "\t",
  escape: ESC,
  space: " ",
  backspace: "\u007f",
  up: `${ESC}[A`,
  down: `${ESC}[B`,
  right: `${ESC}[C`,
  left: `${ESC}[D`,
  home: `${ESC}[H`,
  end: `${ESC}[F`,
  insert: `${ESC}[2~`,
  delete: `${ESC}[3~`,
  pageup: `${ESC}[5~`,
  pagedown: `${ESC}[6~`,
  "s-tab": `${ESC}[Z`,
  f1: `${ESC}OP`,
  f2: `${ESC}OQ`,
  f3: `${ESC}OR`,
  f4: `${ESC}OS`,
  f5: `${ESC}[15~`,
  f6: `${ESC}[17~`,
  f7: `${ESC}[18~`,
  f8: `${ESC}[19~`,
  f9: `${ESC}[20~`,
  f10: `${ESC}[21~`,
  f11: `${ESC}[23~`,
  f12: `${ESC}[24~`,
};

const ALIASES: Readonly<Record<string, string>> = {
  return: "enter",
  esc: "escape",
  bspace: "backspace",
  del: "delete",
  pgup: "pageup",
  pgdn: "pagedown",
  btab: "s-tab",
};

interface Key {
  /** As it is shown and asked: `Enter`, `C-c`. */
  name: string;
  bytes: string;
}

const NAMES =
  "Enter, Tab, S-Tab, Escape, Space, Backspace, Delete, Insert, Up, Down, Left, Right, Home, End, PageUp, PageDown, F1 to F12, C-a to C-z, M- and a character";

/** Throws a `UserError` that lists the names there are. Case does not matter, but for a character after `M-`. */
export function parseKey(given: string): Key {
  const lower = given
    .toLowerCase()
    .replace(/^(?:ctrl|control)[-+]/u, "c-")
    .replace(/^\^(?=.$)/u, "c-");
  const control = /^c-([a-z@[\\\]^_])$/u.exec(lower)?.[1];
  if (control !== undefined) {
    const bytes = String.fromCharCode(control.toUpperCase().charCodeAt(0) & 31);
    return { name: `C-${control}`, bytes };
  }
  const meta = /^(?:m|alt)[-+](.)$/iu.exec(given)?.[1];
  if (meta !== undefined) return { name: `M-${meta}`, bytes: ESC + meta };
  const plain = lower.replaceAll(/[\s_]/gu, "").replace(/^shift[-+]/u, "s-");
  const known = ALIASES[plain] ?? plain;
  const bytes = Object.hasOwn(KEYS, known) ? KEYS[known] : undefined;
  if (bytes !== undefined) return { name: displayed(known), bytes };
  throw new UserError(`keys: expected names out of ${NAMES}; got ${JSON.stringify(given)}`);
}

function displayed(key: string): string {
  if (key === "pageup") return "PageUp";
  if (key === "pagedown") return "PageDown";
  if (key === "s-tab") return "S-Tab";
  return key.charAt(0).toUpperCase() + key.slice(1);
}
