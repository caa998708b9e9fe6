// Follows shell code through everything that wraps it: lists, substitutions, `sh -c`, `sudo`, `eval`.
// Promises: it ends, however the code is nested.
import { normalize } from "node:path";
import { assignedNames, namesSetByCommand } from "./assignments.js";
import { findDoubts, type Dialect } from "./doubts.js";
import { mayEvaluateText } from "./evaluated.js";
import { noteVariables, type Findings } from "./findings.js";
import { baseName, commandNames } from "./names.js";
import { changesDirectory, pathOfRedirect, pathsOfCommand } from "./paths.js";
import { alwaysPattern } from "./prefix.js";
import { readCommand, readRedirect, type SimpleCommand, type Stdin } from "./simple-command.js";
import { walk, type ParseShell, type SyntaxNode } from "./syntax.js";
import { literal, spell, type Word } from "./word.js";
import { unwrap } from "./wrappers.js";

const MAX_LEVELS = 8;
const NO_COMMAND =
  /^(?:[{}!]|\]\]|then|else|elif|fi|do|done|esac|in|if|while|until|for|case|select|function)$/;

export interface Level {
  readonly parse: ParseShell;
  readonly dialect: Dialect;
  readonly depth: number;
}

export function readCode(code: string, level: Level, findings: Findings): void {
  if (level.depth > MAX_LEVELS) {
    findings.hidden.add("code nested too deeply");
    return;
  }
  const root = level.parse(code);
  if (!root) {
    findings.hidden.add("code too long or too deep to parse");
    return;
  }
  for (const reason of findDoubts(root, code, level.dialect)) findings.hidden.add(reason);
  if (mayEvaluateText(root, code)) findings.hidden.add("quoted code that is evaluated");
  for (const node of walk(root)) readNode(node, code, level, findings);
}

function readNode(node: SyntaxNode, code: string, level: Level, findings: Findings): void {
  noteVariables(findings, assignedNames(node, code), level.dialect);
  if (node.type === "command") readSimpleCommand(readCommand(node, code), level, findings);
  if (node.type !== "file_redirect") return;
  const redirect = readRedirect(node, code);
  if (!redirect) return;
  findings.paths.push(...pathOfRedirect(redirect));
  const target = literal(redirect.target);
  if (target !== undefined && redirect.operator !== "<") findings.written.add(normalize(target));
}

function readSimpleCommand(command: SimpleCommand, level: Level, findings: Findings): void {
  const name = literal(command.words[0]);
  const bare = command.assignments.length === 0 && name !== undefined && changesDirectory(name);
  if (!bare) findings.patterns.add(command.written);
  readWords(command.words, command.stdin, level, findings, command.assignments);
}

/** `assignments` is absent for a command that another one runs. */
function readWords(
  words: readonly Word[],
  stdin: Stdin | undefined,
  level: Level,
  findings: Findings,
  assignments?: readonly string[],
): void {
  const [first, ...args] = words;
  const name = literal(first);
  if (words.some((word) => word.torn))
    findings.hidden.add("a word that the shell reads as several");
  // `=rm` is the path of rm in zsh.
  if (!name || first?.raw.startsWith("=") || NO_COMMAND.test(first?.raw ?? "")) {
    findings.hidden.add("a command whose name is not fixed");
    return;
  }

  const spelled = args.map(spell).filter((text) => text !== "");
  const onlyPaths = assignments?.length === 0 && changesDirectory(name);
  for (const known of onlyPaths ? [] : commandNames(name)) {
    findings.patterns.add([known, ...spelled].join(" "));
    const always = alwaysPattern([known, ...spelled]);
    if (always === undefined) continue;
    findings.always.add(always);
    const set = assignments?.join(" ") ?? "";
    if (set !== "" && !/[*?]/.test(set)) findings.always.add(`${set} ${always}`);
  }

  const base = baseName(name);
  noteVariables(findings, namesSetByCommand(base, args), level.dialect);
  findings.paths.push(...pathsOfCommand(base, args));
  if (name.includes("/")) findings.run.add(normalize(name));
  if (base === "tee") for (const file of args) findings.written.add(normalize(file.value ?? ""));

  const deeper = { ...level, depth: level.depth + 1 };
  for (const inner of unwrap(base, args, stdin)) {
    if (inner.kind === "hidden") findings.hidden.add(inner.reason);
    else if (inner.kind === "split") findings.split.add(inner.variable);
    else if (inner.kind === "script") findings.run.add(normalize(inner.path));
    else if (inner.kind === "words") readInner(inner.words, stdin, deeper, findings);
    else readCode(inner.code, { ...deeper, dialect: inner.dialect ?? level.dialect }, findings);
  }
}

function readInner(
  words: readonly Word[],
  stdin: Stdin | undefined,
  level: Level,
  findings: Findings,
): void {
  if (level.depth > MAX_LEVELS) findings.hidden.add("code nested too deeply");
  else readWords(words, stdin, level, findings);
}
