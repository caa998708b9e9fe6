/**
 * Asks by the rules that are in force for an agent in a session: for a command, for what is typed into a process, and
 * for a call of one of our own tools. What a command may do is judged in `permission/`.
 */
import { findAgent, offeredAgents } from "./host/agents.js";
import type { Host, PermissionRule } from "./host/host.js";
import type { Ask, CommandQuestion } from "./permission/ask.js";
import { actionFor, deniesCommands, namesTool } from "./host/rules.js";
import type { TypedInput } from "./process/input/input.js";
import { chooseShell } from "./system/spawn.js";

/** In whose turn a tool is called. */
export interface Caller {
  sessionID: string;
  agent: string;
}

export interface SessionQuestion
  extends Caller, Omit<CommandQuestion, "shell" | "deniesCommands"> {}

export interface SessionInput extends SessionQuestion, TypedInput {}

export interface ToolQuestion {
  /** The name of one of our tools, which is the permission that is asked. */
  tool: string;
  /** The agent, the command, or "*". */
  pattern: string;
  /** A rule for every permission ("*") does not count; one for this tool, also by a wildcard, does. */
  onlyWhereNamed: boolean;
}

export class SessionPermission {
  readonly #host: Pick<Host, "agents" | "sharedSession">;
  readonly #configuredShell: () => string | undefined;

  /** `configuredShell` as for the process manager: what is asked about is what will run. */
  constructor(
    host: Pick<Host, "agents" | "sharedSession">,
    configuredShell: () => string | undefined = () => undefined,
  ) {
    this.#host = host;
    this.#configuredShell = configuredShell;
  }

  /** Throws unless the rules of this agent in this session allow every part of the command. */
  async ask(question: SessionQuestion): Promise<void> {
    const { askForCommand } = await import("./permission/ask.js");
    await askForCommand({ ...question, ...this.#ways(question) });
  }

  /** What is typed into a process of this command; see `askForInput`. */
  async askForInput(question: SessionInput): Promise<string> {
    const { askForInput } = await import("./process/input/input-permission.js");
    return askForInput({ ...question, ...this.#ways(question) });
  }

  /** The shell that reads it, and what is in force. */
  #ways(who: Caller) {
    const rules = () => this.#rulesOf(who);
    return {
      shell: chooseShell(process.env, undefined, undefined, this.#configuredShell()).file,
      rules,
      deniesCommands: async () => deniesCommands(await rules()),
    };
  }

  /**
   * Asks about a call of one of our own tools, by its name: what the host does for its own tools it leaves to those
   * of a plugin. Throws unless the rules allow it.
   */
  async askForTool(who: Caller & { ask: Ask }, { tool, pattern, onlyWhereNamed }: ToolQuestion) {
    if (onlyWhereNamed && !namesTool(await this.#rulesOf(who), tool)) return;
    await who.ask({ permission: tool, patterns: [pattern], always: ["*"], metadata: {} });
  }

  /**
   * Which agents one may start as subagents: by the rules about `task`, and by those about this tool of ours, which
   * starts them, where they name it. `offered`: by name, hidden ones apart. `nameOf` gives the host's name of one that
   * may be a subagent, or throws a UserError that names those that are offered.
   */
  async launchRights(tool: string, who: Caller) {
    const { agents, rules } = await this.#inForce(who);
    const isNamed = namesTool(rules, tool);
    const permissions = isNamed ? ["task", tool] : ["task"];
    const denies = (name: string) =>
      permissions.some((permission) => actionFor(rules, permission, name) === "deny");
    const offered = offeredAgents(agents).filter((name) => !denies(name));
    const nameOf = (name: string) => findAgent(agents, name, offered).name;
    return { offered, denies, namesTool: isNamed, nameOf };
  }

  async #rulesOf(who: Caller): Promise<PermissionRule[]> {
    return (await this.#inForce(who)).rules;
  }

  async #inForce({ sessionID, agent }: Caller) {
    const [agents, session] = await Promise.all([
      this.#host.agents(),
      this.#host.sharedSession(sessionID),
    ]);
    const own = agents.find(({ name }) => name === agent)?.permission ?? [];
    return { agents, rules: [...own, ...(session?.permission ?? [])] };
  }
}
