/**
 * What a command asks for. Promises: each command that a plain text runs is a pattern of its own, whatever wraps it;
 * everything that is not plain throws `Opaque`; nothing is run.
 */
import { normalize } from "node:path";
import { waysOf } from "../platform.js";
import { assertHarmless, assertPlainBuiltin, dialectOf, unwrap } from "./programs.js";
import { readStatements, RESERVED, type SimpleCommand } from "./grammar.js";
import { changesDirectory, pathOfRedirect, pathsOfCommand, type PathUse } from "./paths.js";
import { alwaysPattern } from "./patterns.js";
import { literal, opaque, spell, UNKNOWN, type Dialect, type Word } from "./words.js";

export interface Judgement {
  /** One per command, as written and as a rule would spell it. */
  readonly patterns: readonly string[];
  /** What an "always allow" answer may add as rules. */
  readonly always: readonly string[];
  /** In the order of the text. */
  readonly paths: readonly PathUse[];
}

/** @param shell The program that will run the command. */
export function judgeCommand(command: string, shell = "bash"): Judgement {
  const dialect = dialectOf(shell);
  if (!dialect) opaque(`code for ${shell}`, "bash, zsh and sh are read");
  if (command.length > 128 * 1024) opaque("more text than a shell takes", "use a file");
  const judge = new Judge();
  judge.code(command, dialect, 0);
  // Something is always asked: a command without commands (`cd x`, `A=1`) as it is written.
  if (judge.patterns.size === 0) judge.patterns.add(command.trim());
  return { patterns: [...judge.patterns], always: [...judge.always], paths: judge.paths };
}

class Judge {
  readonly patterns = new Set<string>();
  readonly always = new Set<string>();
  readonly paths: PathUse[] = [];
  /** Files by the last part of their paths; `undefined`: a path that is not known. */
  readonly #written = new Set<string | undefined>();
  readonly #run = new Set<string | undefined>();
  /** What variables are set to, and the folders that it changes to. */
  readonly #values: Word[] = [];
  readonly #places: string[] = [];

  code(code: string, dialect: Dialect, level: number): void {
    const { commands, redirects } = readStatements(code, dialect);
    for (const { assignments, words } of commands) {
      for (const raw of [...assignments, ...words.map((it) => it.raw)])
        if (/^\w+=/.test(raw)) this.#values.push({ ...UNKNOWN, raw: raw.replace(/^\w+=/, "") });
      if (words.some(({ value }) => changesDirectory(value ?? "")))
        this.#places.push(literal(words.at(-1)) ?? "bin");
    }
    for (const command of commands) this.#simple(command, dialect, level);
    for (const { writes, target } of redirects) {
      const known = literal(target) === undefined ? this.#values : [];
      this.paths.push(...[target, ...known].flatMap(pathOfRedirect));
      if (writes) this.#written.add(fileName(literal(target)));
    }
    const [written, isUnknown] = [this.#written, this.#written.has(undefined)];
    if ([...this.#run].some((it) => written.has(it) || (isUnknown && !it?.startsWith("."))))
      opaque("a file that it writes and runs", "write the file first, then run it");
  }

  #simple({ written, assignments, words }: SimpleCommand, dialect: Dialect, level: number): void {
    for (const assignment of assignments) assertHarmless(assignment);
    const name = words[0]?.raw;
    if (name === undefined) return;
    // The host asks no pattern for these; what they name is asked as a directory, or has been looked at.
    const isTest = /^(?:\[\[?|export|unset)$/.test(name);
    const asks = !isTest && (assignments.length > 0 || !changesDirectory(name));
    if (asks) this.patterns.add(written);
    this.#words(words, dialect, level, asks, assignments.join(" "));
  }

  #words(words: readonly Word[], dialect: Dialect, level: number, asks = true, set = ""): void {
    const [first, ...args] = words;
    const name = literal(first);
    if (!name || !first || /^(?:[={]|~(?!\/))/.test(name))
      opaque("a program whose name is computed", "write its name");
    if ((RESERVED.test(first.raw) && !/^(?:time|\[\[)$/.test(name)) || name.includes("="))
      opaque(`${name} at this place`, "write a plain command");
    if (level > 8) opaque("code nested too deeply", "write it flatter");
    if (asks) this.#ask(name, args, set);

    const base = baseName(name);
    assertPlainBuiltin(base, args);
    if (/^(?:export|unset)$/.test(base))
      for (const word of args) assertHarmless(literal(word) ?? "");
    this.paths.push(...pathsOfCommand(base, args));
    if (name.includes("/")) this.#run.add(fileName(name));
    if (dialectOf(base)) for (const file of RUN_AT_START) this.#run.add(file);
    if (/^(?:tee|cp|mv|ln|install)$/.test(base))
      for (const file of args) this.#written.add(fileName(literal(file)));
    for (const inner of unwrap(base, args)) {
      if ("words" in inner) this.#words(inner.words, dialect, level + 1);
      else if ("code" in inner) this.code(inner.code, inner.dialect, level + 1);
      else this.#run.add(fileName(inner.script));
    }
  }

  #ask(name: string, args: readonly Word[], set: string): void {
    const spelled = args.map(spell).filter((text) => text !== "");
    // A script of the project is known by its path only.
    const names = [name];
    const isElsewhere = name.includes("/") && this.#places.some((it) => inBin(`${it}/${name}`));
    if (isElsewhere || /^(?:[/~]|\.\.\/)|\/\.\.\//.test(name)) names.push(baseName(name));
    if (waysOf().foldsCase) names.push(...names.map((it) => it.toLowerCase()));
    for (const known of names.filter((it) => it !== "")) {
      this.patterns.add([known, ...spelled].join(" "));
      const always = alwaysPattern([known, ...spelled]);
      if (always === undefined) continue;
      this.always.add(always);
      if (set !== "" && !/[*?]/.test(set)) this.always.add(`${set} ${always}`);
    }
  }
}

const RUN_AT_START = ".zshenv .zprofile .zlogin .bash_profile .bash_login .profile".split(" ");
const inBin = (path: string) => /(?:^|\/)s?bin\/[^/]+$/.test(normalize(path));
const fileName = (path?: string) =>
  path === undefined ? undefined : normalize(path).replace(/^.*\//su, "");
const baseName = (name: string) => name.replace(/^.*\//su, "").replace(/\.exe$/i, "");
