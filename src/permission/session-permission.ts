/** Asks for a shell command by the rules that are in force for an agent in a session. */
import type { Host, PermissionRule } from "../host/host.js";
import { chooseShell } from "../system/spawn.js";
import { askForCommand, type CommandQuestion } from "./ask.js";
import { createCommandParser } from "./parse-command.js";
import { deniesCommands } from "./rules.js";

export interface SessionQuestion extends Omit<CommandQuestion, "shell" | "deniesCommands"> {
  sessionID: string;
  agent: string;
}

export class SessionPermission {
  readonly #host: Host;
  readonly #parser = createCommandParser();

  constructor(host: Host) {
    this.#host = host;
  }

  /** Throws unless the rules of this agent in this session allow every part of the command. */
  async ask(question: SessionQuestion): Promise<void> {
    const shell = chooseShell(process.env).file;
    const denies = async () => deniesCommands(await this.#rulesOf(question));
    await askForCommand(this.#parser, { ...question, shell, deniesCommands: denies });
  }

  async #rulesOf({ sessionID, agent }: SessionQuestion): Promise<PermissionRule[]> {
    const [agents, session] = await Promise.all([
      this.#host.agents(),
      this.#host.session(sessionID),
    ]);
    const own = agents.find(({ name }) => name === agent)?.permission ?? [];
    return [...own, ...(session?.permission ?? [])];
  }
}
