/**
 * Asks the user's rules about a command, as the host's own bash tool would. Promises: it throws unless
 * everything is allowed, and has no effect but the questions; an opaque command takes a catch-all rule;
 * values of `env` appear in no question.
 */
import { stat } from "node:fs/promises";
import { offeredAgents } from "../host/agents.js";
import type { Host, PermissionRule } from "../host/host.js";
import { chooseShell } from "../system/spawn.js";
import type { InputQuestion } from "./input.js";
import { judgeCommand, type Judgement } from "./judge.js";
import { directoryPattern, outsideDirectories, type Project } from "./paths.js";
import { actionFor, deniesCommands, namesTool, opaquePatterns } from "./rules.js";
import { carriesCode, isHarmlessVariable } from "./variables.js";
import { Opaque } from "./words.js";

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
   * Whether the user's rules deny any command. If so, an opaque command is refused, because it may be
   * what they deny even though a catch-all allows the rest. See `deniesCommands`.
   */
  readonly deniesCommands?: () => Promise<boolean>;
}

export interface Asked extends Judgement {
  /** Outside of the project. */
  readonly directories: readonly string[];
  /** The construct that made the command opaque, and how to write it plainly. */
  readonly opaque: string | undefined;
}

export class PermissionDeniedError extends Error {
  override readonly name = "PermissionDeniedError";
}

/** @throws PermissionDeniedError The rules deny it, the user rejected it, or it is refused as opaque. */
export async function askForCommand(question: CommandQuestion): Promise<Asked> {
  const { command } = question;
  if (command.includes("\0")) throw denied(command, undefined, "it contains a NUL character");
  return askJudged(question, judge(question));
}

/** As a command of which this construct hides what it does. */
export async function askOpaque(question: CommandQuestion, construct: string): Promise<Asked> {
  return askJudged(question, hidden(question.command, construct));
}

async function askJudged(
  question: CommandQuestion,
  judged: Judgement & Pick<Asked, "opaque">,
): Promise<Asked> {
  const { command } = question;
  const { opaque, paths } = judged;
  const directories = await outsideDirectories(paths, question.cwd, question, isDirectory);
  const metadata = opaque === undefined ? { command } : { command, hidden: [opaque] };
  try {
    await askDirectories(question, directories);
    if (opaque !== undefined && (await question.deniesCommands?.()))
      throw new Error("What cannot be read beforehand is refused where rules deny commands.");
    const { patterns, always } = withVariables(judged, question);
    await question.ask({ permission: "bash", patterns, always, metadata });
    return { ...judged, patterns, always, directories };
  } catch (error) {
    throw denied(command, opaque, error);
  }
}

function judge({ command, shell }: CommandQuestion): Judgement & Pick<Asked, "opaque"> {
  try {
    return { ...judgeCommand(command, shell), opaque: undefined };
  } catch (error) {
    if (!(error instanceof Opaque)) throw error;
    return hidden(command, error.message);
  }
}

function hidden(command: string, construct: string): Judgement & Pick<Asked, "opaque"> {
  const patterns = opaquePatterns(command);
  if (!patterns) throw denied(command, construct, "It is too long to be asked as one.");
  return { patterns, always: [], paths: [], opaque: construct };
}

