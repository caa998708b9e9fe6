/** Names of keys, as a model writes them, and the bytes that a terminal sends for them. */
import { UserError } from "../../ports.js";

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

export interface Key {
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
