// The host's rule matching, small and faithful: a pattern is matched whole, `*` is anything, `?` one
// character, a trailing ` *` may be missing altogether, backslash counts as slash; the last rule that
// matches decides, and without one the host asks.
import type { PermissionRule } from "../../src/host/host.js";

export function matches(text: string, pattern: string): boolean {
  const slashed = pattern.replaceAll("\\", "/");
  const optionalTail = slashed.endsWith(" *");
  const source = (optionalTail ? slashed.slice(0, -2) : slashed)
    .replaceAll(/[.+^${}()|[\]]/g, String.raw`\$&`)
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  const tail = optionalTail ? "( .*)?" : "";
  return new RegExp(`^${source}${tail}$`, "s").test(text.replaceAll("\\", "/"));
}

export function decide(permission: string, text: string, rules: readonly PermissionRule[]): string {
  const rule = rules.findLast(
    (it) => matches(permission, it.permission) && matches(text, it.pattern),
  );
  return rule?.action ?? "ask";
}

export function bashRules(rules: Record<string, PermissionRule["action"]>): PermissionRule[] {
  return Object.entries(rules).map(([pattern, action]) => ({
    permission: "bash",
    pattern,
    action,
  }));
}

/** Like the host's `ask`, with a user who rejects whatever is asked. */
export function hostAsk(rules: readonly PermissionRule[], log: Asking[] = []) {
  return async (request: Asking): Promise<void> => {
    log.push(request);
    for (const pattern of request.patterns) {
      const action = decide(request.permission, pattern, rules);
      if (action !== "allow") throw new Error(`${action}: ${pattern}`);
    }
  };
}

export interface Asking {
  permission: string;
  patterns: string[];
  always: string[];
  metadata: Record<string, unknown>;
}