/** Variables that may hold code are asked by their names, each time. */
function withVariables(
  { patterns, always }: Judgement,
  { command, env = {} }: CommandQuestion,
): Pick<PermissionRequest, "patterns" | "always"> {
  const names = Object.entries(env)
    .filter(([name, value]) => !isHarmlessVariable(name) || carriesCode(value))
    .map(([name]) => `${name}=… `);
  if (names.length === 0) return { patterns: [...patterns], always: [...always] };
  return { patterns: [...patterns, `${names.join("")}${command.trim()}`], always: [] };
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

async function isDirectory(path: string): Promise<boolean> {
  const stats = await stat(path).catch(() => undefined);
  return stats?.isDirectory() ?? false;
}

function denied(
  command: string,
  opaque: string | undefined,
  cause: unknown,
): PermissionDeniedError {
  const message = cause instanceof Error ? cause.message : String(cause);
  const shown = command.length > 200 ? `${command.slice(0, 200)}…` : command;
  const why = opaque === undefined ? "" : ` (it contains ${opaque})`;
  return new PermissionDeniedError(
    `Permission denied for command ${JSON.stringify(shown)}${why}: ${message}`,
    { cause },
  );
}

/** In whose turn a tool is called. */
export interface Caller {
  sessionID: string;
  agent: string;
}

export interface SessionQuestion
  extends Caller, Omit<CommandQuestion, "shell" | "deniesCommands"> {}

export interface SessionInput extends SessionQuestion, Pick<InputQuestion, "lines" | "context"> {}

export interface ToolQuestion extends Caller {
  /** The name of one of our tools, which is the permission that is asked. */
  tool: string;
  /** The agent, the command, or "*". */
  pattern: string;
  always: readonly string[];
  /** A rule for every permission ("*") does not count; one for this tool, also by a wildcard, does. */
  onlyWhereNamed: boolean;
  ask: Ask;
}

/** Which agents one may start as subagents, by the rules that are in force for it. */
export interface LaunchRights {
  /** By name, hidden ones apart. */
  offered: readonly string[];
  denies: (agent: string) => boolean;
}

/** Asks for a shell command by the rules that are in force for an agent in a session. */
export class SessionPermission {
  readonly #host: Pick<Host, "agents" | "session">;
  readonly #configuredShell: () => string | undefined;

  /** `configuredShell` as for the process manager: what is asked about is what will run. */
  constructor(
    host: Pick<Host, "agents" | "session">,
    configuredShell: () => string | undefined = () => undefined,
  ) {
    this.#host = host;
    this.#configuredShell = configuredShell;
  }

  /** Throws unless the rules of this agent in this session allow every part of the command. */
  async ask(question: SessionQuestion): Promise<void> {
    const shell = this.#shell();
    const denies = async () => deniesCommands(await this.#rulesOf(question));
    await askForCommand({ ...question, shell, deniesCommands: denies });
  }

  /** What is typed into a process of this command; see `askForInput`. */
  async askForInput(question: SessionInput): Promise<string> {
    const { askForInput } = await import("./input.js");
    const shell = this.#shell();
    const rules = () => this.#rulesOf(question);
    const denies = async () => deniesCommands(await rules());
    return askForInput({ ...question, shell, rules, deniesCommands: denies });
  }

  #shell(): string {
    return chooseShell(process.env, undefined, undefined, this.#configuredShell()).file;
  }

  /**
   * Asks about a call of one of our own tools, by its name: what the host does for its own tools it leaves to those
   * of a plugin. Throws unless the rules allow it.
   */
  async askForTool({ tool, pattern, always, onlyWhereNamed, ask, ...who }: ToolQuestion) {
    if (onlyWhereNamed && !namesTool(await this.#rulesOf(who), tool)) return;
    await ask({ permission: tool, patterns: [pattern], always: [...always], metadata: {} });
  }

  /** By the rules about `task`, and by those about this tool of ours, which starts them, where they name it. */
  async launchRights(tool: string, who: Caller): Promise<LaunchRights> {
    const { agents, rules } = await this.#inForce(who);
    const permissions = namesTool(rules, tool) ? ["task", tool] : ["task"];
    const denies = (name: string) =>
      permissions.some((permission) => actionFor(rules, permission, name) === "deny");
    const offered = offeredAgents(agents).filter((name) => !denies(name));
    return { offered, denies };
  }

  async #rulesOf(who: Caller): Promise<PermissionRule[]> {
    return (await this.#inForce(who)).rules;
  }

  async #inForce({ sessionID, agent }: Caller) {
    const [agents, session] = await Promise.all([
      this.#host.agents(),
      this.#host.session(sessionID),
    ]);
    const own = agents.find(({ name }) => name === agent)?.permission ?? [];
    return { agents, rules: [...own, ...(session?.permission ?? [])] };
  }
}
