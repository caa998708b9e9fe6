/** What the user's rules say of a permission, as the host matches them. */
import type { PermissionRule } from "./host.js";

/** Whether any of the rules denies some commands rather than all of them. */
export function deniesCommands(rules: readonly PermissionRule[]): boolean {
  return rules.some(
    ({ permission, pattern, action }) =>
      action === "deny" && pattern !== "*" && (permission === "bash" || /[*?]/.test(permission)),
  );
}

/** Whether an agent with these rules can run no command at all. The last rule that matches counts. */
export function deniesAllCommands(rules: readonly PermissionRule[]): boolean {
  const about = rules.filter(({ permission }) => isMatch("bash", permission));
  const last = about.findLastIndex(({ pattern }) => /^\*+$/.test(pattern));
  return last >= 0 && about.slice(last).every(({ action }) => action === "deny");
}

/** Whether any of the rules is for this tool: its name, or a wildcard that is not a catch-all. */
export function namesTool(rules: readonly PermissionRule[], tool: string): boolean {
  return rules.some(({ permission }) => !/^\*+$/.test(permission) && isMatch(tool, permission));
}

/** What the rules say of this, as the host reads them: the last one that matches; without one it asks. */
export function actionFor(
  rules: readonly PermissionRule[],
  permission: string,
  pattern: string,
): PermissionRule["action"] {
  const last = rules.findLast(
    (rule) => isMatch(permission, rule.permission) && isMatch(pattern, rule.pattern),
  );
  return last?.action ?? "ask";
}

/** As the host matches a permission: `*` is any text, `?` one character. */
function isMatch(text: string, pattern: string): boolean {
  const escaped = pattern.replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`);
  const source = escaped.replaceAll("*", ".*").replaceAll("?", ".");
  return new RegExp(`^${source}$`, "s").test(text);
}
