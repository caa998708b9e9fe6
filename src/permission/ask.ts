// Asks the user's rules about a command, as the host's own shell tool would and more strictly where
// that one can be led past them. Promises: it throws unless everything is allowed, and has no effect
// but the questions; hidden code takes a catch-all rule; values of `env` appear in no question.
import { stat } from "node:fs/promises";
import { carriesCode, isDangerousVariable } from "./environment.js";
import { commandFragments, HIDDEN_CODE } from "./hidden.js";
import { directoryPattern, outsideDirectories, type Project } from "./outside.js";
import type { CommandParser, ParsedCommand } from "./parse-command.js";

export interface PermissionRequest {
  permission: string;
  patterns: string[];
  always: string[];
  metadata: Record<string, unknown>;
}

/** The host's `ctx.ask`: resolves when allowed, throws when denied or rejected. */
export type Ask = (request: PermissionRequest) => Promise<void>;

export interface CommandQuestion extends Project {
  readonly command: string;
  /** Absolute. */
  readonly cwd: string;
  /** The program that will run the command. */
  readonly shell?: string;
  /** Variables set for the command. */
  readonly env?: Readonly<Record<string, string>>;
  readonly ask: Ask;
  /**
   * Whether the user's rules deny any command. If so, code that cannot be read is refused, because it
   * may be what they deny even though a catch-all allows the rest. See `deniesCommands`.
   */
  readonly deniesCommands?: () => Promise<boolean>;
}

export interface Asked extends ParsedCommand {
  /** Outside of the project. */
  readonly directories: readonly string[];
}

export class PermissionDeniedError extends Error {
  override readonly name = "PermissionDeniedError";
}

export async function askForCommand(
  parser: CommandParser,
  question: CommandQuestion,
): Promise<Asked> {
  const { command, env = {} } = question;
  if (command.includes("\0")) throw denied(command, [], "it contains a NUL character");
  const parsed = await parser.parseCommand(command, question.shell);
  const hidden = [...parsed.hidden, ...environmentReasons(env, parsed.split)];
  const directories = await outsideDirectories(parsed.paths, question.cwd, question, isDirectory);
  const asked = {
    ...parsed,
    always: hidden.length === 0 ? parsed.always : [],
    hidden,
    directories,
  };

  try {
    await askDirectories(question, directories);
    if (hidden.length > 0 && (await question.deniesCommands?.()))
      throw new Error("Code that cannot be read beforehand is refused where rules deny commands.");
    await question.ask({
      permission: "bash",
      patterns: hidden.length === 0 ? [...parsed.patterns] : hiddenPatterns(parsed, command),
      always: [...asked.always],
      metadata: hidden.length === 0 ? { command } : { command, hidden },
    });
  } catch (error) {
    throw denied(command, hidden, error);
  }
  return asked;
}

async function askDirectories(question: CommandQuestion, directories: string[]): Promise<void> {
  if (directories.length === 0) return;
  const patterns = directories.map(directoryPattern);
  await question.ask({
    permission: "external_directory",
    patterns,
    always: [...patterns],
    metadata: { command: question.command, directories, patterns: [...patterns] },
  });
}

function hiddenPatterns(parsed: ParsedCommand, command: string): string[] {
  const fragments = commandFragments(command);
  if (!fragments) throw new Error("It is too long for code that cannot be read beforehand.");
  return [...new Set([HIDDEN_CODE, ...parsed.patterns, command.trim(), ...fragments])];
}

function environmentReasons(
  env: Readonly<Record<string, string>>,
  split: readonly string[],
): string[] {
  return Object.entries(env).flatMap(([name, value]) => {
    if (split.includes(name) && /[\s*?[]/.test(value))
      return [`more than one word in the variable ${name}`];
    if (isDangerousVariable(name)) return [`a new value for ${name}`];
    return carriesCode(value) ? [`code in the variable ${name}`] : [];
  });
}

async function isDirectory(path: string): Promise<boolean> {
  const stats = await stat(path).catch(() => undefined);
  return stats?.isDirectory() ?? false;
}

function denied(command: string, hidden: readonly string[], cause: unknown): PermissionDeniedError {
  const message = cause instanceof Error ? cause.message : String(cause);
  const shown = command.length > 200 ? `${command.slice(0, 200)}…` : command;
  const why = hidden.length === 0 ? "" : ` (it contains ${hidden.join("; ")})`;
  return new PermissionDeniedError(
    `Permission denied for command ${JSON.stringify(shown)}${why}: ${message}`,
    {
      cause,
    },
  );
}
