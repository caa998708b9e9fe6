// Skips the options of a command that runs another one. Promises: an option that is not in the
// table, or one whose text is not fixed, gives `undefined` rather than a guess.
import { bareVariable, isOneWord, literal, type Word } from "./word.js";

export interface OptionTable {
  /** Letters of options without a value. */
  readonly flags?: string;
  /** Letters of options that take a value, in the same word or the next. */
  readonly values?: string;
  readonly longFlags?: readonly string[];
  readonly longValues?: readonly string[];
  /** `-5` is an option too, as for `nice`. */
  readonly numbers?: boolean;
}

export interface SkippedOptions {
  readonly rest: readonly Word[];
  /** Option by name (`-c`, `--chdir`), with its value where it takes one. */
  readonly seen: ReadonlyMap<string, Word | undefined>;
  /** Unquoted ones that are values of options: with several words in them the command starts earlier. */
  readonly variables: readonly string[];
}

export function skipOptions(
  words: readonly Word[],
  table: OptionTable,
): SkippedOptions | undefined {
  const seen = new Map<string, Word | undefined>();
  const variables: string[] = [];
  let index = 0;
  for (; index < words.length; index++) {
    const word = words[index];
    if (!word) break;
    const text = literal(word);
    if (text === undefined) {
      // However it goes on, a word that starts like this is no option.
      if (/^[\w./~]/.test(word.raw)) break;
      return undefined;
    }
    if (text === "--") return { rest: words.slice(index + 1), seen, variables };
    if (!/^-./.test(text)) break;
    if (table.numbers && /^-\d+$/.test(text)) continue;
    const took = text.startsWith("--")
      ? readLong(text, words[index + 1], table, seen)
      : readShort(text, words[index + 1], table, seen);
    if (took === undefined) return undefined;
    // `nice -n $X`: of several words the second would be the command.
    const value = took === 1 ? words[index + 1] : undefined;
    if (value && !isOneWord(value)) {
      const name = bareVariable(value);
      if (name === undefined) return undefined;
      variables.push(name);
    }
    index += took;
  }
  return { rest: words.slice(index), seen, variables };
}

type Seen = Map<string, Word | undefined>;

/** The number of further words that the option took. */
function readLong(
  text: string,
  next: Word | undefined,
  table: OptionTable,
  seen: Seen,
): number | undefined {
  const equals = text.indexOf("=");
  const name = equals < 0 ? text.slice(2) : text.slice(2, equals);
  if (table.longValues?.includes(name)) {
    seen.set(`--${name}`, equals < 0 ? next : plain(text.slice(equals + 1)));
    return equals < 0 ? 1 : 0;
  }
  if (!table.longFlags?.includes(name)) return undefined;
  seen.set(`--${name}`, equals < 0 ? undefined : plain(text.slice(equals + 1)));
  return 0;
}

function readShort(
  text: string,
  next: Word | undefined,
  table: OptionTable,
  seen: Seen,
): number | undefined {
  for (let at = 1; at < text.length; at++) {
    const letter = text.charAt(at);
    if (table.flags?.includes(letter)) {
      seen.set(`-${letter}`, undefined);
      continue;
    }
    if (!table.values?.includes(letter)) return undefined;
    const value = text.slice(at + 1);
    seen.set(`-${letter}`, value === "" ? next : plain(value));
    return value === "" ? 1 : 0;
  }
  return 0;
}

function plain(value: string): Word {
  return { raw: value, value, pattern: false, torn: false };
}
