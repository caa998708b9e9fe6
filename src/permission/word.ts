// One word of a shell command: what it is after the shell has removed the quotes. Promises: `value`
// is set only when no expansion of any kind can change it.

export interface Word {
  /** As written. */
  readonly raw: string;
  /** Without quotes and escapes; `undefined` when it depends on an expansion. */
  readonly value: string | undefined;
  /** A glob or brace pattern outside of quotes: the shell may put other words in its place. */
  readonly pattern: boolean;
  /** Something outside of quotes ends a word for the shell, though the parser saw one word. */
  readonly torn: boolean;
}

const ESCAPES: Readonly<Record<string, string>> = {
  a: "\u0007",
  b: "\b",
  e: "\u001b",
  E: "\u001b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};

/** The text of `$'…'`. */
function decodeAnsiC(text: string): string {
  return text.replaceAll(
    /\\(?:([0-7]{1,3})|x([\da-fA-F]{1,2})|u([\da-fA-F]{1,4})|U([\da-fA-F]{1,8})|c(.)|([^]))/g,
    (_all, octal?: string, hex?: string, u4?: string, u8?: string, control?: string, char = "") => {
      if (octal !== undefined) return String.fromCodePoint(Number.parseInt(octal, 8) & 0xff);
      if (control !== undefined) return String.fromCodePoint((control.codePointAt(0) ?? 0) & 0x1f);
      const code = hex ?? u4 ?? u8;
      if (code === undefined) return ESCAPES[char] ?? char;
      const point = Number.parseInt(code, 16);
      return point > 0x10_ff_ff ? "\uFFFD" : String.fromCodePoint(point);
    },
  );
}

// In the order of the shell's own reading: quoted pieces first, then escapes, then what is special.
const PIECE =
  /'([^']*)'|\$'((?:[^'\\]|\\[^])*)'|\$?"((?:[^"\\`$]|\\[^])*)"|\\\n|\\([^])|([`$"'\\]|[<>]\()|([*?[])|(\{[^}]*(?:,|\.\.))|([\s;&|<>()])|([^])/g;

export function readWord(raw: string): Word {
  let value = "";
  let pattern = false;
  for (const piece of raw.matchAll(PIECE)) {
    const [all, single, ansiC, double, escaped, special, glob, brace, separator, plain] = piece;
    // A quote or dollar that starts no plain piece starts an expansion; the rest cannot be known.
    if (special !== undefined) return { raw, value: undefined, pattern, torn: false };
    if (separator !== undefined) return { raw, value: undefined, pattern, torn: true };
    if (glob !== undefined || brace !== undefined) pattern = true;
    if (single !== undefined) value += single;
    else if (ansiC !== undefined) value += decodeAnsiC(ansiC);
    else if (double !== undefined) value += double.replaceAll(/\\(?:\n|([$`"\\]))/g, "$1");
    else if (escaped !== undefined) value += escaped;
    else value += glob ?? brace ?? plain ?? (all === "\\\n" ? "" : all);
  }
  return { raw, value, pattern, torn: false };
}

/** A word of which nothing is known, such as the arguments that `xargs` adds. */
export const UNKNOWN_WORD: Word = { raw: "", value: undefined, pattern: false, torn: false };

/** The value where the word is what it says, whatever files there are. */
export function literal(word: Word | undefined): string | undefined {
  return word?.pattern ? undefined : word?.value;
}

/** Whether the shell makes one word of it, whatever its variables hold: no unquoted expansion, no `"$@"`. */
export function isOneWord({ raw, value, pattern }: Word): boolean {
  if (value !== undefined) return !pattern;
  return /^(?:"[^"@*!]*"|'[^']*'|[\w./:=,+%-])+$/.test(raw);
}

/** The variable of a word that is several ones only if this variable holds several: `$P`, `+${N}`. */
export function bareVariable({ raw }: Word): string | undefined {
  const found = /^[\w./:=,+%-]*\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})$/.exec(raw);
  return found?.[1] ?? found?.[2];
}

const NEEDS_NO_QUOTES = /^[\w./:=@%+,~^-]+$/;

/** The word as a rule would spell it: needless quotes removed, needed ones kept as they are. */
export function spell(word: Word): string {
  return word.value !== undefined && NEEDS_NO_QUOTES.test(word.value) ? word.value : word.raw;
}
