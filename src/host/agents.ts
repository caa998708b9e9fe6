/** The host's agents that may be subagents: which are offered, how one is found by a name, how they are named. Pure. */
import { UserError } from "../ports.js";
import { oneLine, shownValue } from "../text.js";
import type { AgentInfo } from "./host.js";

/** Characters that the tool's definition may spend on their names: they are paid in every request. */
const MOST_CHARACTERS = 600;

/** By name; without hidden ones, which are started only by who knows them. */
export function offeredAgents(agents: readonly AgentInfo[]): string[] {
  return agents
    .filter(({ mode, hidden }) => mode !== "primary" && !hidden)
    .map(({ name }) => name)
    .sort();
}

/**
 * One that may be a subagent, by its name; one that is hidden by exactly its name, others also in another case. Throws
 * a UserError that names those that are `offered`.
 */
export function findAgent(
  agents: readonly AgentInfo[],
  name: string,
  offered: readonly string[] = offeredAgents(agents),
): AgentInfo {
  const usable = agents.filter(({ mode }) => mode !== "primary");
  const exact = usable.find((candidate) => candidate.name === name);
  if (exact) return exact;
  const meant = name.trim().toLowerCase();
  const [alike, other] = usable.filter(
    (candidate) => !candidate.hidden && candidate.name.toLowerCase() === meant,
  );
  if (alike && !other) return alike;
  throw new UserError(`agent: expected ${oneOf(offered)}, got ${shownValue(name)}`);
}

export function oneOf(offered: readonly string[]): string {
  return offered.length > 0 ? `one of ${offered.join(", ")}` : "none: no agent may be started here";
}

/** For the definition of the tool that starts them, which knows no caller; undefined when there are none. */
export function agentsLine(agents: readonly AgentInfo[]): string | undefined {
  const names = offeredAgents(agents).map((name) => oneLine(name, 60));
  if (names.length === 0) return undefined;
  for (let shown = names.length; ; shown--) {
    const more = shown < names.length ? [`and ${names.length - shown} more`] : [];
    const line = `Agents: ${[...names.slice(0, shown), ...more].join(", ")}.`;
    if (line.length <= MOST_CHARACTERS) return line;
  }
}
