/**
 * Asks by the rules that are in force for an agent in a session: for a command, for what is typed into a process, and
 * for a call of one of our own tools. What a command may do is judged in `permission/`.
 */
import type { Host, PermissionRule } from "./host/host.js";
import { askForCommand, type Ask, type CommandQuestion } from "./permission/ask.js";
import { deniesCommands, namesTool } from "./host/rules.js";
import type { InputQuestion } from "./process/input-permission.js";
import { chooseShell } from "./system/spawn.js";

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

export class SessionPermission {
  readonly #host: Pick<Host, "agents" | "session">;

  constructor(host: Pick<Host, "agents" | "session">) {
    this.#host = host;
  }

  /** Throws unless the rules of this agent in this session allow every part of the command. */
  async ask(question: SessionQuestion): Promise<void> {
    const shell = chooseShell(process.env).file;
    const denies = async () => deniesCommands(await this.#rulesOf(question));
    await askForCommand({ ...question, shell, deniesCommands: denies });
  }

  /** What is typed into a process of this command; see `askForInput`. */
  async askForInput(question: SessionInput): Promise<string> {
    const { askForInput } = await import("./process/input-permission.js");
    const shell = chooseShell(process.env).file;
    const rules = () => this.#rulesOf(question);
    const denies = async () => deniesCommands(await rules());
    return askForInput({ ...question, shell, rules, deniesCommands: denies });
  }

  /**
   * Asks about a call of one of our own tools, by its name: what the host does for its own tools it leaves to those
   * of a plugin. Throws unless the rules allow it.
   */
  async askForTool({ tool, pattern, always, onlyWhereNamed, ask, ...who }: ToolQuestion) {
    if (onlyWhereNamed && !namesTool(await this.#rulesOf(who), tool)) return;
    await ask({ permission: tool, patterns: [pattern], always: [...always], metadata: {} });
  }

  async #rulesOf({ sessionID, agent }: Caller): Promise<PermissionRule[]> {
    const [agents, session] = await Promise.all([
      this.#host.agents(),
      this.#host.session(sessionID),
    ]);
    const own = agents.find(({ name }) => name === agent)?.permission ?? [];
    return [...own, ...(session?.permission ?? [])];
  }
}
