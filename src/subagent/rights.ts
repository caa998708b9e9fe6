/**
 * The rules that a child session is created with: the denials of its parent's session and a plan's ban on edits. The
 * host puts a session's own rules behind those of its agent, and the last rule that matches wins; so no agent of the
 * child gets past these. What the parent's agent itself is denied is not among them: as with the host's `task`, a
 * narrow agent may start a wider one where its `permission.task` allows that agent.
 */
import { UserError } from "../ports.js";
import type { AgentInfo, PermissionRule, SessionInfo } from "../host/host.js";

export interface RightsInput {
  parent: SessionInfo;
  /** The agent in whose turn the child is started; unknown ones forbid nothing of their own. */
  parentAgent: AgentInfo | undefined;
  /** The child may start no subagents. */
  atDepthLimit: boolean;
}

const LAUNCHERS = ["task", "createBackgroundTask"];

export function childRules({ parent, parentAgent, atDepthLimit }: RightsInput): PermissionRule[] {
  const inherited = parent.permission.filter(
    (rule) => rule.action === "deny" || rule.permission === "external_directory",
  );
  const planned = parentAgent && !mayEdit(parentAgent.permission) ? [deny("edit")] : [];
  // The user is not shown the questions of a child that runs in the background.
  const launchers = atDepthLimit ? LAUNCHERS.map(deny) : [];
  return [...inherited, ...planned, deny("question"), ...launchers];
}

/** Whether a child with these rules could change files by the host's own tools. */
export function mayEdit(rules: readonly PermissionRule[]): boolean {
  return !isDenied("edit", rules);
}

export function mayRunCommands(rules: readonly PermissionRule[]): boolean {
  return !isDenied("bash", rules);
}

function isDenied(permission: string, rules: readonly PermissionRule[]): boolean {
  const matching = rules.filter(
    (rule) => [permission, "*"].includes(rule.permission) && rule.pattern === "*",
  );
  return matching.at(-1)?.action === "deny";
}

/** Throws a UserError when the session has not all the rules that it should have. */
export function requireRules(
  wanted: readonly PermissionRule[],
  actual: readonly PermissionRule[],
): void {
  const isInForce = ({ permission, pattern, action }: PermissionRule) =>
    actual.some(
      (rule) =>
        rule.permission === permission && rule.pattern === pattern && rule.action === action,
    );
  const missing = wanted.filter((rule) => !isInForce(rule));
  if (missing.length === 0) return;
  const names = missing.map(({ permission }) => permission).join(", ");
  throw new UserError(
    `the parent's limits (${names}) are not in force in the child session, so it was not allowed to run`,
  );
}

function deny(permission: string): PermissionRule {
  return { permission, pattern: "*", action: "deny" };
}
