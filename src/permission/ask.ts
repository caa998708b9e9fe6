/**
 * Asks the user's rules about a command, as the host's bash tool would. Promises: throws unless everything is allowed,
 * and has no effect but the questions; an opaque command takes a catch-all; values of `env` appear in no question.
 */
import { cutText } from "../text.js";
import { judgeCommand, type Judgement } from "./judge.js";
import { directoryPattern, outsideDirectories, type Project } from "./paths.js";
import { opaquePatterns } from "./patterns.js";
import { isHarmlessVariable } from "./programs.js";
import { Opaque } from "./words.js";

/** The host's `ctx.ask`: resolves when allowed, throws when denied or rejected. */
export type Ask = (request: {
  permission: string;
  patterns: string[];
  always: string[];
  metadata: Record<string, unknown>;
}) => Promise<void>;

export interface CommandQuestion extends Project {
  readonly command: string;
  /** Absolute. */
  readonly cwd: string;
  readonly shell?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly ask: Ask;
  /** Whether the rules deny any command: then an opaque one, which may be what they deny, is refused. */
  readonly deniesCommands?: () => Promise<boolean>;
}

interface Asked extends Judgement {
  /** The construct that made the command opaque, and how to write it plainly. */
  readonly opaque: string | undefined;
  readonly directories: readonly string[];
}

export class PermissionDeniedError extends Error {
  override readonly name = "PermissionDeniedError";
}

/** @throws PermissionDeniedError The rules deny it, the user rejected it, or it is refused as opaque. */
export async function askForCommand(question: CommandQuestion): Promise<Asked> {
  const { command, shell } = question;
  if (command.includes("\0")) throw denied(command, undefined, "it contains a NUL character");
  let judged: Judgement;
  try {
    judged = judgeCommand(command, shell);
  } catch (error) {
    if (!(error instanceof Opaque)) throw error;
    return askOpaque(question, error.message);
  }
  return askJudged(question, judged);
}

/** As a command of which this construct hides what it does. */
export async function askOpaque(question: CommandQuestion, opaque: string): Promise<Asked> {
  const patterns = opaquePatterns(question.command);
  if (!patterns) throw denied(question.command, opaque, "It is too long to be asked as one.");
  return askJudged(question, { patterns, always: [], paths: [] }, opaque);
}

async function askJudged(question: CommandQuestion, judged: Judgement, opaque?: string) {
  const { command, cwd, env = {}, ask } = question;
  let [patterns, always] = [[...judged.patterns], [...judged.always]];
  // Variables that may hold code are asked by their names, each time.
  const names = Object.keys(env).filter((name) => !isHarmlessVariable(name, env[name]));
  if (names.length > 0)
    [patterns, always] = [[...patterns, `${names.join("=… ")}=… ${command.trim()}`], []];
  try {
    const directories = await outsideDirectories(judged.paths, cwd, question);
    if (directories.length > 0) {
      const all = directories.map(directoryPattern);
      const metadata = { command, directories, patterns: [...all] };
      await ask({ permission: "external_directory", patterns: all, always: [...all], metadata });
    }
    if (opaque !== undefined && (await question.deniesCommands?.()))
      throw new Error("What cannot be read beforehand is refused where rules deny commands.");
    const metadata = opaque === undefined ? { command } : { command, hidden: [opaque] };
    await ask({ permission: "bash", patterns, always, metadata });
    return { paths: judged.paths, patterns, always, directories, opaque };
  } catch (error) {
    throw denied(command, opaque, error);
  }
}

function denied(command: string, opaque: string | undefined, cause: unknown) {
  const message = cause instanceof Error ? cause.message : String(cause);
  const shown = JSON.stringify(cutText(command, 201));
  const why = opaque === undefined ? "" : ` (it contains ${opaque})`;
  const text = `Permission denied for command ${shown}${why}: ${message}`;
  return new PermissionDeniedError(text, { cause });
}
